//! Who owns each slot: weighted rendezvous with bounded loads.
//!
//! Plain rendezvous moves the fewest slots when nodes come and go, but leaves
//! the fullest of 100 nodes 23 % above its share. Here no node takes more than
//! 5 % above its share, and a slot that finds its best node full goes to its
//! next best, as in Mirrokni, Thorup, Zadimoghaddam, "Consistent Hashing with
//! Bounded Loads" (2016). A full node keeps the slots of which it is the earlier
//! choice, so that a slot without a place pushes none out of its own. That makes
//! exactly one assignment stable (Gale, Shapley, "College Admissions and the
//! Stability of Marriage", 1962): it depends on names and weights, not on the
//! order in which anything is looked at.

use std::{cmp::Ordering, collections::BinaryHeap};

use super::{
    Node, Owner,
    rendezvous::{hash_of, mix},
};

/// How far above its share a node may be loaded.
const MOST_LOAD: f64 = 1.05;

/// The owner of each of `slots` slots.
#[must_use]
pub fn bounded_rendezvous(nodes: &[Node], weights: &[f64], slots: u16) -> Vec<Owner> {
    let market = Market::new(nodes, weights, slots);
    let mut held: Vec<BinaryHeap<Offer>> = vec![BinaryHeap::new(); nodes.len()];
    for slot in 0..slots {
        let mut offer = market.best(slot, None);
        loop {
            let heap = &mut held[usize::from(offer.owner)];
            let most = market.most[usize::from(offer.owner)];
            heap.push(offer);
            if heap.len() <= most {
                break;
            }
            // The slot that the full node wants least tries its next best.
            let Some(dropped) = heap.pop() else { break };
            offer = market.best(dropped.slot, Some(&dropped));
        }
    }
    let mut owners = vec![0; slots.into()];
    for offer in held.iter().flatten() {
        owners[usize::from(offer.slot)] = offer.owner;
    }
    owners
}

/// One slot and one node, and what they cost each other.
#[derive(Clone, Copy, Debug)]
struct Offer {
    /// How many better nodes of the slot have been full.
    choice: u16,
    cost: f64,
    rank: Owner,
    slot: u16,
    owner: Owner,
}

impl Offer {
    /// By cost, as slots rank nodes; equal costs by the order of names.
    fn cheaper(&self, other: &Self) -> Ordering {
        let cost = self.cost.total_cmp(&other.cost);
        cost.then_with(|| self.rank.cmp(&other.rank))
    }
}

impl Ord for Offer {
    /// As nodes rank slots: earlier choices first, then by cost.
    fn cmp(&self, other: &Self) -> Ordering {
        let choice = self.choice.cmp(&other.choice);
        choice
            .then_with(|| self.cheaper(other))
            .then_with(|| self.slot.cmp(&other.slot))
    }
}

impl PartialOrd for Offer {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Offer {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Offer {}

struct Market {
    names: Vec<u64>,
    weights: Vec<f64>,
    /// The order of the names: what decides between equal costs.
    ranks: Vec<Owner>,
    /// The most slots each node may hold.
    most: Vec<usize>,
}

impl Market {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "shares are between 0 and 16384"
    )]
    fn new(nodes: &[Node], weights: &[f64], slots: u16) -> Self {
        let total: f64 = weights.iter().sum();
        let most = |weight: &f64| {
            let share = f64::from(slots) * weight / total;
            // With so many nodes that 5 % is no whole slot, the share rounded up.
            (share * MOST_LOAD).floor().max(share.ceil()) as usize
        };
        let mut by_name: Vec<Owner> = (0..).take(nodes.len()).collect();
        by_name.sort_by_key(|owner| &nodes[usize::from(*owner)].name);
        let mut ranks = vec![0; nodes.len()];
        for (rank, owner) in (0..).zip(by_name) {
            ranks[usize::from(owner)] = rank;
        }
        Self {
            names: nodes.iter().map(|node| hash_of(&node.name)).collect(),
            weights: weights.to_vec(),
            ranks,
            most: weights.iter().map(most).collect(),
        }
    }

    /// The cheapest node for a slot, of those dearer than `after`.
    fn best(&self, slot: u16, after: Option<&Offer>) -> Offer {
        let hash = mix(u64::from(slot) + 1);
        let choice = after.map_or(0, |after| after.choice + 1);
        let mut best = Offer {
            choice,
            cost: f64::INFINITY,
            rank: Owner::MAX,
            slot,
            owner: 0,
        };
        for (owner, (name, weight)) in (0..).zip(self.names.iter().zip(&self.weights)) {
            let cost = negative_ln(mix(hash ^ name)) / weight;
            let offer = Offer {
                cost,
                rank: self.ranks[usize::from(owner)],
                owner,
                ..best
            };
            let is_left = after.is_none_or(|after| offer.cheaper(after).is_gt());
            if is_left && offer.cheaper(&best).is_lt() {
                best = offer;
            }
        }
        best
    }
}

