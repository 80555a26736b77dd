//! Rendezvous hashing as go-redis' `Ring` does it: every node scores against
//! the hash of the key, and the highest score owns it.

use super::{Node, Owner};
use crate::hash::Hash;

/// The hashes of the node names.
#[derive(Clone, Debug)]
pub struct Rendezvous {
    names: Vec<u64>,
}

impl Rendezvous {
    /// A rendezvous of nodes by their names.
    #[must_use]
    pub fn new(nodes: &[Node]) -> Self {
        Self {
            names: nodes.iter().map(|node| hash_of(&node.name)).collect(),
        }
    }

    /// The owner of a hash of 64 bits; of equal scores the first wins.
    #[inline]
    #[must_use]
    pub fn owner(&self, hash: u128) -> Owner {
        let hash = super::low_half(hash);
        let mut best = (0, 0);
        for (owner, name) in (0..).zip(&self.names) {
            let score = mix(hash ^ name);
            if owner == 0 || score > best.1 {
                best = (owner, score);
            }
        }
        best.0
    }
}

pub(super) fn hash_of(name: &str) -> u64 {
    super::low_half(Hash::Xxh64.of(name.as_bytes()))
}

/// `xorshiftMult64` of dgryski/go-rendezvous (Marsaglia's xorshift*).
#[inline]
pub(super) const fn mix(mut x: u64) -> u64 {
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    x.wrapping_mul(2_685_821_657_736_338_717)
}
