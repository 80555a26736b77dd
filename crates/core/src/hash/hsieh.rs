//! Paul Hsieh's `SuperFastHash` as in twemproxy's `src/hashkit/nc_hsieh.c`.

use super::Char;

/// `SuperFastHash` starting from 0.
///
/// Only the third byte of a three-byte rest is read as `char`: everything else goes through
/// unsigned types in the original as well.
#[inline]
pub(super) fn hsieh(key: &[u8], char: Char) -> u32 {
    if key.is_empty() {
        return 0;
    }
    let (blocks, rest) = key.as_chunks::<4>();
    let mut hash = blocks.iter().fold(0_u32, |hash, [a, b, c, d]| {
        let hash = hash.wrapping_add(pair(*a, *b));
        let mixed = (hash << 16) ^ (pair(*c, *d) << 11) ^ hash;
        mixed.wrapping_add(mixed >> 11)
    });
    match *rest {
        [a, b, c] => {
            hash = hash.wrapping_add(pair(a, b));
            hash ^= hash << 16;
            hash ^= char.widen(c) << 18;
            hash = hash.wrapping_add(hash >> 11);
        }
        [a, b] => {
            hash = hash.wrapping_add(pair(a, b));
            hash ^= hash << 11;
            hash = hash.wrapping_add(hash >> 17);
        }
        [a] => {
            hash = hash.wrapping_add(a.into());
            hash ^= hash << 10;
            hash = hash.wrapping_add(hash >> 1);
        }
        _ => {}
    }
    hash ^= hash << 3;
    hash = hash.wrapping_add(hash >> 5);
    hash ^= hash << 4;
    hash = hash.wrapping_add(hash >> 17);
    hash ^= hash << 25;
    hash.wrapping_add(hash >> 6)
}

/// Two bytes as a little-endian number.
#[inline]
fn pair(low: u8, high: u8) -> u32 {
    u16::from_le_bytes([low, high]).into()
}
