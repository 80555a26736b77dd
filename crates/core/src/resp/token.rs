//! What a scan tells of a value.

/// A value, or the beginning of an aggregate: what it is, and where.
///
/// Where it is text, `a` and `b` are the offsets of its first byte and behind its last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token {
    /// One of the kinds below.
    pub kind: u32,
    /// An offset, a number or a count.
    pub a: usize,
    /// An offset.
    pub b: usize,
}

impl Token {
    /// No value: `$-1`, `*-1` or `_`.
    pub const NULL: u32 = 0;
    /// Text.
    pub const STRING: u32 = 1;
    /// `a` has the bits of a signed number.
    pub const INTEGER: u32 = 2;
    /// Text: it has more than 32 bits.
    pub const LONG_INTEGER: u32 = 3;
    /// Text.
    pub const ERROR: u32 = 4;
    /// Text.
    pub const DOUBLE: u32 = 5;
    /// `a` is 0 or 1.
    pub const BOOLEAN: u32 = 6;
    /// Text.
    pub const BIG_NUMBER: u32 = 7;
    /// `a` values follow.
    pub const ARRAY: u32 = 8;
    /// `a` values follow.
    pub const SET: u32 = 9;
    /// `a` pairs of values follow.
    pub const MAP: u32 = 10;
    /// `a` pairs of values follow, and then the value that they are about, whose
    /// place it has taken.
    pub const ATTRIBUTE: u32 = 11;

    /// The token as it is handed out. Bytes that are scanned are no more than 32
    /// bits can count.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "see above")]
    pub const fn words(self) -> [u32; 3] {
        [self.kind, self.a as u32, self.b as u32]
    }

    /// A number, a count, or nothing.
    pub(super) const fn number(kind: u32, a: u32) -> Self {
        let a = a as usize;
        Self { kind, a, b: 0 }
    }
}
