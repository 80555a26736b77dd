//! CRC-16/XMODEM: polynomial 0x1021, not reflected, starting from 0. The hash of Redis Cluster's
//! slots and, in a wider register, twemproxy's `crc16`.

use super::front;

pub(super) const POLYNOMIAL: u16 = 0x1021;

/// `TABLES[n][byte]` is the CRC of `byte` followed by `n` zero bytes.
static TABLES: [[u16; 256]; 8] = tables();

const fn tables() -> [[u16; 256]; 8] {
    let mut tables = [[0; 256]; 8];
    let mut byte = 0;
    while byte < 256 {
        #[allow(clippy::cast_possible_truncation, reason = "the index is below 256")]
        let mut crc = (byte as u16) << 8;
        let mut zeros = 0;
        while zeros < 8 {
            crc = after_zeros(crc, 8);
            tables[zeros][byte] = crc;
            zeros += 1;
        }
        byte += 1;
    }
    tables
}

/// The CRC after so many more zero bits.
pub(super) const fn after_zeros(mut crc: u16, bits: u32) -> u16 {
    let mut bit = 0;
    while bit < bits {
        crc = (crc << 1) ^ if crc & 0x8000 == 0 { 0 } else { POLYNOMIAL };
        bit += 1;
    }
    crc
}

/// The CRC of `key`.
#[inline]
pub(super) fn crc16(key: &[u8]) -> u16 {
    let (first, rest) = front::words(key);
    rest.fold(eight(first), |crc, word| {
        eight(word ^ u64::from(crc.swap_bytes()))
    })
}

/// The CRC of a word's eight bytes ("slicing by 8": Kounavis and Berry, "Novel table lookup-based
/// algorithms for high-performance CRC generation", 2008). A CRC is linear, so the effect of each
/// byte can be looked up on its own; a CRC so far is fed in by adding it to the first two bytes.
#[inline]
fn eight(word: u64) -> u16 {
    let mut crc = 0;
    for (byte, table) in word.to_le_bytes().into_iter().zip(TABLES.iter().rev()) {
        crc ^= table[usize::from(byte)];
    }
    crc
}

/// Twemproxy's CRC-16 (`src/hashkit/nc_crc16.c`), whose 32-bit register is never cut to 16 bits.
///
/// Its low half is the true CRC. What is shifted out of that by the last two bytes is still in the
/// upper half, everything before has left the register: so only those two bytes need the wide step.
#[inline]
pub(super) fn wide(key: &[u8]) -> u32 {
    let (most, last) = key.split_at(key.len().saturating_sub(2));
    last.iter().fold(crc16(most).into(), |crc: u32, byte| {
        (crc << 8) ^ u32::from(TABLES[0][usize::from(crc.to_le_bytes()[1] ^ byte)])
    })
}

#[cfg(test)]
mod tests {
    use super::{crc16, wide};

    proptest::proptest! {
        #[test]
        fn equals_division_bit_by_bit(key in crate::hash::tests::key()) {
            let naive = key.iter().fold(0, |crc: u16, byte| {
                (0..8).fold(crc ^ (u16::from(*byte) << 8), |crc, _| {
                    (crc << 1) ^ (0x1021 * (crc >> 15))
                })
            });
            proptest::prop_assert_eq!(crc16(&key), naive);
        }

        #[test]
        fn wide_equals_a_register_that_is_never_truncated(key in crate::hash::tests::key()) {
            let naive = key.iter().fold(0, |register: u32, byte| {
                let top = register.to_le_bytes()[1] ^ byte;
                (register << 8) ^ u32::from(crc16(&[top]))
            });
            proptest::prop_assert_eq!(wide(&key), naive);
        }
    }
}
