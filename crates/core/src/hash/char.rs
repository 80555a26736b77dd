//! C's `char`, which has a sign on some machines only.

/// Whether a key's bytes are read as signed or as unsigned `char`.
///
/// Twemproxy passes keys as `char *`, so bytes from 0x80 on hash differently when it was compiled
/// for x86 (signed) and for ARM (unsigned).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Char {
    /// As on x86: a byte stands for -128 to 127.
    Signed,
    /// As on ARM: a byte stands for 0 to 255.
    Unsigned,
}

impl Char {
    /// The byte widened as C's `(uint32_t)c` does it.
    ///
    /// A signed byte is widened by moving its range up and back, not by a branch, so that the
    /// choice costs nothing within a loop over bytes.
    #[inline]
    pub(super) const fn widen(self, byte: u8) -> u32 {
        let offset = match self {
            Char::Signed => 0x80,
            Char::Unsigned => 0,
        };
        (byte as u32 ^ offset).wrapping_sub(offset)
    }
}

#[cfg(test)]
mod tests {
    use super::Char;

    #[test]
    fn signed_bytes_extend_their_sign_and_unsigned_ones_do_not() {
        for byte in 0..=u8::MAX {
            assert_eq!(
                Char::Signed.widen(byte),
                i32::from(byte.cast_signed()).cast_unsigned()
            );
            assert_eq!(Char::Unsigned.widen(byte), u32::from(byte));
        }
    }
}
