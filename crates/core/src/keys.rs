//! Packed keys: many keys in one run of bytes.
//!
//! One run crosses from JavaScript far faster than many strings. Offsets come
//! from outside, so they are checked here, once, and nowhere else.

use std::borrow::Cow;

use crate::error::{Error, Result};

/// Many keys in one run of bytes.
#[derive(Clone, Copy, Debug)]
pub struct Keys<'a> {
    bytes: &'a [u8],
    bounds: Bounds<'a>,
    len: usize,
}

#[derive(Clone, Copy, Debug)]
enum Bounds<'a> {
    /// One separator between two keys.
    Separator(u8),
    /// Where each key ends; the next one begins there.
    Ends(&'a [u32]),
}

impl<'a> Keys<'a> {
    /// Keys with one `separator` between two of them, as in a file of lines.
    /// A separator at the very end closes the last key; no bytes are no keys.
    ///
    /// ```
    /// use shardis_core::Keys;
    /// assert_eq!(Keys::separated(b"a\nbb\n", b'\n').len(), 2);
    /// assert_eq!(Keys::separated(b"a\n\nbb", b'\n').len(), 3); // the second is empty
    /// ```
    #[must_use]
    pub fn separated(bytes: &'a [u8], separator: u8) -> Self {
        let lines = bytes.strip_suffix(&[separator]).unwrap_or(bytes);
        let len = if bytes.is_empty() {
            0
        } else {
            count(lines, separator) + 1
        };
        Self {
            bytes: lines,
            bounds: Bounds::Separator(separator),
            len,
        }
    }

    /// Keys that end at `ends`, each beginning where the one before it ended.
    ///
    /// # Errors
    ///
    /// [`Code::BadOffsets`](crate::Code::BadOffsets) where an end lies before
    /// the one before it, or the last is not the end of the bytes.
    pub fn packed(bytes: &'a [u8], ends: &'a [u32]) -> Result<Self> {
        let mut start = 0;
        for (position, &end) in ends.iter().enumerate() {
            if end < start {
                return Err(Error::offsets(format!(
                    "offset {position} is {end}, before the one before it ({start}); \
                     offsets are the end of each key, in ascending order"
                ))
                .at(position));
            }
            start = end;
        }
        if start as usize == bytes.len() {
            Ok(Self {
                bytes,
                bounds: Bounds::Ends(ends),
                len: ends.len(),
            })
        } else {
            Err(Error::offsets(format!(
                "the last offset is {start}, but there are {} bytes; \
                 the last offset must be where the bytes end",
                bytes.len()
            )))
        }
    }

    /// Where each of many texts ends in the UTF-8 of all, given where it ends in
    /// their UTF-16, as JavaScript counts. Nothing if one ends within a character:
    /// two halves of a surrogate pair became one where the texts were joined.
    ///
    /// ```
    /// use shardis_core::Keys;
    /// assert_eq!(*Keys::utf8_ends("né".as_bytes(), &[1, 2]).unwrap(), [1, 3]);
    /// assert!(Keys::utf8_ends("\u{1F600}".as_bytes(), &[1, 2]).is_none());
    /// ```
    #[must_use]
    pub fn utf8_ends<'e>(utf8: &[u8], ends: &'e [u32]) -> Option<Cow<'e, [u32]>> {
        // ASCII, as most keys are: every unit is one byte.
        if ends.last().is_none_or(|end| *end as usize == utf8.len()) {
            return Some(Cow::Borrowed(ends));
        }
        let mut units = 0;
        let mut rest = (0_u32..).zip(utf8).peekable();
        let utf8_end = |end: &u32| {
            // A character of four bytes is two units; bytes after the first are none.
            while let Some((_, byte)) = rest.next_if(|(_, byte)| units < *end || is_inner(**byte)) {
                units += u32::from(!is_inner(*byte)) + u32::from(*byte >= 0xf0);
            }
            let at = rest.peek().map_or(utf8.len(), |(at, _)| *at as usize);
            (units == *end).then(|| u32::try_from(at).ok()).flatten()
        };
        ends.iter()
            .map(utf8_end)
            .collect::<Option<_>>()
            .map(Cow::Owned)
    }

    /// How many keys there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// All bytes, separators included: what is true of none of these is true
    /// of no key.
    #[must_use]
    pub(crate) const fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Each key in turn.
    #[must_use]
    pub fn iter(&self) -> Iter<'a> {
        Iter {
            rest: self.bytes,
            bounds: self.bounds,
            at: 0,
            left: self.len,
        }
    }
}

impl<'a> IntoIterator for &Keys<'a> {
    type Item = &'a [u8];
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

/// Each of some packed [`Keys`] in turn.
#[derive(Clone, Debug)]
pub struct Iter<'a> {
    rest: &'a [u8],
    bounds: Bounds<'a>,
    at: usize,
    left: usize,
}

