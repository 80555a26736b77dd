//! XXH64 (Yann Collet), from the `twox-hash` crate.

/// XXH64 of `key` with seed 0.
#[inline]
pub(super) fn xxh64(key: &[u8]) -> u64 {
    twox_hash::XxHash64::oneshot(0, key)
}
