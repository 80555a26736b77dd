//! Consistent hashing: every node has many points on a ring, and a key belongs
//! to the point next to its hash. (Karger et al., "Consistent Hashing and
//! Random Trees", 1997.)

use super::{Node, Owner, points::Points};
use crate::{
    error::{Error, Result},
    hash::{Hash, md5},
};

/// More than any ring of the largest placement has with equal weights.
const MOST_LABELS: u64 = 4_000_000;

/// How a ring is laid out; each system that has one has its own.
#[derive(Clone, Copy, Debug)]
pub struct RingRecipe {
    /// What is hashed for each point of a node.
    pub label: Label,
    /// How many labels a node has.
    pub points: Points,
    /// How labels become points.
    pub point: PointHash,
    /// Which point owns a key.
    pub lookup: Lookup,
    /// Which node keeps a point that two nodes want.
    pub collision: Collision,
}

/// The text that is hashed for each point: `{name}`, `{i}` (of the point),
/// `{index}` (of the node) and `{weight}` are filled in.
#[derive(Clone, Copy, Debug)]
pub struct Label {
    /// For nodes with a name.
    pub named: &'static str,
    /// For nodes without one.
    pub unnamed: &'static str,
}

/// How a label becomes points.
#[derive(Clone, Copy, Debug)]
pub enum PointHash {
    /// One point a label, by the hash that keys have.
    AsKeys,
    /// One point a label, by a hash of its own.
    One(Hash),
    /// Four points a label: the four little-endian words of its MD5, as ketama
    /// has it.
    Md5Words,
}

/// Which point owns a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// The first at or above its hash; above the last comes the first.
    AtOrAbove,
    /// The last at or below its hash; below the first comes the last.
    AtOrBelow,
    /// The first above its hash; above the last it stays the last, without
    /// wrapping: redis-shard's `min(bisect(…), len - 1)`.
    AboveOrLast,
}

/// Which node keeps a point that two nodes want.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Collision {
    /// The node added first: ketama in C keeps both, and a search finds the first.
    First,
    /// The node added last: rings held in a dictionary.
    Last,
}

/// A ring, as the segments between its points: segment `i` holds the hashes
/// from `bounds[i - 1]` up to, not including, `bounds[i]`.
#[derive(Clone, Debug)]
pub struct Ring {
    bounds: Vec<u128>,
    /// Of each segment, one more than there are bounds.
    owners: Vec<Owner>,
    /// Of each segment, the point it belongs to.
    points: Vec<u128>,
    /// For each value of the top bits of a hash, the first segment to look at.
    starts: Vec<u32>,
    shift: u32,
}

impl Ring {
    /// Lays out a ring for keys with the hash `keys`, adding the nodes in
    /// `order`.
    ///
    /// # Errors
    ///
    /// `BAD_PLACEMENT` where the weights leave no point at all, or far too many.
    pub fn new(
        recipe: &RingRecipe,
        nodes: &[Node],
        order: &[Owner],
        weights: &[f64],
        keys: Hash,
    ) -> Result<Self> {
        let total: f64 = weights.iter().sum();
        let labels: Vec<u32> = weights
            .iter()
            .map(|weight| (recipe.points)(*weight, total, nodes.len()))
            .collect();
        let points: u64 = labels.iter().map(|count| u64::from(*count)).sum();
        if !(1..=MOST_LABELS).contains(&points) {
            return Err(Error::placement(format!(
                "these weights ask for {points} labels on the ring; there must be one at least, \
                 and {MOST_LABELS} at most"
            )));
        }
        let points = layout(recipe, nodes, order, weights, &labels, keys);
        Ok(Self::from_points(&points, recipe.lookup, keys.bits()))
    }

    fn from_points(points: &[(u128, Owner)], lookup: Lookup, bits: u32) -> Self {
        let last = points.len() - 1;
        // The point that owns what lies below all points, then those that own
        // what lies from each bound on.
        let segments: Vec<(u128, Owner)> = match lookup {
            Lookup::AtOrAbove => points.iter().chain(points.first()).copied().collect(),
            Lookup::AtOrBelow => points.last().into_iter().chain(points).copied().collect(),
            Lookup::AboveOrLast => points.iter().chain([&points[last]]).copied().collect(),
        };
        let bounds: Vec<u128> = match lookup {
            // A hash equal to a point still belongs to it. No ring of 128-bit
            // points is read this way, so this cannot overflow.
            Lookup::AtOrAbove => points
                .iter()
                .map(|(point, _)| point.saturating_add(1))
                .collect(),
            Lookup::AtOrBelow | Lookup::AboveOrLast => {
                points.iter().map(|(point, _)| *point).collect()
            }
        };
        // About two buckets a point: a search begins next to where it ends.
        let bucket_bits = (bounds.len().ilog2() + 2).min(bits).min(16);
        let shift = bits - bucket_bits;
        let starts = (0..1_u128 << bucket_bits)
            .map(|bucket| {
                let start = bounds.partition_point(|bound| *bound <= bucket << shift);
                u32::try_from(start).unwrap_or(u32::MAX)
            })
            .collect();
        Self {
            bounds,
            owners: segments.iter().map(|(_, owner)| *owner).collect(),
            points: segments.iter().map(|(point, _)| *point).collect(),
            starts,
            shift,
        }
    }

