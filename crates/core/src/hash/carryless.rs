//! CRCs of short keys by carry-less multiplication, x86-64's PCLMULQDQ.
//!
//! A CRC is a remainder of polynomials over GF(2), the key's bits being coefficients. The key is
//! taken apart into words of 64 bits: the last is worth itself, the one before it `x^64` times
//! itself, and so on. Each word is multiplied by the remainder of its power, no product depending
//! on another, and the sum of the products is reduced by two more multiplications, as Barrett does
//! it. Both are from Gopal et al., "Fast CRC Computation for Generic Polynomials Using PCLMULQDQ
//! Instruction" (Intel, 2009), which folds long messages in a chain instead.

use std::arch::x86_64::{
    __m128i, _mm_clmulepi64_si128, _mm_cvtsi64_si128, _mm_cvtsi128_si64, _mm_extract_epi64,
    _mm_setzero_si128, _mm_xor_si128,
};

use super::{crc16, front};

/// How many words a key may have; each needs a constant.
const WORDS: usize = 16;

/// The longest key that is hashed here. From 128 bytes on `crc32fast` itself multiplies.
const LONGEST: usize = 8 * WORDS - 1;

const POLYNOMIAL_32: u32 = 0xedb8_8320;

/// The CRC-32 register after so many zero bits.
const fn zeros_32(mut register: u32, bits: u32) -> u32 {
    let mut bit = 0;
    while bit < bits {
        register = (register >> 1) ^ if register & 1 == 0 { 0 } else { POLYNOMIAL_32 };
        bit += 1;
    }
    register
}

/// The powers of the words, counted from the last one: `x^(64 * n + 31)` reduced.
///
/// The CRC is the sum of the products times `x`: a CRC shifts its message by `x^32`. Of that, the
/// sum's high half is below `x^32`, so part of the remainder as it is, and its low half is a word
/// times `x^32`, left to be reduced. (Bits are reflected: the lowest one has the highest power.)
static POWERS_32: [u64; WORDS] = {
    let mut powers = [0; WORDS];
    let mut power = 1;
    let mut word = 0;
    while word < WORDS {
        powers[word] = power as u64;
        power = zeros_32(power, 64);
        word += 1;
    }
    powers
};

/// The polynomial with its `x^32`.
const DIVISOR_32: u64 = ((POLYNOMIAL_32 as u64) << 1) | 1;

/// `x^96` divided by the polynomial, without the coefficient of `x^0`, which reaches no bit that
/// is kept.
const QUOTIENT_32: u64 = {
    let mut quotient = 1;
    let mut remainder = POLYNOMIAL_32;
    let mut bit = 1;
    while bit < 64 {
        quotient |= (remainder as u64 & 1) << bit;
        remainder = zeros_32(remainder, 1);
        bit += 1;
    }
    quotient
};

/// `INVERSIONS[length]` is the CRC-32 of `length` zero bytes: what the inversions before and after
/// add to the CRC of every key of that length, which is linear otherwise.
static INVERSIONS: [u32; LONGEST + 1] = {
    let mut inversions = [0; LONGEST + 1];
    let mut register = !0;
    let mut length = 0;
    while length < inversions.len() {
        inversions[length] = !register;
        register = zeros_32(register, 8);
        length += 1;
    }
    inversions
};

/// The CRC-32 of `key` unless it is too long.
#[inline]
#[target_feature(enable = "pclmulqdq,sse4.1")]
pub(super) fn crc32(key: &[u8]) -> Option<u32> {
    let inversions = INVERSIONS.get(key.len())?;
    let [low, high] = halves(sum(key, &POWERS_32, u64::from_le));
    let [quotient, _] = halves(product(low, QUOTIENT_32));
    let [_, remainder] = halves(product(quotient, DIVISOR_32));
    #[allow(clippy::cast_possible_truncation, reason = "both are below 2^32")]
    let crc = (high ^ remainder) as u32;
    Some(crc ^ inversions)
}

/// The powers of the words, counted from the last one: `x^(64 * n + 16)` reduced, shifted to the
/// top. The lower half of a product is then reduced already, and the upper one lacks `x^16`.
static POWERS_16: [u64; WORDS] = {
    let mut powers = [0; WORDS];
    let mut power = crc16::POLYNOMIAL;
    let mut word = 0;
    while word < WORDS {
        powers[word] = (power as u64) << 48;
        power = crc16::after_zeros(power, 64);
        word += 1;
    }
    powers
};

/// `x^80` divided by the polynomial, without the coefficient of `x^64`.
const QUOTIENT_16: u64 = {
    let mut quotient = 0;
    let mut remainder = crc16::POLYNOMIAL;
    let mut bit = 64;
    while bit > 0 {
        bit -= 1;
        quotient |= (remainder as u64 >> 15) << bit;
        remainder = crc16::after_zeros(remainder, 1);
    }
    quotient
};

/// The CRC-16 of `key` unless it is too long.
#[inline]
#[target_feature(enable = "pclmulqdq,sse4.1")]
pub(super) fn crc16(key: &[u8]) -> Option<u16> {
    if key.len() > LONGEST {
        return None;
    }
    let [low, high] = halves(sum(key, &POWERS_16, u64::swap_bytes));
    let [_, quotient] = halves(product(high, QUOTIENT_16));
    // The divisor's `x^16` would reach no bit that is kept.
    let [remainder, _] = halves(product(high ^ quotient, crc16::POLYNOMIAL.into()));
    #[allow(
        clippy::cast_possible_truncation,
        reason = "the lowest 16 bits are the remainder"
    )]
    let crc = ((low >> 48) ^ remainder) as u16;
    Some(crc)
}

/// The sum of the products of the key's words and their powers.
#[inline]
#[target_feature(enable = "pclmulqdq,sse4.1")]
fn sum(key: &[u8], powers: &[u64; WORDS], word: impl Fn(u64) -> u64) -> __m128i {
    let (first, rest) = front::words(key);
    let powers = powers[..=rest.len()].iter().rev();
    let mut sum = _mm_setzero_si128();
    for (little_endian, power) in std::iter::once(first).chain(rest).zip(powers) {
        sum = _mm_xor_si128(sum, product(word(little_endian), *power));
    }
    sum
}

/// The carry-less product.
#[inline]
#[target_feature(enable = "pclmulqdq,sse4.1")]
fn product(a: u64, b: u64) -> __m128i {
    let [a, b] = [a, b].map(|factor| _mm_cvtsi64_si128(factor.cast_signed()));
    _mm_clmulepi64_si128::<0>(a, b)
}

/// The low and the high half.
#[inline]
#[target_feature(enable = "sse4.1")]
fn halves(product: __m128i) -> [u64; 2] {
    [_mm_cvtsi128_si64(product), _mm_extract_epi64::<1>(product)].map(i64::cast_unsigned)
}
