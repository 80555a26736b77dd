//! From the hash of a key to the node that owns it: tables, ranges, rings and
//! rendezvous, immutable once built.

pub(crate) mod points;
mod rendezvous;
mod ring;
mod slots;

pub use rendezvous::Rendezvous;
pub use ring::{Collision, Label, Lookup, PointHash, Ring, RingRecipe};
pub use slots::bounded_rendezvous;

/// The position of a node in the list of nodes.
pub type Owner = u16;

/// The most nodes that one placement can hold.
pub const MOST_NODES: usize = 1 << 14;

/// A node, as placement sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// The label of the node: what rings hash, and what never changes while
    /// addresses do.
    pub name: String,
    /// Whether the name was given, rather than derived from the address.
    pub named: bool,
    /// The share of keys relative to the other nodes, where one was given.
    pub weight: Option<f64>,
}

impl Node {
    /// A node with a given name and the scheme's default weight.
    #[must_use]
    pub fn named(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            named: true,
            weight: None,
        }
    }
}

/// Which node owns a hash.
#[derive(Clone, Debug)]
pub enum Place {
    /// `owners[hash % owners.len()]`: plain modulo, weighted modulo, and slots.
    Table(Vec<Owner>),
    /// As many equal ranges of 32-bit hashes as there are nodes, as phpredis
    /// reckons them.
    Range(u64),
    /// Points on a ring.
    Ring(Ring),
    /// The node that scores highest with the hash.
    Rendezvous(Rendezvous),
}

impl Place {
    /// The owner of one hash.
    #[inline]
    #[must_use]
    pub fn owner(&self, hash: u128) -> Owner {
        match self {
            Self::Table(owners) => owners[remainder(hash, owners.len())],
            Self::Range(nodes) => range(hash, *nodes),
            Self::Ring(ring) => ring.owner(hash),
            Self::Rendezvous(rendezvous) => rendezvous.owner(hash),
        }
    }

    /// The owner of each of many hashes.
    pub fn owner_of_many(&self, hashes: &[u128], owners: &mut [Owner]) {
        fn each(hashes: &[u128], owners: &mut [Owner], owner: impl Fn(u128) -> Owner) {
            for (hash, place) in hashes.iter().zip(owners) {
                *place = owner(*hash);
            }
        }
        match self {
            Self::Table(table) => {
                let divisor = Divisor::new(table.len());
                each(hashes, owners, |hash| table[divisor.remainder(hash)]);
            }
            Self::Range(nodes) => each(hashes, owners, |hash| range(hash, *nodes)),
            Self::Ring(ring) => each(hashes, owners, |hash| ring.owner(hash)),
            Self::Rendezvous(rendezvous) => each(hashes, owners, |hash| rendezvous.owner(hash)),
        }
    }
}

/// Most hashes have 32 bits, whose division is by far the cheapest.
#[inline]
fn remainder(hash: u128, len: usize) -> usize {
    match (u32::try_from(hash), u32::try_from(len)) {
        (Ok(hash), Ok(len)) => (hash % len) as usize,
        _ => usize::try_from(hash % len as u128).unwrap_or_default(),
    }
}

/// A number by which many hashes are divided. Two multiplications take half the
/// time of a division: the fraction that is left of a hash times the reciprocal
/// is, times the divisor, the remainder. (Lemire, Kaser, Kurz, "Faster
/// Remainder by Direct Computation", 2019.)
struct Divisor {
    len: usize,
    /// `2^64 / len`, rounded up; 0 for 1, whose remainders are 0.
    reciprocal: u64,
}

impl Divisor {
    const fn new(len: usize) -> Self {
        let reciprocal = (u64::MAX / len as u64).wrapping_add(1);
        Self { len, reciprocal }
    }

    #[inline]
    fn remainder(&self, hash: u128) -> usize {
        match (u32::try_from(hash), u32::try_from(self.len)) {
            (Ok(hash), Ok(len)) => {
                let fraction = self.reciprocal.wrapping_mul(hash.into());
                let remainder = (u128::from(fraction) * u128::from(len)) >> 64;
                usize::try_from(remainder).unwrap_or_default()
            }
            _ => remainder(hash, self.len),
        }
    }
}

/// `crc32 * nodes / 0xffffffff` in 64 bits, where phpredis reaches the crc from
/// its register as `register ^ 0xffffffff`. The greatest crc would be one past
/// the end there; it is the last node here.
#[inline]
fn range(register: u128, nodes: u64) -> Owner {
    let owner = (low_half(register) ^ 0xffff_ffff) * nodes / 0xffff_ffff;
    Owner::try_from(owner.min(nodes - 1)).unwrap_or_default()
}

#[inline]
#[expect(
    clippy::cast_possible_truncation,
    reason = "the lower half is what is asked for"
)]
const fn low_half(hash: u128) -> u64 {
    hash as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_remainder_by_multiplication_is_that_by_division(
            len in 1_usize..70_000,
            hash: u128,
            zeros in 0_u32..128,
        ) {
            let divisor = Divisor::new(len);
            let multiple = u128::from(u32::MAX) / len as u128 * len as u128;
            for hash in [hash >> zeros, u32::MAX.into(), multiple, multiple - 1] {
                prop_assert_eq!(divisor.remainder(hash) as u128, hash % len as u128);
            }
        }
    }
}
