//! From a key to the bytes that are hashed and the bytes that are stored.

use std::borrow::Cow;

use crate::{
    error::{Error, Result},
    scheme::{Encoding, Recipe},
    tag::{TagRule, Tagged},
};

/// A key: some systems treat text and bytes differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key<'a> {
    /// The UTF-8 of a text.
    Text(&'a [u8]),
    /// Bytes as they are.
    Bytes(&'a [u8]),
}

impl<'a> Key<'a> {
    pub(crate) const fn bytes(self) -> &'a [u8] {
        match self {
            Self::Text(bytes) | Self::Bytes(bytes) => bytes,
        }
    }
}

/// What all keys of a batch are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The UTF-8 of texts.
    Text,
    /// Bytes as they are.
    Bytes,
}

impl Kind {
    /// A key of this kind.
    #[must_use]
    pub const fn key(self, bytes: &[u8]) -> Key<'_> {
        match self {
            Self::Text => Key::Text(bytes),
            Self::Bytes => Key::Bytes(bytes),
        }
    }
}

/// A key, read as a recipe says.
pub(crate) struct Read<'a> {
    /// The key through its tag rule, in the bytes of the wire.
    pub(crate) tagged: Tagged<'a>,
    /// The bytes that are hashed.
    pub(crate) hashed: Cow<'a, [u8]>,
}

impl Recipe {
    /// The tag rule of keys of a kind.
    pub(crate) const fn rule(&self, kind: Kind) -> TagRule {
        match kind {
            Kind::Text => self.text_tag,
            Kind::Bytes => self.bytes_tag,
        }
    }

    /// Reads a key: first its tag, then what of it is hashed.
    ///
    /// # Errors
    ///
    /// `BAD_KEY` where nothing would be left to store.
    pub(crate) fn read<'a>(&self, key: Key<'a>) -> Result<Read<'a>> {
        if let Key::Text(text) = key {
            let tagged = self.text_tag.apply(text);
            let hashed = match self.text {
                Encoding::Utf8 => Some(Cow::Borrowed(tagged.hashed)),
                Encoding::Latin1 => latin1(tagged.hashed),
            };
            if let Some(hashed) = hashed {
                check_stored(&tagged, text)?;
                return Ok(Read { tagged, hashed });
            }
        }
        // The Python 3 clients refuse a text that Latin-1 lacks, but write the
        // same key when it is given as bytes.
        let tagged = apply(self.bytes_tag, key.bytes())?;
        Ok(Read {
            tagged,
            hashed: Cow::Borrowed(tagged.hashed),
        })
    }
}

/// A key through a tag rule.
pub(crate) fn apply(rule: TagRule, key: &[u8]) -> Result<Tagged<'_>> {
    let tagged = rule.apply(key);
    check_stored(&tagged, key)?;
    Ok(tagged)
}

/// Where a scheme cuts the tag off, something must be left to store: else the
/// client writes every such key under the one empty name.
fn check_stored(tagged: &Tagged<'_>, key: &[u8]) -> Result<()> {
    if tagged.stored.is_empty() && !key.is_empty() {
        return Err(Error::key(
            "rediscluster cuts the tag off, which leaves the empty key: everything written so \
             overwrites everything else; put something before the brace, or pin the key with \
             by(hashKey)",
        ));
    }
    Ok(())
}

/// The ISO 8859-1 of a UTF-8 text, if all its characters have one.
fn latin1(text: &[u8]) -> Option<Cow<'_, [u8]>> {
    if text.is_ascii() {
        return Some(Cow::Borrowed(text));
    }
    let text = std::str::from_utf8(text).ok()?;
    let bytes: Option<Vec<u8>> = text
        .chars()
        .map(|character| u8::try_from(character).ok())
        .collect();
    bytes.map(Cow::Owned)
}
