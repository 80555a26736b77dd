//! Golden vectors: where the real systems put real keys. Every row of every
//! file in `__test__/vectors` is checked here.

use std::{collections::BTreeMap, fs, path::Path};

use serde_json::Value;
use shardis_core::{Key, Options, Placement, hash::Hash, place::Node};

fn read(file: &str) -> Value {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../__test__/vectors");
    let text = fs::read_to_string(folder.join(file)).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn base64(text: &str) -> Vec<u8> {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut bytes = Vec::new();
    let (mut bits, mut count) = (0_u32, 0);
    for byte in text.trim_end_matches('=').bytes() {
        let digit = ALPHABET.iter().position(|known| *known == byte).unwrap();
        bits = bits << 6 | u32::try_from(digit).unwrap();
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count & 0xff) as u8);
        }
    }
    bytes
}

fn hex(text: &str) -> Vec<u8> {
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
        .collect()
}

fn to_hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

fn placement(scheme: &str, nodes: &[Node], parameters: &[(&str, &str)]) -> Placement {
    let options = Options {
        scheme: scheme.into(),
        parameters: parameters
            .iter()
            .map(|(name, value)| ((*name).into(), (*value).into()))
            .collect(),
        table: None,
    };
    Placement::new(nodes, &options).unwrap()
}

fn strings(value: &Value) -> Vec<&str> {
    value
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item.as_str().unwrap())
        .collect()
}

fn nodes_of(group: &Value) -> Vec<Node> {
    let weights = group["weights"].as_array();
    strings(&group["nodes"])
        .into_iter()
        .enumerate()
        .map(|(index, name)| Node {
            weight: weights.map(|weights| weights[index].as_f64().unwrap()),
            ..Node::named(name)
        })
        .collect()
}

/// Checks one column of one group: each entry is the index of the owner.
fn check_column(placement: &Placement, keys: &[Vec<u8>], text: bool, column: &Value) -> usize {
    let mut checked = 0;
    for (key, expected) in keys.iter().zip(column.as_array().unwrap()) {
        let Some(expected) = expected.as_u64() else {
            continue;
        };
        let given = if text {
            Key::Text(key)
        } else {
            Key::Bytes(key)
        };
        let owner = placement.owner(given).unwrap();
        assert_eq!(
            u64::from(owner),
            expected,
            "{}",
            String::from_utf8_lossy(key)
        );
        checked += 1;
    }
    checked
}

/// Checks the columns `bytes` and, where the system tells them apart, `text`,
/// of every group of a file.
fn check_file(file: &str, parameters: impl Fn(&Value) -> Vec<(&str, String)>, scheme: &str) {
    let keys: Vec<_> = strings(&read("keys.json")["keys"])
        .into_iter()
        .map(base64)
        .collect();
    let vectors = read(file);
    for group in vectors["groups"].as_array().unwrap() {
        let parameters = parameters(group);
        let parameters: Vec<_> = parameters
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let placement = placement(scheme, &nodes_of(group), &parameters);
        let expect = &group["expect"];
        assert!(
            check_column(&placement, &keys, false, &expect["bytes"]) > 500,
            "{file}"
        );
        if expect.get("text").is_none() && placement.text_is_bytes() {
            check_column(&placement, &keys, true, &expect["bytes"]);
        }
    }
}

fn text(group: &Value, field: &str) -> String {
    group[field]
        .as_str()
        .map_or_else(|| group[field].to_string(), Into::into)
}

#[test]
fn mredis() {
    check_file("mredis.json", |_| vec![], "mredis");
}

#[test]
fn phpredis() {
    let algorithm = |group: &Value| match group["hash"].as_str().unwrap() {
        "crc32" => "default".into(),
        algorithm => algorithm.to_owned(),
    };
    check_file(
        "phpredis.json",
        |group| {
            vec![
                ("algorithm", algorithm(group)),
                ("consistent", text(group, "consistent")),
            ]
        },
        "phpredis",
    );
}