    /// The owner of a hash.
    #[inline]
    #[must_use]
    pub fn owner(&self, hash: u128) -> Owner {
        self.owners[self.segment(hash)]
    }

    /// The point that a hash belongs to.
    #[must_use]
    pub fn point(&self, hash: u128) -> u128 {
        self.points[self.segment(hash)]
    }

    #[inline]
    fn segment(&self, hash: u128) -> usize {
        let bucket = usize::try_from(hash >> self.shift).unwrap_or(usize::MAX);
        let mut segment = self.starts[bucket.min(self.starts.len() - 1)] as usize;
        while self.bounds.get(segment).is_some_and(|bound| *bound <= hash) {
            segment += 1;
        }
        segment
    }
}

/// All points in ascending order, each once.
fn layout(
    recipe: &RingRecipe,
    nodes: &[Node],
    order: &[Owner],
    weights: &[f64],
    labels: &[u32],
    keys: Hash,
) -> Vec<(u128, Owner)> {
    let mut points = Vec::new();
    for owner in order.iter().copied() {
        let index = usize::from(owner);
        let (node, weight) = (&nodes[index], weights[index]);
        let template = if node.named {
            recipe.label.named
        } else {
            recipe.label.unnamed
        };
        let text = template
            .replace("{index}", &index.to_string())
            .replace("{weight}", &weight.to_string());
        for i in 0..labels[index] {
            let label = text
                .replace("{i}", &i.to_string())
                .replace("{name}", &node.name);
            match recipe.point {
                PointHash::AsKeys => points.push((keys.of(label.as_bytes()), owner)),
                PointHash::One(hash) => points.push((hash.of(label.as_bytes()), owner)),
                PointHash::Md5Words => {
                    let digest = md5::digest(label.as_bytes());
                    let words = digest.as_chunks::<4>().0.iter();
                    points.extend(words.map(|word| (u32::from_le_bytes(*word).into(), owner)));
                }
            }
        }
    }
    if recipe.collision == Collision::Last {
        points.reverse();
    }
    // Stable, so that the first of equal points is the one that stays.
    points.sort_by_key(|(point, _)| *point);
    points.dedup_by_key(|(point, _)| *point);
    points
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The three rules as the originals write them: a search in a sorted list.
    fn naive(points: &[(u128, Owner)], lookup: Lookup, hash: u128) -> Owner {
        let last = points.len() - 1;
        let at = match lookup {
            Lookup::AtOrAbove => points
                .iter()
                .position(|(point, _)| *point >= hash)
                .unwrap_or(0),
            Lookup::AtOrBelow => points
                .iter()
                .rposition(|(point, _)| *point <= hash)
                .unwrap_or(last),
            Lookup::AboveOrLast => points
                .iter()
                .position(|(point, _)| *point > hash)
                .unwrap_or(last),
        };
        points[at].1
    }

    proptest! {
        #[test]
        fn segments_hold_what_a_plain_search_finds(
            mut points in prop::collection::btree_map(0u32.., 0u16..9, 1..200),
            hashes: Vec<u32>,
            extremes in any::<(bool, bool)>(),
        ) {
            if extremes.0 { points.insert(0, 3); }
            if extremes.1 { points.insert(u32::MAX, 4); }
            let points: Vec<(u128, Owner)> =
                points.into_iter().map(|(point, owner)| (point.into(), owner)).collect();
            let near = points.iter().flat_map(|(point, _)| [point.saturating_sub(1), *point, point + 1]);
            for lookup in [Lookup::AtOrAbove, Lookup::AtOrBelow, Lookup::AboveOrLast] {
                let ring = Ring::from_points(&points, lookup, 32);
                let hashes = hashes.iter().map(|hash| u128::from(*hash));
                for hash in hashes.chain(near.clone()).filter(|hash| *hash <= u32::MAX.into()) {
                    prop_assert_eq!(ring.owner(hash), naive(&points, lookup, hash), "{:?} {}", lookup, hash);
                }
            }
        }
    }

    #[test]
    fn redis_shard_does_not_wrap() {
        let points = [(10, 0), (20, 1)];
        assert_eq!(
            Ring::from_points(&points, Lookup::AboveOrLast, 32).owner(21),
            1
        );
        assert_eq!(
            Ring::from_points(&points, Lookup::AtOrAbove, 32).owner(21),
            0
        );
    }
}
