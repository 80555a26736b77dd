//! Reading a key's bytes as words, without a loop over the odd ones.

/// Splits `key` into little-endian words, the first of which is filled up with zeros in front.
///
/// A CRC register that holds zero does not notice leading zeros, so the odd bytes of a key cost
/// one more step over a word and no loop over bytes.
#[inline]
pub(super) fn words(key: &[u8]) -> (u64, impl ExactSizeIterator<Item = u64>) {
    // One to eight bytes, so that the shift below is less than 64; eight also for the empty key.
    let odd = key.len().wrapping_sub(1) % 8 + 1;
    let (first, rest) = match key.first_chunk() {
        Some(first) => (u64::from_le_bytes(*first), &key[odd..]),
        None => (short(key), &[][..]),
    };
    let words = rest
        .as_chunks()
        .0
        .iter()
        .map(|word| u64::from_le_bytes(*word));
    (first << (64 - 8 * odd), words)
}

/// Up to seven bytes as a little-endian number.
#[inline]
pub(super) fn short(key: &[u8]) -> u64 {
    let length = key.len();
    if let (Some(first), Some(last)) = (key.first_chunk(), key.last_chunk()) {
        // Two words that overlap, in agreement about what they share.
        let [first, last] = [*first, *last].map(|word| u64::from(u32::from_le_bytes(word)));
        first | (last << (8 * (length - 4)))
    } else if length == 0 {
        0
    } else {
        // The first, the middle and the last of one to three bytes, some of them the same one.
        let byte = |index: usize| u64::from(key[index]) << (8 * index);
        byte(0) | byte(length / 2) | byte(length - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::words;

    proptest::proptest! {
        #[test]
        fn words_are_the_key_after_zeros(key in crate::hash::tests::key()) {
            let (first, rest) = words(&key);
            let bytes: Vec<u8> = std::iter::once(first).chain(rest).flat_map(u64::to_le_bytes).collect();
            let zeros = bytes.len() - key.len();
            proptest::prop_assert!(zeros < 8 || key.is_empty());
            proptest::prop_assert!(bytes[..zeros].iter().all(|byte| *byte == 0));
            proptest::prop_assert_eq!(&bytes[zeros..], &key[..]);
        }
    }
}
