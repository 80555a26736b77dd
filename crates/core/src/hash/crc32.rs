//! CRC-32 as in zlib: polynomial 0xEDB88320, reflected, inverted before and after.

/// The CRC of `key`.
#[inline]
pub(super) fn crc32(key: &[u8]) -> u32 {
    crc32fast::hash(key)
}

#[cfg(test)]
mod tests {
    use super::crc32;

    /// One bit at a time, as the polynomial division is defined.
    fn naive(key: &[u8]) -> u32 {
        !key.iter().fold(!0, |register: u32, byte| {
            (0..8).fold(register ^ u32::from(*byte), |register, _| {
                (register >> 1) ^ (0xedb8_8320 * (register & 1))
            })
        })
    }

    proptest::proptest! {
        #[test]
        fn equals_division_bit_by_bit(key in crate::hash::tests::key()) {
            proptest::prop_assert_eq!(crc32(&key), naive(&key));
        }
    }
}