#[test]
fn predis() {
    let distributor = |group: &Value| match group["hash"].as_str().unwrap() {
        "HashRing" => "hashring".into(),
        _ => "ketama".into(),
    };
    check_file(
        "predis.json",
        |group| vec![("distributor", distributor(group))],
        "predis",
    );
}

#[test]
fn redis_rb() {
    check_file(
        "redis-rb.json",
        |_| vec![("version", "4.8.0".into())],
        "redis-rb",
    );
}

#[test]
fn twemproxy() {
    check_file(
        "twemproxy.json",
        |group| {
            let tag = group["hashTag"].as_str().unwrap_or("none").to_owned();
            vec![
                ("distribution", text(group, "distribution")),
                ("hash", text(group, "hash")),
                ("hashTag", tag),
            ]
        },
        "twemproxy",
    );
}

#[test]
fn redis_cluster_slots() {
    let keys: Vec<_> = strings(&read("keys.json")["keys"])
        .into_iter()
        .map(base64)
        .collect();
    let vectors = read("redis-cluster.json");
    let placement = placement("slots", &[Node::named("a")], &[]);
    let expected = vectors["groups"][0]["expect"]["slot"].as_array().unwrap();
    for (key, slot) in keys.iter().zip(expected) {
        let explanation = placement.explain(Key::Bytes(key)).unwrap();
        assert_eq!(explanation.slot.map(u64::from), slot.as_u64());
    }
}

/// Systems that treat text and bytes differently, and may store another key
/// than the one given.
fn check_text_file(file: &str, scheme: &str, parameters: impl Fn(&Value) -> Vec<(&str, String)>) {
    let keys: Vec<_> = strings(&read("keys.json")["keys"])
        .into_iter()
        .map(base64)
        .collect();
    let vectors = read(file);
    let (mut refused, mut beyond_latin1) = (0, 0);
    for group in vectors["groups"].as_array().unwrap() {
        let parameters = parameters(group);
        let parameters: Vec<_> = parameters
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let placement = placement(scheme, &nodes_of(group), &parameters);
        let expect = &group["expect"];
        check_column(&placement, &keys, false, &expect["bytes"]);
        for (index, key) in keys.iter().enumerate() {
            if expect["textError"][index].is_string() {
                // The original refuses what Latin-1 lacks. It is placed as the
                // same key in bytes, under which the original can have written.
                let as_bytes = placement.owner(Key::Bytes(key));
                assert_eq!(placement.owner(Key::Text(key)), as_bytes);
                beyond_latin1 += 1;
                continue;
            }
            let Some(owner) = expect["text"][index].as_u64() else {
                continue;
            };
            let stored = expect["textStoredKey"][index]
                .as_str()
                .map_or_else(|| key.clone(), base64);
            if stored.is_empty() && !key.is_empty() {
                // The original writes every such key under the empty name.
                let error = placement.owner(Key::Text(key)).unwrap_err();
                assert_eq!(error.code().as_str(), "BAD_KEY");
                refused += 1;
                continue;
            }
            assert_eq!(placement.owner(Key::Text(key)).map(u64::from), Ok(owner));
            assert_eq!(placement.stored_key(Key::Text(key)), Ok(stored.as_slice()));
        }
    }
    println!("{file}: {refused} rows refused, {beyond_latin1} placed by their bytes");
    assert_eq!(refused > 0, scheme == "rediscluster");
}

#[test]
fn redis_shard() {
    check_text_file("redis-shard.json", "redis-shard", |group| {
        vec![("hash", text(group, "hash"))]
    });
}

#[test]
fn rediscluster() {
    check_text_file("rediscluster.json", "rediscluster", |_| vec![]);
}

/// `more.json`: 40 other keys in 70 rows of other versions and systems.
struct More {
    keys: Vec<Vec<u8>>,
    rows: BTreeMap<String, Value>,
}

impl More {
    fn read() -> Self {
        let more = read("more.json");
        let keys = strings(&more["keys_hex"]).into_iter().map(hex).collect();
        let rows = more["alg"]
            .as_object()
            .unwrap()
            .clone()
            .into_iter()
            .collect();
        Self { keys, rows }
    }

