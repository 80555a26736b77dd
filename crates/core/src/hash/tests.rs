//! What the tests of several hashes share: keys, and the check of the kernels.

use proptest::collection::vec;
use proptest::num::u8::ANY;
use proptest::prelude::{Strategy, TestCaseError, prop_assert_eq, prop_oneof};

use super::lanes::BlockDigest;
use super::simd;

/// Any bytes: mostly as long as keys are, sometimes of several blocks.
pub(super) fn key() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![4 => vec(ANY, 0..70), 1 => vec(ANY, 0..300)]
}

/// So many keys that each kernel has whole groups, a large rest or a small one.
pub(super) fn keys() -> impl Strategy<Value = Vec<Vec<u8>>> {
    vec(key(), 0..50)
}

/// Keys of each length at which padding or the number of blocks changes, and a very long one.
pub(super) fn edge_keys() -> Vec<Vec<u8>> {
    [
        0, 1, 3, 4, 55, 56, 63, 64, 65, 118, 119, 120, 127, 128, 129, 1_048_576,
    ]
    .map(|length| (0..=u8::MAX).cycle().take(length).collect())
    .to_vec()
}

/// Whether each kernel that this CPU has gives each key, in order, the digest `plain` gives it.
pub(super) fn check_digests<D: BlockDigest<WORDS>, const WORDS: usize>(
    keys: &[Vec<u8>],
    plain: impl Fn(&[u8]) -> [u32; WORDS],
) -> Result<(), TestCaseError> {
    let keys: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
    let expected: Vec<_> = keys.iter().map(|key| plain(key)).enumerate().collect();
    for widest in [4, 8, 16] {
        let mut digests = Vec::new();
        simd::digests::<D, WORDS>(widest, &keys, |index, words| digests.push((index, words)));
        prop_assert_eq!(&digests, &expected, "at most {} lanes", widest);
    }
    Ok(())
}
