//! FNV-1 and FNV-1a (Fowler, Noll, Vo) as in twemproxy's `src/hashkit/nc_fnv.c`.
//!
//! Of the 64-bit hashes twemproxy keeps the low 32 bits. Those depend on the low 32 bits of the
//! start and of the prime alone, since neither `^` nor `*` carries anything downwards; twemproxy
//! itself computes `fnv1a_64` that way.

use super::Char;

const START_32: u32 = 0x811c_9dc5;
const PRIME_32: u32 = 0x0100_0193;

/// The low half of 0xcbf29ce484222325.
const START_64_LOW: u32 = 0x8422_2325;
/// The low half of 0x100000001b3.
const PRIME_64_LOW: u32 = 0x0000_01b3;

/// FNV-1 of 32 bits.
#[inline]
pub(super) fn fnv1_32(key: &[u8], char: Char) -> u32 {
    fnv1(key, char, START_32, PRIME_32)
}

/// FNV-1a of 32 bits.
#[inline]
pub(super) fn fnv1a_32(key: &[u8], char: Char) -> u32 {
    fnv1a(key, char, START_32, PRIME_32)
}

/// The low half of FNV-1 of 64 bits.
#[inline]
pub(super) fn fnv1_64_low(key: &[u8], char: Char) -> u32 {
    fnv1(key, char, START_64_LOW, PRIME_64_LOW)
}

/// The low half of FNV-1a of 64 bits.
#[inline]
pub(super) fn fnv1a_64_low(key: &[u8], char: Char) -> u32 {
    fnv1a(key, char, START_64_LOW, PRIME_64_LOW)
}

#[inline]
fn fnv1(key: &[u8], char: Char, start: u32, prime: u32) -> u32 {
    key.iter().fold(start, |hash, byte| {
        hash.wrapping_mul(prime) ^ char.widen(*byte)
    })
}

#[inline]
fn fnv1a(key: &[u8], char: Char, start: u32, prime: u32) -> u32 {
    key.iter().fold(start, |hash, byte| {
        (hash ^ char.widen(*byte)).wrapping_mul(prime)
    })
}

#[cfg(test)]
mod tests {
    use super::{Char, fnv1_64_low, fnv1a_64_low};

    const START_64: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME_64: u64 = 0x0000_0100_0000_01b3;

    proptest::proptest! {
        #[test]
        fn low_halves_equal_those_of_the_whole_64_bits(key in crate::hash::tests::key()) {
            for char in [Char::Signed, Char::Unsigned] {
                let widen = |byte: &u8| match char {
                    Char::Signed => i64::from(byte.cast_signed()).cast_unsigned(),
                    Char::Unsigned => u64::from(*byte),
                };
                let fnv1 = key.iter().fold(START_64, |hash, byte| {
                    hash.wrapping_mul(PRIME_64) ^ widen(byte)
                });
                let fnv1a = key.iter().fold(START_64, |hash, byte| {
                    (hash ^ widen(byte)).wrapping_mul(PRIME_64)
                });
                let low = u64::from(u32::MAX);
                proptest::prop_assert_eq!(u64::from(fnv1_64_low(&key, char)), fnv1 & low);
                proptest::prop_assert_eq!(u64::from(fnv1a_64_low(&key, char)), fnv1a & low);
            }
        }
    }
}
