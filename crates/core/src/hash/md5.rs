//! MD5 (RFC 1321).

use ::md5::Digest;

use super::lanes::BlockDigest;

/// The digest of `bytes`.
#[inline]
pub(crate) fn digest(bytes: &[u8]) -> [u8; 16] {
    ::md5::Md5::digest(bytes).into()
}

/// The digest of `key` as the four little-endian words that it is made of.
#[inline]
pub(super) fn words(key: &[u8]) -> [u32; 4] {
    let digest = digest(key);
    let (words, _) = digest.as_chunks();
    std::array::from_fn(|index| u32::from_le_bytes(words[index]))
}

/// MD5 for many keys at once.
pub(super) struct Md5;

impl BlockDigest<4> for Md5 {
    const START: [u32; 4] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];

    #[inline(always)]
    fn word(little_endian: u32) -> u32 {
        little_endian
    }

    #[inline(always)]
    #[allow(clippy::cast_possible_truncation, reason = "a number is taken apart")]
    fn length(bits: u64) -> [u32; 2] {
        [bits as u32, (bits >> 32) as u32]
    }

    #[inline(always)]
    fn compress(state: [u32; 4], block: [u32; 16]) -> [u32; 4] {
        let [mut a, mut b, mut c, mut d] = state;
        // Straight-line code for 16 steps: the compiler vectorises a loop over lanes only if there
        // is no other loop within.
        macro_rules! round {
            ($round:literal, $mix:expr, $factor:literal, $offset:literal, $rotations:expr) => {
                round!($round, $mix, $factor, $offset, $rotations,
                    0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15)
            };
            ($round:literal, $mix:expr, $factor:literal, $offset:literal, $rotations:expr,
                $($step:literal)*) => {$(
                let sum = a
                    .wrapping_add($mix(b, c, d))
                    .wrapping_add(block[($factor * $step + $offset) % 16])
                    .wrapping_add(SINES[16 * $round + $step]);
                (a, d, c) = (d, c, b);
                b = b.wrapping_add(sum.rotate_left($rotations[$step % 4]));
            )*};
        }
        // Round, mixing function, the word of step n as factor * n + offset, rotations.
        round!(0, |b: u32, c, d| (b & c) | (!b & d), 1, 0, [7, 12, 17, 22]);
        round!(1, |b, c, d: u32| (b & d) | (c & !d), 5, 1, [5, 9, 14, 20]);
        round!(2, |b, c, d| b ^ c ^ d, 3, 5, [4, 11, 16, 23]);
        round!(3, |b, c, d: u32| c ^ (b | !d), 7, 0, [6, 10, 15, 21]);
        let [start_a, start_b, start_c, start_d] = state;
        [
            start_a.wrapping_add(a),
            start_b.wrapping_add(b),
            start_c.wrapping_add(c),
            start_d.wrapping_add(d),
        ]
    }

    fn plain(key: &[u8]) -> [u32; 4] {
        words(key)
    }
}

/// The constants of the steps: the first 32 bits of |sin(n)|, n being 1 to 64 radians.
#[rustfmt::skip]
const SINES: [u32; 64] = [
    0xd76a_a478, 0xe8c7_b756, 0x2420_70db, 0xc1bd_ceee,
    0xf57c_0faf, 0x4787_c62a, 0xa830_4613, 0xfd46_9501,
    0x6980_98d8, 0x8b44_f7af, 0xffff_5bb1, 0x895c_d7be,
    0x6b90_1122, 0xfd98_7193, 0xa679_438e, 0x49b4_0821,
    0xf61e_2562, 0xc040_b340, 0x265e_5a51, 0xe9b6_c7aa,
    0xd62f_105d, 0x0244_1453, 0xd8a1_e681, 0xe7d3_fbc8,
    0x21e1_cde6, 0xc337_07d6, 0xf4d5_0d87, 0x455a_14ed,
    0xa9e3_e905, 0xfcef_a3f8, 0x676f_02d9, 0x8d2a_4c8a,
    0xfffa_3942, 0x8771_f681, 0x6d9d_6122, 0xfde5_380c,
    0xa4be_ea44, 0x4bde_cfa9, 0xf6bb_4b60, 0xbebf_bc70,
    0x289b_7ec6, 0xeaa1_27fa, 0xd4ef_3085, 0x0488_1d05,
    0xd9d4_d039, 0xe6db_99e5, 0x1fa2_7cf8, 0xc4ac_5665,
    0xf429_2244, 0x432a_ff97, 0xab94_23a7, 0xfc93_a039,
    0x655b_59c3, 0x8f0c_cc92, 0xffef_f47d, 0x8584_5dd1,
    0x6fa8_7e4f, 0xfe2c_e6e0, 0xa301_4314, 0x4e08_11a1,
    0xf753_7e82, 0xbd3a_f235, 0x2ad7_d2bb, 0xeb86_d391,
];

#[cfg(test)]
mod tests {
    use super::{Md5, words};
    use crate::hash::tests;

    #[test]
    fn every_kernel_pads_as_the_plain_digest() {
        tests::check_digests::<Md5, 4>(&tests::edge_keys(), words).unwrap();
    }

    proptest::proptest! {
        #[test]
        fn every_kernel_equals_the_plain_digest(keys in tests::keys()) {
            tests::check_digests::<Md5, 4>(&keys, words)?;
        }
    }
}