impl<'a> Iterator for Iter<'a> {
    type Item = &'a [u8];

    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        self.left = self.left.checked_sub(1)?;
        match self.bounds {
            Bounds::Separator(separator) => {
                let end = first(self.rest, separator).unwrap_or(self.rest.len());
                let key = &self.rest[..end];
                self.rest = self.rest.get(end + 1..).unwrap_or_default();
                Some(key)
            }
            Bounds::Ends(ends) => {
                let start = self.at.checked_sub(1).map_or(0, |before| ends[before]);
                let key = &self.rest[start as usize..ends[self.at] as usize];
                self.at += 1;
                Some(key)
            }
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Iter<'_> {}

/// Whether a byte of UTF-8 is another than the first of its character.
const fn is_inner(byte: u8) -> bool {
    byte & 0xc0 == 0x80
}

fn count(bytes: &[u8], wanted: u8) -> usize {
    let sum = |chunk: &[u8]| {
        chunk
            .iter()
            .map(|&byte| u8::from(byte == wanted))
            .sum::<u8>()
    };
    // Sums of bytes stay in vector registers; 128 of them cannot overflow.
    let (chunks, rest) = bytes.as_chunks::<128>();
    chunks
        .iter()
        .map(|chunk| usize::from(sum(chunk)))
        .sum::<usize>()
        + usize::from(sum(rest))
}

/// The position of the first `wanted`, eight bytes at a time: keys are short,
/// and wider searches take longer to set up than these take to end.
#[inline]
pub(crate) fn first(bytes: &[u8], wanted: u8) -> Option<usize> {
    const LOW: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let pattern = u64::from(wanted) * LOW;
    let (words, rest) = bytes.as_chunks::<8>();
    for (at, word) in words.iter().enumerate() {
        // The lowest high bit set marks the first byte that equals `wanted`
        // (Mycroft's test for a zero byte).
        let differs = u64::from_le_bytes(*word) ^ pattern;
        let equal = differs.wrapping_sub(LOW) & !differs & HIGH;
        if equal != 0 {
            return Some(at * 8 + (equal.trailing_zeros() / 8) as usize);
        }
    }
    let at = rest.iter().position(|&byte| byte == wanted)?;
    Some(words.len() * 8 + at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_first_byte_is_found_as_by_a_plain_search(bytes: Vec<u8>, wanted: u8) {
            prop_assert_eq!(first(&bytes, wanted), bytes.iter().position(|&byte| byte == wanted));
        }

        #[test]
        fn counting_is_counting(bytes in prop::collection::vec(0u8..3, 0..2000), wanted in 0u8..3) {
            let naive = bytes.split(|byte| *byte == wanted).count() - 1;
            prop_assert_eq!(count(&bytes, wanted), naive);
        }

        #[test]
        fn packed_keys_are_the_keys_that_were_packed(keys: Vec<Vec<u8>>) {
            let bytes = keys.concat();
            let ends: Vec<u32> = keys
                .iter()
                .scan(0, |end, key| {
                    *end += u32::try_from(key.len()).unwrap();
                    Some(*end)
                })
                .collect();
            let packed = Keys::packed(&bytes, &ends).unwrap();
            prop_assert_eq!(packed.iter().map(<[u8]>::to_vec).collect::<Vec<_>>(), keys);
        }

        #[test]
        fn ends_in_utf_8_are_those_of_the_texts(texts: Vec<String>) {
            let ends_by = |length: fn(&String) -> usize| -> Vec<u32> {
                let ends = texts.iter().scan(0, |end, text| {
                    *end += u32::try_from(length(text)).unwrap();
                    Some(*end)
                });
                ends.collect()
            };
            let ends = ends_by(|text| text.encode_utf16().count());
            let found = Keys::utf8_ends(texts.concat().as_bytes(), &ends).map(Cow::into_owned);
            prop_assert_eq!(found, Some(ends_by(String::len)));
        }

        #[test]
        fn ends_in_utf_16_that_lie_never_panic(bytes: Vec<u8>, ends: Vec<u32>) {
            if let Some(ends) = Keys::utf8_ends(&bytes, &ends) {
                let _ = Keys::packed(&bytes, &ends);
            }
        }

        #[test]
        fn offsets_that_lie_are_refused_and_never_panic(bytes: Vec<u8>, ends: Vec<u32>) {
            if let Ok(keys) = Keys::packed(&bytes, &ends) {
                prop_assert_eq!(keys.iter().map(<[u8]>::len).sum::<usize>(), bytes.len());
            }
        }
    }

    #[test]
    fn no_bytes_are_no_keys_and_a_separator_is_one_empty_key() {
        assert_eq!(Keys::separated(b"", b'\n').iter().count(), 0);
        assert_eq!(
            Keys::separated(b"\n", b'\n').iter().collect::<Vec<_>>(),
            [b""]
        );
        assert_eq!(
            Keys::separated(b"\n\n", b'\n').iter().collect::<Vec<_>>(),
            [b"", b""]
        );
    }
}
