//! SHA-256 (FIPS 180-4).

use ::sha2::{Digest, Sha256};

/// The digest of `bytes`.
#[inline]
pub(crate) fn digest(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// The first half of the digest as a big-endian number: its top 128 bits.
#[inline]
pub(super) fn top(key: &[u8]) -> u128 {
    let digest = digest(key);
    let (halves, _) = digest.as_chunks();
    u128::from_be_bytes(halves[0])
}

/// The first eight bytes of the digest as a little-endian number.
#[inline]
pub(super) fn low64(key: &[u8]) -> u64 {
    let digest = digest(key);
    u64::from_le_bytes(digest.as_chunks().0[0])
}
