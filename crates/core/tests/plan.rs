//! Plans: what the fast road finds for many keys is what the plain one finds
//! for each.

use proptest::{prelude::*, test_runner::TestRunner};
use shardis_core::{
    Key, Keys, Kind, Options, Placement,
    place::Node,
    scheme::{SCHEMES, Scheme, Values},
};

/// Every scheme with its defaults, and once with each value of each parameter.
fn placements() -> Vec<(String, Placement)> {
    let nodes: Vec<_> = (1..=5)
        .map(|number| Node::named(format!("node_{number}")))
        .collect();
    let mut placements = Vec::new();
    for scheme in SCHEMES {
        let mut choices = vec![vec![]];
        for parameter in scheme.parameters {
            let values: Vec<String> = match parameter.values {
                Values::OneOf(values) | Values::Since(values) => {
                    values.iter().map(ToString::to_string).collect()
                }
                Values::TagPair => vec!["{}".into(), "$$".into()],
                Values::Hash(hashes) => hashes.iter().map(|hash| hash.name().into()).collect(),
            };
            choices.extend(
                values
                    .into_iter()
                    .map(|value| vec![(parameter.name.to_owned(), value)]),
            );
        }
        for choice in choices {
            // Old versions of redis-shard never met Python 3.
            let python2 = [("python".to_owned(), "2".to_owned())];
            let more =
                scheme.name == "redis-shard" && choice.iter().any(|(name, _)| name == "version");
            let parameters = choice
                .into_iter()
                .chain(more.then_some(python2).into_iter().flatten());
            let options = Options {
                scheme: scheme.name.into(),
                parameters: parameters.collect(),
                table: table(scheme),
            };
            let name = format!("{options:?}");
            placements.push((name, Placement::new(&nodes, &options).unwrap()));
        }
    }
    placements
}

fn table(scheme: &Scheme) -> Option<Vec<u16>> {
    let slots = match scheme.name {
        "redis-cluster" => 16384,
        "codis" => 1024,
        _ => return None,
    };
    Some((0..slots).map(|slot| slot % 5).collect())
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z:0-9]{0,60}",
        "[a-z]{0,8}[{$]?[a-z}$\n]{0,8}[}$]?[a-z]{0,8}",
        "[aé日{}\u{1F600}]{0,10}",
    ]
}

/// The owners of a plan, or the position of the key that it refuses.
fn planned(placement: &Placement, kind: Kind, keys: &[String]) -> Result<Vec<u16>, Option<usize>> {
    let bytes = keys.concat();
    let ends: Vec<u32> = keys
        .iter()
        .scan(0, |end, key| {
            *end += u32::try_from(key.len()).unwrap();
            Some(*end)
        })
        .collect();
    let mut owners = Vec::new();
    let keys = Keys::packed(bytes.as_bytes(), &ends).unwrap();
    match placement.plan(kind, &keys, |_, block| owners.extend_from_slice(block)) {
        Ok(()) => Ok(owners),
        Err(error) => Err(error.key_position()),
    }
}

fn one_by_one(
    placement: &Placement,
    kind: Kind,
    keys: &[String],
) -> Result<Vec<u16>, Option<usize>> {
    let owner = |(position, key): (usize, &String)| {
        let key = match kind {
            Kind::Text => Key::Text(key.as_bytes()),
            Kind::Bytes => Key::Bytes(key.as_bytes()),
        };
        placement.owner(key).map_err(|_| Some(position))
    };
    keys.iter().enumerate().map(owner).collect()
}

#[test]
fn a_plan_finds_what_is_found_one_by_one() {
    let placements = placements();
    assert!(placements.len() > 60);
    let mut runner = TestRunner::new(ProptestConfig::with_cases(64));
    runner
        .run(&prop::collection::vec(text(), 0..100), |keys| {
            for (name, placement) in &placements {
                for kind in [Kind::Text, Kind::Bytes] {
                    let expected = one_by_one(placement, kind, &keys);
                    prop_assert_eq!(planned(placement, kind, &keys), expected, "{}", name);
                }
            }
            Ok(())
        })
        .unwrap();
}

#[test]
fn where_text_is_bytes_both_have_one_owner() {
    for (name, placement) in placements()
        .iter()
        .filter(|(_, placement)| placement.text_is_bytes())
    {
        for key in ["a", "{b}c", "é{日}", "x{}", ""] {
            let (text, bytes) = (Key::Text(key.as_bytes()), Key::Bytes(key.as_bytes()));
            assert_eq!(
                placement.owner(text),
                placement.owner(bytes),
                "{name} {key}"
            );
        }
    }
}

#[test]
fn weights_that_leave_no_ring_or_no_end_of_one_are_refused() {
    let node = |name: &str, weight| Node {
        weight: Some(weight),
        ..Node::named(name)
    };
    for (scheme, version, weights) in [
        ("slots", None, [1e308, 1e308]),
        ("predis", None, [1e308, 1e308]),
        ("twemproxy", None, [1e39, 1e39]),
        ("jedis", Some("3"), [1e6, 1e6]),
        ("slots", None, [f64::NAN, 1.0]),
        ("slots", None, [1e-9, 1.0]),
    ] {
        let parameters = version.map(|version| ("version".to_owned(), version.to_owned()));
        let options = Options {
            scheme: scheme.into(),
            parameters: parameters.into_iter().collect(),
            table: None,
        };
        let nodes = [node("a", weights[0]), node("b", weights[1])];
        let error = Placement::new(&nodes, &options).unwrap_err();
        assert_eq!(
            error.code().as_str(),
            "BAD_PLACEMENT",
            "{scheme} {weights:?}"
        );
    }
}
