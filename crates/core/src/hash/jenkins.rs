//! Two hashes of Bob Jenkins, as in twemproxy's `src/hashkit/nc_one_at_a_time.c` and `nc_jenkins.c`.

use super::Char;

/// One-at-a-time ("A Hash Function for Hash Table Lookup", Dr. Dobb's, 1997).
#[inline]
pub(super) fn one_at_a_time(key: &[u8], char: Char) -> u32 {
    let mut hash = key.iter().fold(0_u32, |mut hash, byte| {
        hash = hash.wrapping_add(char.widen(*byte));
        hash = hash.wrapping_add(hash << 10);
        hash ^ (hash >> 6)
    });
    hash = hash.wrapping_add(hash << 3);
    hash ^= hash >> 11;
    hash.wrapping_add(hash << 15)
}

/// `hashlittle` of lookup3.c (2006) with the start value 13, which is libmemcached's choice.
#[inline]
pub(super) fn lookup3(key: &[u8]) -> u32 {
    #[allow(
        clippy::cast_possible_truncation,
        reason = "the original truncates the length as well"
    )]
    let start = 0xdead_beef_u32
        .wrapping_add(key.len() as u32)
        .wrapping_add(13);
    let mut state = [start; 3];
    if key.is_empty() {
        return start;
    }
    // The last block has 1 to 12 bytes: a whole one is left for it, because it is mixed otherwise.
    let (blocks, last) = key.split_at((key.len() - 1) / 12 * 12);
    for block in blocks.as_chunks::<12>().0 {
        add(&mut state, block);
        mix(&mut state);
    }
    let mut padded = [0; 12];
    padded[..last.len()].copy_from_slice(last);
    add(&mut state, &padded);
    finish(state)
}

/// Adds twelve bytes to the state as three little-endian words.
#[inline]
fn add(state: &mut [u32; 3], block: &[u8; 12]) {
    for (word, bytes) in state.iter_mut().zip(block.as_chunks::<4>().0) {
        *word = word.wrapping_add(u32::from_le_bytes(*bytes));
    }
}

/// Mixes the three words reversibly: lookup3's `mix`.
#[inline]
fn mix([a, b, c]: &mut [u32; 3]) {
    macro_rules! step {
        ($x:ident, $y:ident, $z:ident, $by:literal) => {
            *$x = $x.wrapping_sub(*$z) ^ $z.rotate_left($by);
            *$z = $z.wrapping_add(*$y);
        };
    }
    step!(a, b, c, 4);
    step!(b, c, a, 6);
    step!(c, a, b, 8);
    step!(a, b, c, 16);
    step!(b, c, a, 19);
    step!(c, a, b, 4);
}

/// Mixes the three words into one: lookup3's `final`.
#[inline]
fn finish([mut a, mut b, mut c]: [u32; 3]) -> u32 {
    macro_rules! step {
        ($x:ident, $y:ident, $by:literal) => {
            $x = ($x ^ $y).wrapping_sub($y.rotate_left($by));
        };
    }
    step!(c, b, 14);
    step!(a, c, 11);
    step!(b, a, 25);
    step!(c, b, 16);
    step!(a, c, 4);
    step!(b, a, 14);
    step!(c, b, 24);
    c
}