    fn check(&mut self, row: &str, what: impl Fn(&[u8]) -> Value) {
        let vector = self
            .rows
            .remove(row)
            .unwrap_or_else(|| panic!("no row {row}"));
        for (key, expected) in self.keys.iter().zip(vector["result"].as_array().unwrap()) {
            if !expected.is_null() {
                assert_eq!(
                    what(key),
                    *expected,
                    "{row}: {}",
                    String::from_utf8_lossy(key)
                );
            }
        }
    }

    fn check_owners(&mut self, row: &str, placement: &Placement, names: &[&str]) {
        let first = self.rows[row]["result"][0].clone();
        self.check(row, |key| {
            let owner = placement.owner(Key::Bytes(key)).unwrap();
            if first.is_string() {
                names[usize::from(owner)].into()
            } else {
                owner.into()
            }
        });
    }
}

fn named(names: &[&str]) -> Vec<Node> {
    names.iter().copied().map(Node::named).collect()
}

fn weighted(names: &[&str], weights: &[f64], given: bool) -> Vec<Node> {
    let node = |(name, weight): (&&str, &f64)| Node {
        name: (*name).into(),
        named: given,
        weight: Some(*weight),
    };
    names.iter().zip(weights).map(node).collect()
}

#[test]
fn every_other_version_and_system() {
    let mut more = More::read();
    modulo_rows(&mut more);
    redis_shard_rows(&mut more);
    slot_rows(&mut more);
    ruby_python_and_go_rows(&mut more);
    php_and_node_rows(&mut more);
    twemproxy_rows(&mut more);
    jedis_rows(&mut more);
    let left: Vec<_> = more.rows.keys().collect();
    assert!(left.is_empty(), "rows not checked: {left:?}");
}

fn modulo_rows(more: &mut More) {
    let numbers = ["1", "2", "3", "4", "5"];
    for count in [2, 3, 5] {
        let nodes = named(&numbers[..count]);
        more.check_owners(
            &format!("mredis/N={count}"),
            &placement("mredis", &nodes, &[]),
            &[],
        );
        let names: Vec<_> = (1..=count).map(|number| format!("node_{number}")).collect();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        let placement = placement("rediscluster", &named(&names), &[]);
        more.check_owners(&format!("rediscluster/raw/N={count}"), &placement, &names);
    }
    let names = ["node_1", "node_2", "node_3"];
    for (row, client) in [
        ("rediscluster-py/get/N=3", "python2"),
        ("rediscluster-php/get/N=3 (64-bit)", "php"),
        ("rediscluster-php/get/N=3 (32-bit)", "php32"),
    ] {
        let placement = placement("rediscluster", &named(&names), &[("client", client)]);
        more.rows.get_mut(row).unwrap()["result"]
            .as_array_mut()
            .unwrap()
            .iter_mut()
            .zip(&more.keys)
            .filter(|(expected, key)| expected[1] == "" && !key.is_empty())
            .for_each(|(expected, key)| {
                assert!(placement.owner(Key::Bytes(key)).is_err());
                *expected = Value::Null;
            });
        more.check(row, |key| {
            let owner = placement.owner(Key::Bytes(key)).unwrap();
            let stored = placement.stored_key(Key::Bytes(key)).unwrap();
            vec![names[usize::from(owner)].to_owned(), to_hex(stored)].into()
        });
    }
}

