//! Two hashes of Austin Appleby's Murmur family.

const MULTIPLIER_32: u32 = 0x5bd1_e995;
const MULTIPLIER_64: u64 = 0xc6a4_a793_5bd1_e995;

/// The seed of Jedis (`MurmurHash.java`).
const SEED_64: u64 = 0x1234_abcd;

/// `MurmurHash2` with a seed made of the length, as in twemproxy's `src/hashkit/nc_murmur.c`.
#[inline]
pub(super) fn murmur2(key: &[u8]) -> u32 {
    #[allow(
        clippy::cast_possible_truncation,
        reason = "the original truncates the length as well"
    )]
    let length = key.len() as u32;
    let mut hash = 0xdead_beef_u32.wrapping_mul(length) ^ length;
    let (blocks, rest) = key.as_chunks::<4>();
    for block in blocks {
        let mut word = u32::from_le_bytes(*block).wrapping_mul(MULTIPLIER_32);
        word ^= word >> 24;
        hash = hash.wrapping_mul(MULTIPLIER_32) ^ word.wrapping_mul(MULTIPLIER_32);
    }
    if !rest.is_empty() {
        let mut padded = [0; 4];
        padded[..rest.len()].copy_from_slice(rest);
        hash = (hash ^ u32::from_le_bytes(padded)).wrapping_mul(MULTIPLIER_32);
    }
    hash = (hash ^ (hash >> 13)).wrapping_mul(MULTIPLIER_32);
    hash ^ (hash >> 15)
}

/// `MurmurHash64A` with the seed of Jedis.
#[inline]
pub(super) fn murmur64a(key: &[u8]) -> u64 {
    let mut hash = SEED_64 ^ (key.len() as u64).wrapping_mul(MULTIPLIER_64);
    let (blocks, rest) = key.as_chunks::<8>();
    for block in blocks {
        let mut word = u64::from_le_bytes(*block).wrapping_mul(MULTIPLIER_64);
        word ^= word >> 47;
        hash = (hash ^ word.wrapping_mul(MULTIPLIER_64)).wrapping_mul(MULTIPLIER_64);
    }
    if !rest.is_empty() {
        let mut padded = [0; 8];
        padded[..rest.len()].copy_from_slice(rest);
        hash = (hash ^ u64::from_le_bytes(padded)).wrapping_mul(MULTIPLIER_64);
    }
    hash = (hash ^ (hash >> 47)).wrapping_mul(MULTIPLIER_64);
    hash ^ (hash >> 47)
}
