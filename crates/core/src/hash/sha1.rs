//! SHA-1 (FIPS 180-4).

use ::sha1::Digest;

use super::lanes::BlockDigest;

/// The digest of `bytes`.
#[inline]
pub(crate) fn digest(bytes: &[u8]) -> [u8; 20] {
    ::sha1::Sha1::digest(bytes).into()
}

/// The digest of `key` as the five big-endian words that it is made of.
#[inline]
pub(super) fn words(key: &[u8]) -> [u32; 5] {
    let digest = digest(key);
    let (words, _) = digest.as_chunks();
    std::array::from_fn(|index| u32::from_be_bytes(words[index]))
}

/// SHA-1 for many keys at once.
pub(super) struct Sha1;

impl BlockDigest<5> for Sha1 {
    const START: [u32; 5] = [
        0x6745_2301,
        0xefcd_ab89,
        0x98ba_dcfe,
        0x1032_5476,
        0xc3d2_e1f0,
    ];

    #[inline(always)]
    fn word(little_endian: u32) -> u32 {
        little_endian.swap_bytes()
    }

    #[inline(always)]
    #[allow(clippy::cast_possible_truncation, reason = "a number is taken apart")]
    fn length(bits: u64) -> [u32; 2] {
        [(bits >> 32) as u32, bits as u32]
    }

    #[inline(always)]
    #[allow(clippy::many_single_char_names, reason = "the names of the standard")]
    fn compress(state: [u32; 5], mut block: [u32; 16]) -> [u32; 5] {
        let [mut a, mut b, mut c, mut d, mut e] = state;
        // Straight-line code for 20 steps, as in MD5. The schedule of 80 words is kept as its last
        // 16 ones (FIPS 180-4, 6.1.3).
        macro_rules! round {
            ($first:literal, $mix:expr, $constant:literal) => {
                round!($first, $mix, $constant,
                    0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19)
            };
            ($first:literal, $mix:expr, $constant:literal, $($step:literal)*) => {$(
                let now: usize = $first + $step;
                if now >= 16 {
                    let word = block[(now + 13) % 16]
                        ^ block[(now + 8) % 16]
                        ^ block[(now + 2) % 16]
                        ^ block[now % 16];
                    block[now % 16] = word.rotate_left(1);
                }
                let sum = a
                    .rotate_left(5)
                    .wrapping_add($mix(b, c, d))
                    .wrapping_add(e)
                    .wrapping_add($constant)
                    .wrapping_add(block[now % 16]);
                (e, d, c, b, a) = (d, c, b.rotate_left(30), a, sum);
            )*};
        }
        round!(0, |b: u32, c, d| (b & c) | (!b & d), 0x5a82_7999);
        round!(20, |b, c, d| b ^ c ^ d, 0x6ed9_eba1);
        round!(40, |b, c, d| (b & c) | (b & d) | (c & d), 0x8f1b_bcdc);
        round!(60, |b, c, d| b ^ c ^ d, 0xca62_c1d6);
        let [start_a, start_b, start_c, start_d, start_e] = state;
        [
            start_a.wrapping_add(a),
            start_b.wrapping_add(b),
            start_c.wrapping_add(c),
            start_d.wrapping_add(d),
            start_e.wrapping_add(e),
        ]
    }

    fn plain(key: &[u8]) -> [u32; 5] {
        words(key)
    }
}

#[cfg(test)]
mod tests {
    use super::{Sha1, words};
    use crate::hash::tests;

    #[test]
    fn every_kernel_pads_as_the_plain_digest() {
        tests::check_digests::<Sha1, 5>(&tests::edge_keys(), words).unwrap();
    }

    proptest::proptest! {
        #[test]
        fn every_kernel_equals_the_plain_digest(keys in tests::keys()) {
            tests::check_digests::<Sha1, 5>(&keys, words)?;
        }
    }
}
