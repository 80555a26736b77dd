//! Key hashes: every function by which one of the emulated systems turns a key into a number.
//!
//! One file per hash or family. Each holds the plain function and, where it pays, a kernel that
//! hashes many keys at once; the kernels are tested against the plain functions, and those against
//! values from the original programs.
//!
//! ```
//! use shardis_core::hash::Hash;
//!
//! assert_eq!(Hash::Crc32.of(b"foo"), 0x8c73_6521);
//!
//! let mut values = [0; 2];
//! Hash::Crc32.of_many(&[b"foo", b"bar"], &mut values);
//! assert_eq!(values, [0x8c73_6521, 0x76ff_8caa]);
//! ```
#![allow(
    clippy::inline_always,
    reason = "only what is inlined into a function for a CPU feature is compiled for that feature"
)]

#[cfg(target_arch = "x86_64")]
mod carryless;
mod char;
mod crc16;
mod crc32;
mod fnv;
mod front;
mod hsieh;
mod jenkins;
mod lanes;
pub(crate) mod md5;
mod murmur;
pub(crate) mod sha1;
pub(crate) mod sha256;
mod simd;
mod table;
mod xxh64;

#[cfg(test)]
mod tests;

pub use self::char::Char;

use self::table::{Many, One};

/// A hash of a key, together with how its result is read as a number.
///
/// Systems that take the same digest and read other bytes of it, or order the same bits
/// differently, are separate variants, because a ring only ever compares numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hash {
    /// CRC-32 as in zlib, unsigned.
    Crc32,
    /// [`Crc32`](Hash::Crc32) ordered as a signed 32-bit integer (Python 2's `zlib.crc32`): the
    /// value is the CRC with its sign bit flipped, which makes unsigned comparison agree.
    Crc32Signed,
    /// CRC-32 without the final inversion (phpredis).
    Crc32Register,
    /// Bits 16 to 30 of the CRC-32 (libmemcached, `crc32` of twemproxy, mredis).
    Crc32High,
    /// CRC-32 read as a signed integer and freed of its sign: PHP's `abs(crc32(…))` on 32 bits.
    Crc32Absolute,
    /// CRC-16/XMODEM (Redis Cluster).
    Crc16,
    /// CRC-16/XMODEM in a 32-bit register that is never truncated (twemproxy).
    Crc16Wide,
    /// Bytes 0 to 3 of the MD5 digest, little-endian (ketama).
    Md5Le,
    /// Bytes 0 to 3 of the MD5 digest, big-endian (redis-rb).
    Md5Be,
    /// The whole MD5 digest as a big-endian integer (redis-shard).
    Md5,
    /// The SHA-1 digest as a big-endian integer, without its low 32 bits (redis-shard).
    ///
    /// Dropping them keeps the order: two keys would be compared differently only if their digests
    /// agreed in all of the first 128 bits.
    Sha1,
    /// The SHA-256 digest as a big-endian integer, its top 128 bits (django-redis); they order keys
    /// as the whole digest does, for the reason given at [`Sha1`](Hash::Sha1).
    Sha256,
    /// FNV-1, 32 bits (twemproxy).
    Fnv1_32(Char),
    /// FNV-1a, 32 bits (twemproxy).
    Fnv1a32(Char),
    /// FNV-1, the low 32 of its 64 bits (twemproxy).
    Fnv1_64Low(Char),
    /// FNV-1a, the low 32 of its 64 bits (twemproxy's default).
    Fnv1a64Low(Char),
    /// Bob Jenkins' one-at-a-time (twemproxy).
    OneAtATime(Char),
    /// Paul Hsieh's `SuperFastHash` (twemproxy).
    Hsieh(Char),
    /// Bob Jenkins' lookup3 (twemproxy).
    Jenkins,
    /// Austin Appleby's `MurmurHash2`, 32 bits (twemproxy).
    Murmur2,
    /// `MurmurHash64A` with the seed of Jedis, unsigned.
    Murmur64,
    /// [`Murmur64`](Hash::Murmur64) ordered as a signed 64-bit integer (Jedis' `TreeMap<Long, _>`):
    /// the value is the hash with its sign bit flipped.
    Murmur64Signed,
    /// XXH64 with seed 0 (go-redis).
    Xxh64,
    /// PHP's `hash("crc32b")` as phpredis reads a digest: its first eight bytes little-endian,
    /// modulo 0xffffffff.
    PhpCrc32b,
    /// The same of MD5.
    PhpMd5,
    /// The same of SHA-1.
    PhpSha1,
    /// The same of SHA-256.
    PhpSha256,
}