fn redis_shard_rows(more: &mut More) {
    let names = ["node1", "node2", "node3"];
    for hash in ["crc32", "md5", "sha1"] {
        let place = |parameters: &[_]| placement("redis-shard", &named(&names), parameters);
        let python2 = place(&[("hash", hash), ("python", "2")]);
        more.check_owners(&format!("redis-shard/{hash}/tags"), &python2, &names);
        let untagged = place(&[("hash", hash)]);
        more.check_owners(&format!("redis-shard/{hash}/no-tags"), &untagged, &names);
    }
    let old = [("version", "0.3.4"), ("python", "2")];
    let signed = placement("redis-shard", &named(&names), &old);
    more.check_owners("redis-shard/crc32-signed/tags", &signed, &names);
    // No release had this combination, so it has no name; where a key has no
    // tag it is the row above.
    let row = "redis-shard/crc32-signed/no-tags";
    let keys = more.keys.clone();
    for (key, expected) in keys
        .iter()
        .zip(more.rows.remove(row).unwrap()["result"].as_array().unwrap())
    {
        if signed.explain(Key::Bytes(key)).unwrap().tag.is_none() {
            let owner = signed.owner(Key::Bytes(key)).unwrap();
            assert_eq!(names[usize::from(owner)], expected.as_str().unwrap());
        }
    }
}

fn slot_rows(more: &mut More) {
    let slots = placement("slots", &named(&["a"]), &[]);
    more.check("redis-cluster/slot", |key| {
        slots.explain(Key::Bytes(key)).unwrap().slot.into()
    });
    let codis = Options {
        scheme: "codis".into(),
        table: Some(vec![0; 1024]),
        ..Options::default()
    };
    let codis = Placement::new(&named(&["a"]), &codis).unwrap();
    more.check("codis/slot1024", |key| {
        codis.explain(Key::Bytes(key)).unwrap().slot.into()
    });
}

fn ruby_python_and_go_rows(more: &mut More) {
    let urls = [
        "redis://127.0.0.1:6379/0",
        "redis://127.0.0.1:6380/0",
        "redis://127.0.0.1:6381/0",
    ];
    let short = [
        "redis://127.0.0.1:6379",
        "redis://127.0.0.1:6380",
        "redis://127.0.0.1:6381",
    ];
    let rb =
        |names: &[&str], version| placement("redis-rb", &named(names), &[("version", version)]);
    more.check_owners("redis-rb<=4.8/index", &rb(&urls, "4"), &[]);
    more.check_owners("redis-rb>=5 redis-client<0.21/index", &rb(&urls, "5"), &[]);
    more.check_owners(
        "redis-rb>=5 redis-client>=0.21/index",
        &rb(&short, "5"),
        &[],
    );
    let django = placement("django-redis", &named(&urls), &[]);
    more.check_owners("django-redis/ShardClient index", &django, &[]);

    let shards = ["shard1", "shard2", "shard3"];
    let go = |version| placement("go-redis", &named(&shards), &[("version", version)]);
    more.check_owners("go-redis/v8-v9 rendezvous", &go("9"), &shards);
    more.check_owners("go-redis/v3-v7 consistenthash", &go("7"), &shards);
}

fn php_and_node_rows(more: &mut More) {
    let hosts = ["127.0.0.1:6379", "127.0.0.1:6380", "127.0.0.1:6381"];
    let heavy = weighted(&hosts, &[100.0, 200.0, 50.0], true);
    more.check_owners(
        "predis/HashRing",
        &placement("predis", &named(&hosts), &[]),
        &[],
    );
    more.check_owners(
        "predis/HashRing weighted",
        &placement("predis", &heavy, &[]),
        &[],
    );
    let ketama = placement("predis", &named(&hosts), &[("distributor", "ketama")]);
    more.check_owners("predis/KetamaRing", &ketama, &[]);
    let hashring = placement("hashring", &named(&hosts), &[]);
    more.check_owners("npm hashring (default md5)", &hashring, &[]);

    let php = |parameters: &[_]| placement("phpredis", &named(&hosts), parameters);
    more.check_owners("phpredis/default N=3", &php(&[]), &[]);
    more.check_owners("phpredis/consistent", &php(&[("consistent", "true")]), &[]);
    more.check_owners(
        "phpredis/algorithm=md5 N=3",
        &php(&[("algorithm", "md5")]),
        &[],
    );
    more.check_owners(
        "phpredis/algorithm=sha1 N=3",
        &php(&[("algorithm", "sha1")]),
        &[],
    );
}

