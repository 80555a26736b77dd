//! How many points a node has on a ring, as each system reckons it.
//!
//! The arithmetic is part of the data format: where a system rounds in single
//! precision, 25 equal nodes get 156 points each instead of 160.

/// `(weight of the node, sum of all weights, number of nodes) → labels`; a
/// label may stand for several points.
pub type Points = fn(f64, f64, usize) -> u32;

/// redis-shard, django-redis: 128 for every node.
pub fn always_128(_: f64, _: f64, _: usize) -> u32 {
    128
}

/// redis-rb: 160 for every node.
pub fn always_160(_: f64, _: f64, _: usize) -> u32 {
    160
}

/// go-redis before version 8: 100 for every node.
pub fn always_100(_: f64, _: f64, _: usize) -> u32 {
    100
}

/// phpredis and npm `hashring`: 40 labels of four points for every node.
pub fn always_40(_: f64, _: f64, _: usize) -> u32 {
    40
}

/// Jedis: 160 times the weight.
pub fn jedis(weight: f64, _: f64, _: usize) -> u32 {
    whole(160.0 * weight)
}

/// Predis' `HashRing`: `round(weight / total * nodes * 128)`.
pub fn predis_hash_ring(weight: f64, total: f64, nodes: usize) -> u32 {
    whole((weight / total * count(nodes) * 128.0).round())
}

/// Predis' `KetamaRing`: `floor(weight / total * nodes * 40)` labels, in this
/// order of operations: 49 equal nodes get 39.
pub fn predis_ketama(weight: f64, total: f64, nodes: usize) -> u32 {
    whole((weight / total * count(nodes) * 40.0).floor())
}

/// twemproxy's `ketama_update`, whose floats have single precision.
#[expect(clippy::cast_possible_truncation, reason = "C rounds to float here")]
pub fn twemproxy(weight: f64, total: f64, nodes: usize) -> u32 {
    let share = weight as f32 / total as f32;
    let labels = f64::from(share * 160.0 / 4.0 * count(nodes) as f32) + 0.000_000_000_1;
    whole(f64::from(labels as f32).floor())
}

fn count(nodes: usize) -> f64 {
    f64::from(u32::try_from(nodes).unwrap_or(u32::MAX))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "weights are checked to be positive, and a cast saturates"
)]
fn whole(number: f64) -> u32 {
    number as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn equal_nodes(points: Points, nodes: u32) -> u32 {
        points(1.0, f64::from(nodes), nodes as usize)
    }

    #[test]
    fn single_precision_costs_twemproxy_four_points_at_these_sizes() {
        let short = [
            25, 47, 50, 55, 61, 71, 94, 100, 107, 109, 110, 115, 122, 142, 159, 163, 188, 193, 200,
            209,
        ];
        for nodes in 1..=210 {
            let expected = if short.contains(&nodes) { 39 } else { 40 };
            assert_eq!(equal_nodes(twemproxy, nodes), expected, "{nodes} nodes");
        }
    }

    #[test]
    fn twemproxy_weights() {
        let points = [1.0, 2.0, 3.0, 5.0, 10.0].map(|weight| twemproxy(weight, 21.0, 5) * 4);
        assert_eq!(points, [36, 76, 112, 188, 380]);
    }

    #[test]
    fn double_precision_costs_predis_one_label_at_these_sizes() {
        let short = [49, 98, 103, 107, 161, 187, 196, 197];
        for nodes in 1..=200 {
            let expected = if short.contains(&nodes) { 39 } else { 40 };
            assert_eq!(equal_nodes(predis_ketama, nodes), expected, "{nodes} nodes");
        }
    }
}
