//! Every way in which something can be refused.

use std::fmt;

/// What is wrong, as a stable code and a sentence that a person can act on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    code: Code,
    message: String,
    key: Option<usize>,
}

/// The stable codes of [`Error`]; JavaScript sees them as `error.code`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Code {
    /// The nodes or the parameters of a scheme cannot work together.
    BadPlacement,
    /// A key that the scheme cannot carry.
    BadKey,
    /// Offsets that do not describe the bytes they came with.
    BadOffsets,
    /// Bytes that are no replies of a Redis server.
    Protocol,
    /// A caller broke an agreement: buffers that are too small, or do not fit each other.
    Internal,
}

impl Code {
    /// The code as a string, such as `"BAD_KEY"`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BadPlacement => "BAD_PLACEMENT",
            Self::BadKey => "BAD_KEY",
            Self::BadOffsets => "BAD_OFFSETS",
            Self::Protocol => "PROTOCOL",
            Self::Internal => "INTERNAL",
        }
    }
}

/// The result of anything that may be refused.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            key: None,
        }
    }

    pub(crate) fn placement(message: impl Into<String>) -> Self {
        Self::new(Code::BadPlacement, message)
    }

    pub(crate) fn key(message: impl Into<String>) -> Self {
        Self::new(Code::BadKey, message)
    }

    pub(crate) fn offsets(message: impl Into<String>) -> Self {
        Self::new(Code::BadOffsets, message)
    }

    pub(crate) fn protocol(message: impl Into<String>) -> Self {
        Self::new(Code::Protocol, message)
    }

    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self::new(Code::Internal, message)
    }

    /// The same error, with the position of the key that caused it.
    #[must_use]
    pub(crate) fn at(mut self, position: usize) -> Self {
        self.key = Some(position);
        self
    }

    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> Code {
        self.code
    }

    /// The position of the key that caused it, where one key did.
    #[must_use]
    pub const fn key_position(&self) -> Option<usize> {
        self.key
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for Error {}
