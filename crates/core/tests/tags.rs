//! Hash tags: what each rule makes of the same keys, and each rule against the
//! regular expression or the loop of the system that it comes from.

use proptest::prelude::*;
use regex::bytes::Regex;
use shardis_core::tag::{TagRule, Tagged};

const BRACES: TagRule = TagRule::Pair(b'{', b'}');

fn hashed(rule: TagRule, key: &str) -> String {
    String::from_utf8(rule.apply(key.as_bytes()).hashed.to_vec()).unwrap()
}

#[test]
fn each_rule_has_its_own_idea_of_a_tag() {
    let keys = ["{}x", "a{b}c", "{a}{b}", "{{a}}", "x{a", "a{b}c}d", "x}a{"];
    for (rule, expected) in [
        (
            TagRule::None,
            ["{}x", "a{b}c", "{a}{b}", "{{a}}", "x{a", "a{b}c}d", "x}a{"],
        ),
        (BRACES, ["{}x", "b", "a", "{a", "x{a", "b", "x}a{"]),
        (
            TagRule::PairOrEmpty,
            ["", "b", "a", "{a", "x{a", "b", "x}a{"],
        ),
        (TagRule::PhpRedis, ["", "b", "a", "{a", "x{a", "b", "x}a{"]),
        (TagRule::Greedy, ["", "b", "b", "a}", "x{a", "b}c", "x}a{"]),
        (
            TagRule::LineStart,
            ["{}x", "a{b}c", "a", "{a", "x{a", "a{b}c}d", "x}a{"],
        ),
        (
            TagRule::Shortest,
            ["{}x", "b", "a", "{a", "x{a", "b", "x}a{"],
        ),
    ] {
        assert_eq!(keys.map(|key| hashed(rule, key)), expected, "{rule:?}");
    }
}

#[test]
fn rediscluster_cuts_the_tag_off_what_it_stores() {
    let keys = ["{}x", "a{b}c", "{a}{b}", "{{a}}", "x{a", "a{b}c}d", "x}a{"];
    for (rule, expected) in [
        (
            TagRule::CutFirst,
            [
                ("}", ""),
                ("b}", "a"),
                ("a}{b", ""),
                ("{a}", ""),
                ("", "x"),
                ("b}c}", "a"),
                ("", "x}a"),
            ],
        ),
        (
            TagRule::CutLast,
            [
                ("{}x", "{}x"),
                ("b}", "a"),
                ("b", "{a}"),
                ("a}", "{"),
                ("", "x"),
                ("b}c}", "a"),
                ("", "x}a"),
            ],
        ),
    ] {
        for (key, (hashed, stored)) in keys.iter().zip(expected) {
            let tagged = rule.apply(key.as_bytes());
            assert_eq!(
                (tagged.hashed, tagged.stored),
                (hashed.as_bytes(), stored.as_bytes()),
                "{key}"
            );
        }
    }
}

#[test]
fn on_python_3_the_last_character_is_dropped_and_not_the_last_byte() {
    let tagged = TagRule::CutFirstOfText.apply("k{tag📺".as_bytes());
    assert_eq!((tagged.hashed, tagged.stored), (&b"tag"[..], &b"k"[..]));
}

#[test]
fn a_nul_ends_the_search_in_c() {
    assert_eq!(TagRule::PhpRedis.apply(b"a\0{b}").hashed, b"a\0{b}");
    assert_eq!(TagRule::PairOrEmpty.apply(b"a\0{b}").hashed, b"b");
}

/// Keys made of what matters to some rule.
fn key() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        5 => Just(&b"{"[..]),
        5 => Just(&b"}"[..]),
        4 => Just(&b"a"[..]),
        1 => Just(&b"bc"[..]),
        1 => Just(&b"\n"[..]),
        1 => Just(&b"\r"[..]),
        1 => Just(&b"\0"[..]),
        1 => Just("é".as_bytes()),
        1 => Just("\u{85}".as_bytes()),
        1 => Just("\u{2028}".as_bytes()),
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

fn captured<'key>(pattern: &str, key: &'key [u8]) -> &'key [u8] {
    let regex = Regex::new(pattern).unwrap();
    regex
        .captures(key)
        .and_then(|captures| captures.get(1))
        .map_or(key, |tag| tag.as_bytes())
}

/// What Redis Cluster's specification says, word for word.
fn cluster(key: &[u8]) -> &[u8] {
    let Some(open) = key.iter().position(|byte| *byte == b'{') else {
        return key;
    };
    match key[open + 1..].iter().position(|byte| *byte == b'}') {
        None | Some(0) => key,
        Some(end) => &key[open + 1..open + 1 + end],
    }
}

proptest! {
    #[test]
    fn pair_is_the_rule_of_the_specification(key in key()) {
        prop_assert_eq!(BRACES.apply(&key).hashed, cluster(&key));
    }

    #[test]
    fn greedy_is_pythons_pattern(key in key()) {
        // Python's dot matches all but a newline, and match() begins at the start.
        prop_assert_eq!(TagRule::Greedy.apply(&key).hashed, captured(r"(?-u)\A[^\n]*\{([^\n]*)\}", &key));
        prop_assert_eq!(
            TagRule::GreedyAfterOne.apply(&key).hashed,
            captured(r"(?-u)\A[^\n]+\{([^\n]*)\}", &key)
        );
    }

    #[test]
    fn line_start_is_rubys_pattern(key in key()) {
        prop_assert_eq!(TagRule::LineStart.apply(&key).hashed, captured(r"(?m-u)^\{([^\n]+?)\}", &key));
    }

    #[test]
    fn shortest_is_javas_pattern(key in key()) {
        let pattern = "\\{([^\\n\\r\u{85}\u{2028}\u{2029}]+?)\\}";
        prop_assert_eq!(TagRule::Shortest.apply(&key).hashed, captured(pattern, &key));
    }

    #[test]
    fn what_is_found_is_part_of_the_key_and_never_panics(key: Vec<u8>, open: u8, close: u8) {
        for rule in [
            TagRule::None,
            TagRule::Pair(open, close),
            TagRule::PairOrEmpty,
            TagRule::PhpRedis,
            TagRule::Greedy,
            TagRule::GreedyAfterOne,
            TagRule::LineStart,
            TagRule::Shortest,
            TagRule::CutFirst,
            TagRule::CutFirstOfText,
            TagRule::CutLast,
        ] {
            let Tagged { hashed, stored, found } = rule.apply(&key);
            prop_assert!(key.starts_with(stored));
            prop_assert!(hashed.is_empty() || key.windows(hashed.len()).any(|part| part == hashed));
            prop_assert!(found || (hashed == key && stored == key));
            prop_assert!(rule.rewrites_keys() || stored == key);
        }
    }
}
