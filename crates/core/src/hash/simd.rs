//! The batch kernels, chosen at run time by what the CPU can do.
//!
//! Only here is code called that not every CPU can run. The standard library asks the CPU once and
//! remembers the answer, so asking for each batch is cheap.
#![allow(
    unsafe_code,
    reason = "code for a CPU feature is called after asking for the feature"
)]

#[cfg(target_arch = "x86_64")]
use super::carryless;
use super::lanes::{self, BlockDigest};
use super::{crc16, crc32};

/// Calls `each` with the index and the final state of each key, hashing as many keys at once as the
/// CPU has lanes, though no more than `widest`.
#[inline]
pub(super) fn digests<D: BlockDigest<WORDS>, const WORDS: usize>(
    widest: usize,
    keys: &[&[u8]],
    each: impl FnMut(usize, [u32; WORDS]),
) {
    #[cfg(target_arch = "x86_64")]
    {
        if widest >= 16 && is_x86_feature_detected!("avx512f") {
            // SAFETY: the CPU has AVX-512F.
            return unsafe { avx512::<D, WORDS>(keys, each) };
        }
        if widest >= 8 && is_x86_feature_detected!("avx2") {
            // SAFETY: the CPU has AVX2.
            return unsafe { avx2::<D, WORDS>(keys, each) };
        }
    }
    // Four lanes are in every 64-bit CPU, as SSE2 or NEON.
    debug_assert!(widest >= 4);
    lanes::run::<D, WORDS, 4>(keys, each);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn avx512<D: BlockDigest<WORDS>, const WORDS: usize>(
    keys: &[&[u8]],
    each: impl FnMut(usize, [u32; WORDS]),
) {
    lanes::run::<D, WORDS, 16>(keys, each);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn avx2<D: BlockDigest<WORDS>, const WORDS: usize>(
    keys: &[&[u8]],
    each: impl FnMut(usize, [u32; WORDS]),
) {
    lanes::run::<D, WORDS, 8>(keys, each);
}

/// Calls `each` with the index and the CRC-32 of each key.
#[inline]
pub(super) fn crc32s(keys: &[&[u8]], each: impl FnMut(usize, u32)) {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("pclmulqdq") && is_x86_feature_detected!("sse4.1") {
        // SAFETY: the CPU has PCLMULQDQ and SSE4.1.
        return unsafe { carryless_crc32s(keys, each) };
    }
    visit(keys, crc32::crc32, each);
}

/// Calls `each` with the index and the CRC-16 of each key.
#[inline]
pub(super) fn crc16s(keys: &[&[u8]], each: impl FnMut(usize, u16)) {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("pclmulqdq") && is_x86_feature_detected!("sse4.1") {
        // SAFETY: the CPU has PCLMULQDQ and SSE4.1.
        return unsafe { carryless_crc16s(keys, each) };
    }
    visit(keys, crc16::crc16, each);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "pclmulqdq,sse4.1")]
fn carryless_crc32s(keys: &[&[u8]], each: impl FnMut(usize, u32)) {
    visit(
        keys,
        |key| carryless::crc32(key).unwrap_or_else(|| crc32::crc32(key)),
        each,
    );
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "pclmulqdq,sse4.1")]
fn carryless_crc16s(keys: &[&[u8]], each: impl FnMut(usize, u16)) {
    visit(
        keys,
        |key| carryless::crc16(key).unwrap_or_else(|| crc16::crc16(key)),
        each,
    );
}

/// Calls `each` with the index and the hash of each key.
#[inline(always)]
fn visit<T>(keys: &[&[u8]], hash: impl Fn(&[u8]) -> T, mut each: impl FnMut(usize, T)) {
    for (index, key) in keys.iter().enumerate() {
        each(index, hash(key));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{TestCaseError, prop_assert_eq, proptest};

    use super::{crc16, crc16s, crc32, crc32s};
    use crate::hash::tests::{edge_keys, keys};

    /// Whether each key's CRCs, in order, are those of the plain functions.
    fn check(keys: &[Vec<u8>]) -> Result<(), TestCaseError> {
        let keys: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();

        let mut crcs = Vec::new();
        crc32s(&keys, |index, crc| crcs.push((index, crc)));
        let plain: Vec<_> = keys
            .iter()
            .map(|key| crc32::crc32(key))
            .enumerate()
            .collect();
        prop_assert_eq!(crcs, plain);

        let mut crcs = Vec::new();
        crc16s(&keys, |index, crc| crcs.push((index, crc)));
        let plain: Vec<_> = keys
            .iter()
            .map(|key| crc16::crc16(key))
            .enumerate()
            .collect();
        prop_assert_eq!(crcs, plain);
        Ok(())
    }

    #[test]
    fn crcs_of_many_keys_equal_those_of_each_around_the_longest_short_one() {
        check(&edge_keys()).unwrap();
    }

    proptest! {
        #[test]
        fn crcs_of_many_keys_equal_those_of_each(keys in keys()) {
            check(&keys)?;
        }
    }
}
