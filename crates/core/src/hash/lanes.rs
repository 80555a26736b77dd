//! Digests of several keys at once: the arithmetic of one digest, done for one key in each lane of
//! the vector registers.
//!
//! Nothing here names an instruction. State and block are stored lane beside lane, and the loop
//! over lanes, whose body is the digest's whole compression, is what the compiler turns into
//! vector code: for the CPU features of the function in `simd.rs` that it is inlined into.

use std::array;

use super::front;

/// A digest of the MD4 family: a state of `WORDS` words, into which blocks of 16 are compressed.
pub(super) trait BlockDigest<const WORDS: usize> {
    /// The state before the first block.
    const START: [u32; WORDS];

    /// A word of the message, given as its bytes read in little-endian order.
    fn word(little_endian: u32) -> u32;

    /// The last two words of the message: how long it is.
    fn length(bits: u64) -> [u32; 2];

    /// The state after one more block.
    fn compress(state: [u32; WORDS], block: [u32; 16]) -> [u32; WORDS];

    /// The final state for one key.
    fn plain(key: &[u8]) -> [u32; WORDS];
}

/// The longest key that takes a lane: two blocks.
///
/// All lanes of a group go on for as many blocks as its longest key has, so a long one is better
/// hashed on its own.
const LONGEST: usize = 119;

/// A one bit, zeros up to a whole byte and the length follow the key in its last block.
const PADDING: usize = 9;

/// Calls `each` with the index and the final state of each key, hashing `LANES` keys at a time.
#[inline(always)]
pub(super) fn run<D: BlockDigest<WORDS>, const WORDS: usize, const LANES: usize>(
    keys: &[&[u8]],
    mut each: impl FnMut(usize, [u32; WORDS]),
) {
    for (index, group) in keys.chunks(LANES).enumerate() {
        let at = index * LANES;
        // Full or not, a group takes as long as an eighth (MD5) to a quarter (SHA-1, for which many
        // CPUs have instructions) of its lanes would take one by one.
        if group.len() <= LANES.div_ceil(8) {
            for (lane, key) in group.iter().enumerate() {
                each(at + lane, D::plain(key));
            }
            continue;
        }
        let mut lanes: [&[u8]; LANES] = [&[]; LANES];
        let mut longest = 0;
        for (lane, key) in lanes.iter_mut().zip(group) {
            if key.len() <= LONGEST {
                *lane = key;
                longest = longest.max(key.len());
            }
        }
        let state = digest::<D, WORDS, LANES>(&lanes, longest);
        for (lane, key) in group.iter().enumerate() {
            let words = if key.len() <= LONGEST {
                array::from_fn(|word| state[word][lane])
            } else {
                D::plain(key)
            };
            each(at + lane, words);
        }
    }
}

/// The final state for each of the keys, none of which has more than `longest` bytes.
#[inline(always)]
fn digest<D: BlockDigest<WORDS>, const WORDS: usize, const LANES: usize>(
    keys: &[&[u8]; LANES],
    longest: usize,
) -> [[u32; LANES]; WORDS] {
    let mut state = D::START.map(|word| [word; LANES]);
    for start in (0..longest + PADDING).step_by(64) {
        let block = block::<D, WORDS, LANES>(keys, start);
        let before = state;
        // By index, not by `map`: a whole array copied within would keep the loop scalar.
        for lane in 0..LANES {
            let words = D::compress(
                array::from_fn(|word| before[word][lane]),
                array::from_fn(|index| block[index][lane]),
            );
            for (word, new) in state.iter_mut().zip(words) {
                word[lane] = new;
            }
        }
        if start > 0 {
            // The lanes that had nothing in this block take back their state.
            for (lane, _) in keys.iter().enumerate().filter(|(_, key)| ended(key, start)) {
                for (word, old) in state.iter_mut().zip(before) {
                    word[lane] = old[lane];
                }
            }
        }
    }
    state
}

/// Whether the key, padding included, has nothing in the block that begins at `start`.
#[inline(always)]
fn ended(key: &[u8], start: usize) -> bool {
    key.len() + PADDING <= start
}

/// The block that begins at byte `start` of each key, padded; zeros where a key has ended.
#[inline(always)]
fn block<D: BlockDigest<WORDS>, const WORDS: usize, const LANES: usize>(
    keys: &[&[u8]; LANES],
    start: usize,
) -> [[u32; LANES]; 16] {
    let mut block = [[0; LANES]; 16];
    for (lane, key) in keys
        .iter()
        .enumerate()
        .filter(|(_, key)| !ended(key, start))
    {
        let rest = key.get(start..).unwrap_or_default();
        let (words, odd) = rest.as_chunks();
        for (row, word) in block.iter_mut().zip(words) {
            row[lane] = D::word(u32::from_le_bytes(*word));
        }
        if start <= key.len() && words.len() < 16 {
            block[words.len()][lane] = D::word(last_word(rest, odd.len()));
        }
        if rest.len() + PADDING <= 64 {
            let [first, second] = D::length(8 * key.len() as u64);
            block[14][lane] = first;
            block[15][lane] = second;
        }
    }
    block
}

/// The last 0 to 3 bytes of `rest` and, after them, the one bit that ends a message.
#[inline(always)]
fn last_word(rest: &[u8], odd: usize) -> u32 {
    let bytes = match rest.last_chunk() {
        Some(last) => u64::from(u32::from_le_bytes(*last)) >> (8 * (4 - odd)),
        None => front::short(rest),
    };
    #[allow(
        clippy::cast_possible_truncation,
        reason = "three bytes and a bit are below 2^32"
    )]
    let word = (bytes | 0x80 << (8 * odd)) as u32;
    word
}