fn twemproxy_rows(more: &mut More) {
    let servers = named(&["server1", "server2", "server3"]);
    for hash in [
        "one_at_a_time",
        "md5",
        "crc16",
        "crc32",
        "crc32a",
        "fnv1_64",
        "fnv1a_64",
        "fnv1_32",
        "fnv1a_32",
        "hsieh",
        "murmur",
        "jenkins",
    ] {
        let signed = placement("twemproxy", &servers, &[("hash", hash)]);
        more.check_owners(&format!("twemproxy/ketama/{hash}"), &signed, &[]);
        let explained = |placement: &Placement, key: &[u8]| {
            u64::try_from(placement.explain(Key::Bytes(key)).unwrap().hash).unwrap()
        };
        // server_pool_idx does not hash the empty key, so the hash function
        // itself is asked.
        let hashed = |placement: &Placement, key: &[u8]| match key {
            [] => u64::try_from(placement.key_hash().of(key)).unwrap(),
            _ => explained(placement, key),
        };
        more.check(&format!("twemproxy/hash/{hash}"), |key| {
            hashed(&signed, key).into()
        });
        let row = format!("twemproxy/hash/{hash} (unsigned char)");
        if more.rows.contains_key(&row) {
            let parameters = [("hash", hash), ("signedChar", "false")];
            let unsigned = placement("twemproxy", &servers, &parameters);
            more.check(&row, |key| hashed(&unsigned, key).into());
        }
    }
}

fn jedis_rows(more: &mut More) {
    more.check("jedis/murmur64A u64", |key| {
        Hash::Murmur64.of(key).to_string().into()
    });
    let names = ["s1", "s2", "s3"];
    for (row, version, given) in [
        ("jedis/index", "3", false),
        ("jedis/name", "3", true),
        ("jedis/name+weight", "2.9", true),
    ] {
        for hash in ["murmur", "md5"] {
            let nodes = weighted(&names, &[1.0, 2.0, 1.0], given);
            let placement = placement("jedis", &nodes, &[("version", version), ("hash", hash)]);
            let suffix = match row {
                "jedis/name" => " (>=2.10)",
                "jedis/name+weight" => " (<=2.9)",
                _ => "",
            };
            more.check_owners(&format!("{row}/{hash}{suffix}"), &placement, &names);
        }
    }
}

#[test]
fn a_row_that_a_user_published() {
    // zhihu/redis-shard#40: 0.3.6 on Python 3.8, whose tags do nothing.
    let row = &read("more.json")["extra"]["zhihu/redis-shard#40 (0.3.6, py3.8, md5, tags off)"];
    let nodes = strings(&row["nodes"]);
    let parameters = [("hash", "md5"), ("version", "0.3.6")];
    let placement = placement("redis-shard", &named(&nodes), &parameters);
    for (key, expected) in strings(&row["keys"])
        .into_iter()
        .zip(strings(&row["result"]))
    {
        let owner = placement.owner(Key::Text(key.as_bytes())).unwrap();
        assert_eq!(nodes[usize::from(owner)], expected);
    }
}

#[test]
fn twemproxy_numbers_its_servers_by_name() {
    // nutcracker 0.5.0 sorts them: shorter names first, then by bytes
    // (conf_validate_server). The same five servers in any order are the same.
    let place = |names: [&str; 5]| {
        let parameters = [("distribution", "modula"), ("hash", "crc32a")];
        let placement = placement("twemproxy", &named(&names), &parameters);
        ["foo", "bar", "baz", "qux", "user:1"].map(|key| {
            let owner = placement.owner(Key::Bytes(key.as_bytes())).unwrap();
            names[usize::from(owner)].to_owned()
        })
    };
    let sorted = place(["A", "b", "aa", "shard2", "shard10"]);
    assert_eq!(place(["shard10", "shard2", "b", "aa", "A"]), sorted);
    // crc32 of "foo" is 0x8c736521, which leaves 4: the last in that order.
    assert_eq!(sorted[0], "shard10");
}
