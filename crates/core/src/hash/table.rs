//! Which function stands behind each [`Hash`]: the one table, for one key and for many.

use super::md5::Md5;
use super::sha1::Sha1;
use super::{Hash, crc16, crc32, fnv, hsieh, jenkins, md5, murmur, sha1, sha256, simd, xxh64};

/// What to do with a hash function once it has been chosen.
///
/// The table hands over a closure, so each row is compiled on its own, and the choice is made once
/// per batch and not once per key. Hashes with a kernel for many keys have a method of their own,
/// which receives how the kernel's result is read.
pub(super) trait Work: Sized {
    type Output;

    fn plain(self, hash: impl Fn(&[u8]) -> u128) -> Self::Output;

    fn crc32(self, read: impl Fn(u32) -> u128) -> Self::Output;

    fn crc16(self) -> Self::Output;

    /// `read` receives the digest as the four words of MD5's state.
    fn md5(self, read: impl Fn([u32; 4]) -> u128) -> Self::Output;

    /// `read` receives the digest as the five words of SHA-1's state.
    fn sha1(self, read: impl Fn([u32; 5]) -> u128) -> Self::Output;
}

/// Hashes one key.
pub(super) struct One<'a>(pub &'a [u8]);

impl Work for One<'_> {
    type Output = u128;

    fn plain(self, hash: impl Fn(&[u8]) -> u128) -> u128 {
        hash(self.0)
    }

    fn crc32(self, read: impl Fn(u32) -> u128) -> u128 {
        read(crc32::crc32(self.0))
    }

    fn crc16(self) -> u128 {
        crc16::crc16(self.0).into()
    }

    fn md5(self, read: impl Fn([u32; 4]) -> u128) -> u128 {
        read(md5::words(self.0))
    }

    fn sha1(self, read: impl Fn([u32; 5]) -> u128) -> u128 {
        read(sha1::words(self.0))
    }
}

/// Hashes each key into the value of the same index.
pub(super) struct Many<'a> {
    pub keys: &'a [&'a [u8]],
    pub values: &'a mut [u128],
}

impl Work for Many<'_> {
    type Output = ();

    fn plain(self, hash: impl Fn(&[u8]) -> u128) {
        for (value, key) in self.values.iter_mut().zip(self.keys) {
            *value = hash(key);
        }
    }

    fn crc32(self, read: impl Fn(u32) -> u128) {
        simd::crc32s(self.keys, |index, crc| self.values[index] = read(crc));
    }

    fn crc16(self) {
        simd::crc16s(self.keys, |index, crc| self.values[index] = crc.into());
    }

    fn md5(self, read: impl Fn([u32; 4]) -> u128) {
        simd::digests::<Md5, 4>(usize::MAX, self.keys, |index, words| {
            self.values[index] = read(words);
        });
    }

    fn sha1(self, read: impl Fn([u32; 5]) -> u128) {
        simd::digests::<Sha1, 5>(usize::MAX, self.keys, |index, words| {
            self.values[index] = read(words);
        });
    }
}

/// Does `work` with the function of `hash`.
#[inline]
pub(super) fn run<W: Work>(hash: Hash, work: W) -> W::Output {
    match hash {
        Hash::Crc32 => work.crc32(u128::from),
        Hash::Crc32Signed => work.crc32(|crc| (crc ^ (1 << 31)).into()),
        Hash::Crc32Register => work.crc32(|crc| (!crc).into()),
        Hash::Crc32High => work.crc32(|crc| ((crc >> 16) & 0x7fff).into()),
        Hash::Crc32Absolute => work.crc32(|crc| crc.cast_signed().unsigned_abs().into()),
        Hash::Crc16 => work.crc16(),
        Hash::Crc16Wide => work.plain(|key| crc16::wide(key).into()),
        Hash::Md5Le => work.md5(|[first, ..]| first.into()),
        Hash::Md5Be => work.md5(|[first, ..]| first.swap_bytes().into()),
        Hash::Md5 => work.md5(|words| big_endian(words.map(u32::swap_bytes))),
        Hash::Sha1 => work.sha1(|[a, b, c, d, _]| big_endian([a, b, c, d])),
        Hash::Sha256 => work.plain(sha256::top),
        Hash::Fnv1_32(char) => work.plain(|key| fnv::fnv1_32(key, char).into()),
        Hash::Fnv1a32(char) => work.plain(|key| fnv::fnv1a_32(key, char).into()),
        Hash::Fnv1_64Low(char) => work.plain(|key| fnv::fnv1_64_low(key, char).into()),
        Hash::Fnv1a64Low(char) => work.plain(|key| fnv::fnv1a_64_low(key, char).into()),
        Hash::OneAtATime(char) => work.plain(|key| jenkins::one_at_a_time(key, char).into()),
        Hash::Hsieh(char) => work.plain(|key| hsieh::hsieh(key, char).into()),
        Hash::Jenkins => work.plain(|key| jenkins::lookup3(key).into()),
        Hash::Murmur2 => work.plain(|key| murmur::murmur2(key).into()),
        Hash::Murmur64 => work.plain(|key| murmur::murmur64a(key).into()),
        Hash::Murmur64Signed => work.plain(|key| (murmur::murmur64a(key) ^ (1 << 63)).into()),
        Hash::Xxh64 => work.plain(|key| xxh64::xxh64(key).into()),
        Hash::PhpCrc32b => work.crc32(|crc| php(crc.swap_bytes(), 0)),
        Hash::PhpMd5 => work.md5(|[first, second, ..]| php(first, second)),
        Hash::PhpSha1 => work.sha1(|[a, b, ..]| php(a.swap_bytes(), b.swap_bytes())),
        Hash::PhpSha256 => work.plain(|key| (sha256::low64(key) % 0xffff_ffff).into()),
    }
}

/// The words one after another, the first one uppermost.
fn big_endian(words: [u32; 4]) -> u128 {
    words
        .into_iter()
        .fold(0, |value, word| (value << 32) | u128::from(word))
}

/// Two words as one number, the first one lowermost, folded to 32 bits: how phpredis reads a digest
/// (`redis_array_impl.c`, `ra_find_node`).
fn php(first: u32, second: u32) -> u128 {
    (((u64::from(second) << 32) | u64::from(first)) % 0xffff_ffff).into()
}