/// `-ln` of a hash as a number between 0 and 1.
///
/// The placement of data must not depend on the platform's `ln`, whose last bit
/// may differ, so this uses only operations that IEEE 754 defines to the bit:
/// `ln m = 2 artanh((m - 1) / (m + 1))` by its series.
fn negative_ln(hash: u64) -> f64 {
    const TERMS: u32 = 11;
    let bits = unit(hash).to_bits();
    let mut exponent = f64::from(i32::try_from(bits >> 52).unwrap_or_default() - 1023);
    let mut mantissa = f64::from_bits(bits & !(0x7ff << 52) | 1023 << 52);
    if mantissa > std::f64::consts::SQRT_2 {
        mantissa /= 2.0;
        exponent += 1.0;
    }
    let z = (mantissa - 1.0) / (mantissa + 1.0);
    let series = (0..TERMS).rev().fold(0.0, |sum, term| {
        sum * (z * z) + 1.0 / f64::from(2 * term + 1)
    });
    -(exponent * std::f64::consts::LN_2 + 2.0 * z * series)
}

/// `(hash + ½) / 2^53` of the top 53 bits: between 0 and 1, and neither.
#[expect(
    clippy::cast_precision_loss,
    reason = "54 bits or fewer, of which the last is rounded"
)]
fn unit(hash: u64) -> f64 {
    ((hash >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SLOTS: u16 = 16384;

    fn nodes(prefix: &str, count: usize) -> Vec<Node> {
        (1..=count)
            .map(|number| Node::named(format!("{prefix}{number}")))
            .collect()
    }

    fn owners(nodes: &[Node], weights: &[f64]) -> Vec<Owner> {
        bounded_rendezvous(nodes, weights, SLOTS)
    }

    fn loads(owners: &[Owner], nodes: usize) -> Vec<f64> {
        let mut loads = vec![0.0; nodes];
        for owner in owners {
            loads[usize::from(*owner)] += 1.0;
        }
        loads
    }

    /// Slots that change hands for each slot that the last node takes over.
    fn moved_for_each_taken(prefix: &str, before: usize) -> f64 {
        let nodes = nodes(prefix, before + 1);
        let weights = vec![1.0; before + 1];
        let old = owners(&nodes[..before], &weights[..before]);
        let new = owners(&nodes, &weights);
        let taken = new
            .iter()
            .filter(|owner| usize::from(**owner) == before)
            .count();
        let moved = old.iter().zip(&new).filter(|(old, new)| old != new).count();
        f64::from(u32::try_from(moved).unwrap()) / f64::from(u32::try_from(taken).unwrap())
    }

    #[test]
    fn no_node_is_more_than_five_percent_above_its_share() {
        for count in 1..=100 {
            let weights = vec![1.0; count];
            let owners = owners(&nodes("node", count), &weights);
            let share = f64::from(SLOTS) / f64::from(u32::try_from(count).unwrap());
            for load in loads(&owners, count) {
                assert!(
                    load <= share * MOST_LOAD,
                    "{load} of {share} slots, {count} nodes"
                );
            }
        }
    }

    #[test]
    fn weights_are_shares() {
        let weights: Vec<f64> = (0..40)
            .map(|number| f64::from(number % 7 + 1) / 2.0)
            .collect();
        let total: f64 = weights.iter().sum();
        let owners = owners(&nodes("w", 40), &weights);
        for (load, weight) in loads(&owners, 40).iter().zip(&weights) {
            let share = f64::from(SLOTS) * weight / total;
            assert!(
                *load <= share * MOST_LOAD && *load >= share * 0.7,
                "{load} of {share}"
            );
        }
    }

    #[test]
    fn a_new_node_moves_little_more_than_it_takes_over() {
        for prefix in ["node", "redis-", "10.0.0."] {
            for (before, most) in [(3, 1.1), (10, 1.1), (30, 1.1), (100, 1.35)] {
                let ratio = moved_for_each_taken(prefix, before);
                assert!(ratio <= most, "{prefix}: {ratio} at {before} nodes");
            }
        }
    }

    #[test]
    fn the_order_of_the_nodes_is_irrelevant() {
        let mut nodes = nodes("n", 17);
        let weights = vec![1.0; 17];
        let names = |nodes: &[Node]| -> Vec<String> {
            owners(nodes, &weights)
                .iter()
                .map(|owner| nodes[usize::from(*owner)].name.clone())
                .collect()
        };
        let before = names(&nodes);
        nodes.reverse();
        assert_eq!(names(&nodes), before);
    }

    #[test]
    fn more_nodes_than_five_percent_of_a_slot_still_own_every_slot() {
        let owners = owners(&nodes("n", 2000), &vec![1.0; 2000]);
        assert!(loads(&owners, 2000).iter().all(|load| *load <= 9.0));
    }

    proptest! {
        #[test]
        fn the_series_is_the_logarithm(hash: u64) {
            let exact = -unit(hash).ln();
            prop_assert!((negative_ln(hash) - exact).abs() <= exact * 1e-14 + 1e-16);
        }
    }
}