impl Hash {
    /// The name under which users know the hash; every variant has its own.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Hash::Crc32 => "crc32",
            Hash::Crc32Signed => "crc32_signed",
            Hash::Crc32Register => "crc32_register",
            Hash::Crc32High => "crc32_high",
            Hash::Crc32Absolute => "crc32_absolute",
            Hash::Crc16 => "crc16",
            Hash::Crc16Wide => "crc16_wide",
            Hash::Md5Le => "md5_le",
            Hash::Md5Be => "md5_be",
            Hash::Md5 => "md5",
            Hash::Sha1 => "sha1",
            Hash::Sha256 => "sha256",
            Hash::Fnv1_32(Char::Signed) => "fnv1_32_signed",
            Hash::Fnv1_32(Char::Unsigned) => "fnv1_32",
            Hash::Fnv1a32(Char::Signed) => "fnv1a_32_signed",
            Hash::Fnv1a32(Char::Unsigned) => "fnv1a_32",
            Hash::Fnv1_64Low(Char::Signed) => "fnv1_64_signed",
            Hash::Fnv1_64Low(Char::Unsigned) => "fnv1_64",
            Hash::Fnv1a64Low(Char::Signed) => "fnv1a_64_signed",
            Hash::Fnv1a64Low(Char::Unsigned) => "fnv1a_64",
            Hash::OneAtATime(Char::Signed) => "one_at_a_time_signed",
            Hash::OneAtATime(Char::Unsigned) => "one_at_a_time",
            Hash::Hsieh(Char::Signed) => "hsieh_signed",
            Hash::Hsieh(Char::Unsigned) => "hsieh",
            Hash::Jenkins => "jenkins",
            Hash::Murmur2 => "murmur",
            Hash::Murmur64 => "murmur64",
            Hash::Murmur64Signed => "murmur64_signed",
            Hash::Xxh64 => "xxh64",
            Hash::PhpCrc32b => "php_crc32b",
            Hash::PhpMd5 => "php_md5",
            Hash::PhpSha1 => "php_sha1",
            Hash::PhpSha256 => "php_sha256",
        }
    }

    /// How many bits wide the values are: all are below 2 to this power.
    #[must_use]
    pub const fn bits(self) -> u32 {
        match self {
            Hash::Crc16 => 16,
            Hash::Crc32
            | Hash::Crc32Signed
            | Hash::Crc32Register
            | Hash::Crc32High
            | Hash::Crc32Absolute
            | Hash::Crc16Wide
            | Hash::Md5Le
            | Hash::Md5Be
            | Hash::Fnv1_32(_)
            | Hash::Fnv1a32(_)
            | Hash::Fnv1_64Low(_)
            | Hash::Fnv1a64Low(_)
            | Hash::OneAtATime(_)
            | Hash::Hsieh(_)
            | Hash::Jenkins
            | Hash::Murmur2
            | Hash::PhpCrc32b
            | Hash::PhpMd5
            | Hash::PhpSha1
            | Hash::PhpSha256 => 32,
            Hash::Murmur64 | Hash::Murmur64Signed | Hash::Xxh64 => 64,
            Hash::Md5 | Hash::Sha1 | Hash::Sha256 => 128,
        }
    }

    /// The same hash with bytes read as another kind of `char`, where it reads any.
    #[must_use]
    pub const fn with_char(self, char: Char) -> Self {
        match self {
            Hash::Fnv1_32(_) => Hash::Fnv1_32(char),
            Hash::Fnv1a32(_) => Hash::Fnv1a32(char),
            Hash::Fnv1_64Low(_) => Hash::Fnv1_64Low(char),
            Hash::Fnv1a64Low(_) => Hash::Fnv1a64Low(char),
            Hash::OneAtATime(_) => Hash::OneAtATime(char),
            Hash::Hsieh(_) => Hash::Hsieh(char),
            other => other,
        }
    }

    /// The hash of `key` as a number whose unsigned order is the order of the ring.
    #[must_use]
    pub fn of(self, key: &[u8]) -> u128 {
        table::run(self, One(key))
    }

    /// The bits of a [value](Hash::of) as a user would print them: the sign flip of the signed
    /// variants undone.
    ///
    /// ```
    /// use shardis_core::hash::Hash;
    ///
    /// let value = Hash::Murmur64Signed.of(b"foo");
    /// let bits = Hash::Murmur64Signed.shown(value);
    /// assert_eq!(bits, Hash::Murmur64.of(b"foo"));
    /// ```
    #[must_use]
    pub const fn shown(self, value: u128) -> u128 {
        match self {
            Hash::Crc32Signed => value ^ (1 << 31),
            Hash::Murmur64Signed => value ^ (1 << 63),
            _ => value,
        }
    }

    /// Writes to `values` the hash of each of `keys`: as [`of`](Hash::of), several times faster.
    ///
    /// `values` is as long as `keys`; were one of them longer, its surplus would be ignored.
    pub fn of_many(self, keys: &[&[u8]], values: &mut [u128]) {
        debug_assert_eq!(keys.len(), values.len());
        let keys = &keys[..keys.len().min(values.len())];
        table::run(self, Many { keys, values });
    }
}
