//! Scanning: what a reply is made of is what is found, however it is cut.

mod replies;

use proptest::prelude::*;
use replies::{Item, Outcome, cut, parse, scan, skip};
use shardis_core::{
    Code,
    resp::{Progress, Scanner, Token, Wait},
};

/// What a server sends, and what is to be found in it.
#[derive(Clone, Debug, Default)]
struct Sent {
    bytes: Vec<u8>,
    items: Vec<Item>,
}

impl Sent {
    fn line(kind: char, text: &str, item: Item) -> Self {
        Self {
            bytes: format!("{kind}{text}\r\n").into_bytes(),
            items: vec![item],
        }
    }

    fn text(kind: char, text: &str, token: u32) -> Self {
        Self::line(kind, text, Item::Text(token, text.into()))
    }

    fn string(kind: char, format: &str, content: Vec<u8>, token: u32) -> Self {
        let length = format.len() + content.len();
        let mut bytes = format!("{kind}{length}\r\n{format}").into_bytes();
        bytes.extend([&content[..], b"\r\n"].concat());
        Self {
            bytes,
            items: vec![Item::Text(token, content)],
        }
    }

    fn aggregate(kind: char, token: u32, length: usize, values: &[Self]) -> Self {
        let number = Item::Number(token, u32::try_from(length).unwrap());
        let mut sent = Self::line(kind, &length.to_string(), number);
        for value in values {
            sent.bytes.extend_from_slice(&value.bytes);
            sent.items.extend_from_slice(&value.items);
        }
        sent
    }
}

fn scalar() -> impl Strategy<Value = Sent> {
    let content = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..40),
        prop::collection::vec(any::<u8>(), 90..130),
        "[$*:\r\n0-9]{0,12}".prop_map(String::into_bytes),
    ];
    let long = "-?[1-9][0-9]{10,18}";
    prop_oneof![
        6 => content.clone().prop_map(|text| Sent::string('$', "", text, Token::STRING)),
        1 => content.clone().prop_map(|text| Sent::string('=', "txt:", text, Token::STRING)),
        1 => content.prop_map(|text| Sent::string('!', "", text, Token::ERROR)),
        2 => any::<i32>().prop_map(|number| {
            let item = Item::Number(Token::INTEGER, number.cast_unsigned());
            Sent::line(':', &number.to_string(), item)
        }),
        1 => long.prop_map(|text| Sent::text(':', &text, Token::LONG_INTEGER)),
        1 => "[+-]?[0-9]{1,60}".prop_map(|text| Sent::text('(', &text, Token::BIG_NUMBER)),
        1 => any::<f64>().prop_map(|number| {
            Sent::text(',', &number.to_string().to_lowercase(), Token::DOUBLE)
        }),
        1 => "[a-zé ]{0,20}".prop_map(|text| Sent::text('+', &text, Token::STRING)),
        1 => "[A-Z ]{0,20}".prop_map(|text| Sent::text('-', &text, Token::ERROR)),
        1 => any::<bool>().prop_map(|yes| {
            let item = Item::Number(Token::BOOLEAN, u32::from(yes));
            Sent::line('#', if yes { "t" } else { "f" }, item)
        }),
        1 => prop::sample::select(vec![('$', "-1"), ('*', "-1"), ('_', "")])
            .prop_map(|(kind, text)| Sent::line(kind, text, Item::Number(Token::NULL, 0))),
    ]
}

fn value() -> impl Strategy<Value = Sent> {
    scalar().prop_recursive(5, 40, 6, |inner| {
        let values = prop::collection::vec(inner, 0..6);
        let pairs = |values: &Vec<Sent>| values.len() / 2;
        prop_oneof![
            3 => values.clone().prop_map(|values| {
                Sent::aggregate('*', Token::ARRAY, values.len(), &values)
            }),
            1 => values.clone().prop_map(|values| {
                Sent::aggregate('~', Token::SET, values.len(), &values)
            }),
            1 => values.clone().prop_map(move |values| {
                let pairs = pairs(&values);
                Sent::aggregate('%', Token::MAP, pairs, &values[..2 * pairs])
            }),
            1 => (values, scalar()).prop_map(move |(mut values, about)| {
                let pairs = pairs(&values);
                values.truncate(2 * pairs);
                values.push(about);
                Sent::aggregate('|', Token::ATTRIBUTE, pairs, &values)
            }),
        ]
    })
}

/// Replies, and perhaps pushes before each of them.
fn stream() -> impl Strategy<Value = (Vec<u8>, Vec<Item>, u32)> {
    let push = prop::collection::vec(value(), 0..4)
        .prop_map(|values| Sent::aggregate('>', Token::ARRAY, values.len(), &values).bytes);
    let pushes = prop_oneof![4 => Just(Vec::new()), 1 => prop::collection::vec(push, 0..3)];
    prop::collection::vec((pushes, value()), 0..8).prop_map(|replies| {
        let count = u32::try_from(replies.len()).unwrap();
        let (mut bytes, mut items) = (Vec::new(), Vec::new());
        for (pushes, value) in replies {
            bytes.extend(pushes.concat());
            bytes.extend(value.bytes);
            items.extend(value.items);
        }
        (bytes, items, count)
    })
}

/// Where bytes are cut: nowhere, anywhere, everywhere.
fn places(length: usize) -> impl Strategy<Value = Vec<usize>> {
    prop_oneof![
        1 => Just(Vec::new()),
        4 => prop::collection::vec(0..=length, 0..6),
        1 => Just((0..length).collect()),
    ]
}

fn cut_stream() -> impl Strategy<Value = ((Vec<u8>, Vec<Item>, u32), Vec<usize>)> {
    stream().prop_flat_map(|stream| {
        let places = places(stream.0.len());
        (Just(stream), places)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn replies_are_found_however_they_are_cut(
        ((bytes, items, replies), places) in cut_stream(),
        room in 1_usize..20,
        most in 1_u32..5,
    ) {
        let expected = Outcome { items, replies, ..Outcome::default() };
        prop_assert_eq!(&parse(&bytes, false), &expected);
        prop_assert_eq!(scan(&cut(&bytes, places), room, most), expected);
    }

    #[test]
    fn replies_are_skipped_however_they_are_cut(
        ((bytes, _, replies), places) in cut_stream(),
        most in 1_u32..5,
    ) {
        let expected = Outcome { replies, ..Outcome::default() };
        prop_assert_eq!(skip(&cut(&bytes, places), most), expected);
    }

    #[test]
    fn what_is_changed_is_judged_as_by_a_plain_parser(
        ((mut bytes, _, _), places) in cut_stream(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3), 1..4),
        room in 1_usize..20,
        most in 1_u32..5,
    ) {
        for (place, byte, change) in changes {
            let place = place.index(bytes.len() + 1);
            match change {
                0 => bytes.insert(place, byte),
                1 => bytes.truncate(place),
                _ => bytes.iter_mut().skip(place).take(1).for_each(|old| *old = byte),
            }
        }
        let places: Vec<_> = places.into_iter().filter(|place| *place <= bytes.len()).collect();
        prop_assert_eq!(scan(&cut(&bytes, places.clone()), room, most), parse(&bytes, false));
        let Outcome { items: _, replies, inside, refused } = parse(&bytes, true);
        let expected = Outcome { items: Vec::new(), replies, inside, refused };
        prop_assert_eq!(skip(&cut(&bytes, places), most), expected);
    }
}

/// Scans bytes from their beginning.
fn scan_once(bytes: &[u8], most: u32) -> (Vec<[u32; 3]>, Progress) {
    let mut tokens = vec![[0; 3]; 16];
    let mut progress = Progress::default();
    Scanner::new()
        .scan(bytes, 0, most, &mut tokens, &mut progress)
        .unwrap();
    tokens.truncate(progress.tokens);
    (tokens, progress)
}

/// Why bytes are refused: by a scan, and in chunks of one byte by a skip.
fn refusal(bytes: &[u8]) -> String {
    let mut tokens = [[0; 3]; 200];
    let mut progress = Progress::default();
    let result = Scanner::new().scan(bytes, 0, 9, &mut tokens, &mut progress);
    let mut scanner = Scanner::new();
    let skipped = bytes
        .iter()
        .try_for_each(|byte| scanner.skip(&[*byte], 0, 9, &mut progress));
    assert!(skipped.is_err() || bytes.starts_with(b"="));
    let error = result.unwrap_err();
    assert_eq!(error.code(), Code::Protocol);
    error.to_string()
}

#[test]
fn tokens_tell_where_values_lie() {
    let (tokens, progress) = scan_once(b"*3\r\n$3\r\nfoo\r\n:-2\r\n$-1\r\n=6\r\ntxt:ab\r\n", 9);
    let integer = [Token::INTEGER, (-2_i32).cast_unsigned(), 0];
    let expected = [
        [Token::ARRAY, 3, 0],
        [Token::STRING, 8, 11],
        integer,
        [Token::NULL, 0, 0],
        [Token::STRING, 31, 33],
    ];
    assert_eq!(tokens, expected);
    assert_eq!((progress.consumed, progress.replies), (35, 2));
}

#[test]
fn a_scan_stops_where_it_was_asked_to() {
    let (tokens, progress) = scan_once(b"+a\r\n+b\r\n+c\r\n", 2);
    assert_eq!((tokens.len(), progress.replies), (2, 2));
    assert_eq!((progress.consumed, progress.wait), (8, Wait::Nothing));
    let (tokens, progress) = scan_once(b"+a\r\n", 0);
    assert_eq!((tokens.len(), progress), (0, Progress::default()));
}

#[test]
fn a_scan_tells_what_it_waits_for() {
    for (bytes, consumed, wait, inside) in [
        (&b"+a\r\n$5\r\nab"[..], 4, Wait::Bytes(11), false),
        (b"*2\r\n$12\r\n", 4, Wait::Bytes(19), true),
        (b"*2\r\n$1", 4, Wait::Line(64), true),
        (b"+OK", 0, Wait::Line(1 << 20), false),
        (b":1\r\n>2\r\n", 4, Wait::Push, false),
        (b"|1\r\n+a\r\n+b\r\n", 12, Wait::Nothing, true),
        (b"", 0, Wait::Nothing, false),
    ] {
        let (_, progress) = scan_once(bytes, 9);
        let found = (progress.consumed, progress.wait, progress.inside);
        assert_eq!(found, (consumed, wait, inside), "{}", bytes.escape_ascii());
    }
}

#[test]
fn a_push_behind_the_last_reply_is_left_alone() {
    let mut progress = Progress::default();
    let bytes = b">1\r\n+x\r\n+a\r\n>1\r\n+y\r\n>0\r\n+b\r\n";
    let mut scanner = Scanner::new();
    scanner.skip(bytes, 0, 1, &mut progress).unwrap();
    assert_eq!((progress.consumed, progress.replies), (12, 1));
    scanner.skip(bytes, 12, 0, &mut progress).unwrap();
    assert_eq!((progress.consumed, progress.replies), (24, 0));
    scanner.skip(bytes, 24, 0, &mut progress).unwrap();
    assert_eq!((progress.consumed, progress.replies), (24, 0));
    // A push that is not complete is gone on with, whatever is asked for.
    scanner.skip(b">1\r\n$", 0, 0, &mut progress).unwrap();
    assert_eq!((progress.consumed, progress.inside), (5, true));
    scanner
        .skip(b"1\r\na\r\n+b\r\n+c\r\n", 0, 1, &mut progress)
        .unwrap();
    assert_eq!(
        (progress.consumed, progress.replies, progress.inside),
        (10, 1, false)
    );
}

#[test]
fn limits_are_what_they_are() {
    let deep = |depth| [b"*1\r\n".repeat(depth), b":1\r\n".to_vec()].concat();
    let long = |length: usize| format!("+{}\r\n", "x".repeat(length - 3)).into_bytes();
    assert_eq!(scan(&[&deep(128)], 99, 1).replies, 1);
    assert_eq!(scan(&[&long(1 << 20)], 99, 1).replies, 1);
    let (tokens, _) = scan_once(b"*2147483647\r\n%1073741823\r\n|1073741823\r\n", 1);
    assert_eq!(tokens.len(), 3);
    let (_, progress) = scan_once(b"$536870912\r\n", 1);
    assert_eq!(progress.wait, Wait::Bytes(536_870_912 + 14));
    for (bytes, reason) in [
        (&deep(129)[..], "too deep"),
        (&long((1 << 20) + 1), "too long"),
        (&b"9".repeat(70), "no type"),
        (&[&b":"[..], &b"9".repeat(70)].concat(), "too long"),
        (b"$536870913\r\n", "beyond all limits"),
        (b"*2147483648\r\n", "beyond all limits"),
        (b"%1073741824\r\n", "beyond all limits"),
        (b"|1073741824\r\n", "beyond all limits"),
        (b"*99999999999999999999\r\n", "beyond all limits"),
    ] {
        let message = refusal(bytes);
        assert!(message.contains(reason), "{message}");
    }
}

#[test]
fn a_refusal_says_what_was_found() {
    for (bytes, message) in [
        (
            &b"+OK\r\nHTTP/1.1 400 Bad Request\r\n"[..],
            "the server's reply cannot be read from \"HTTP/1.1 400 Bad Request…\" on: \
             no type of value begins so",
        ),
        (
            b"$3\r\nfoobar",
            "\"$3\\r\\nfoobar\" on: the string does not end",
        ),
        (b"*?\r\n", "streamed"),
        (b"$?\r\n", "streamed"),
        (b"$-2\r\n", "a length is digits"),
        (b"$+1\r\n", "a length is digits"),
        (b"$:\r\n0123456789\r\n", "a length is digits"),
        (b"$1/\r\n012345678\r\n", "a length is digits"),
        (b"$\r\n", "a length is digits"),
        (b"~-1\r\n", "a length is digits"),
        (b"*1\r\n>0\r\n", "a push cannot be"),
        (b"|0\r\n>0\r\n", "a push cannot be"),
        (b"=3\r\ntxt\r\n", "a verbatim string begins"),
        (b"=5\r\ntexts\r\n", "a verbatim string begins"),
        (b":\r\n", "an integer is digits"),
        (b":+-1\r\n", "an integer is digits"),
        (b":1 \r\n", "an integer is digits"),
        (b",1.5.2\r\n", "a double has"),
        (b",.\r\n", "a double has"),
        (b",Infinity\r\n", "a double has"),
        (b"(1.5\r\n", "an integer is digits"),
        (b"#1\r\n", "t or f"),
        (b"_x\r\n", "no content"),
        (b"+a\nb\r\n", "line feed"),
        (b"+a\rb\r\n", "carriage return"),
    ] {
        let refused = refusal(bytes);
        assert!(refused.contains(message), "{refused}");
    }
}

#[test]
fn after_an_error_nothing_is_read_any_more() {
    let mut scanner = Scanner::new();
    let mut progress = Progress::default();
    let mut tokens = [[0; 3]; 4];
    let bytes = b"+a\r\n:2\r\n+b\r+\r\n";
    scanner
        .scan(bytes, 0, 9, &mut tokens, &mut progress)
        .unwrap_err();
    assert_eq!(
        (progress.consumed, progress.tokens, progress.replies),
        (8, 2, 2)
    );
    let error = scanner
        .scan(b"+a\r\n", 0, 9, &mut tokens, &mut progress)
        .unwrap_err();
    assert_eq!(error.code(), Code::Protocol);
    let error = scanner.skip(b"+a\r\n", 0, 9, &mut progress).unwrap_err();
    assert_eq!(error.code(), Code::Protocol);
}

#[test]
fn a_call_that_makes_no_sense_is_refused() {
    let mut progress = Progress::default();
    let mut tokens = [[0; 3]; 4];
    let code = |result: shardis_core::Result<()>| result.unwrap_err().code();
    let begun = |scan| {
        let (mut scanner, mut progress) = (Scanner::new(), Progress::default());
        if scan {
            scanner.scan(b"*2\r\n", 0, 1, &mut [[0; 3]; 4], &mut progress)
        } else {
            scanner.skip(b"*2\r\n", 0, 1, &mut progress)
        }
        .unwrap();
        scanner
    };
    let skipped = begun(true).skip(b"+a\r\n", 0, 1, &mut progress);
    assert_eq!(code(skipped), Code::Internal);
    let scanned = begun(false).scan(b"+a\r\n", 0, 1, &mut tokens, &mut progress);
    assert_eq!(code(scanned), Code::Internal);
    let skipped = begun(false).skip(b"+a\r\n", 0, 0, &mut progress);
    assert_eq!(code(skipped), Code::Internal);
    let scanned = Scanner::new().scan(b"+a\r\n", 5, 1, &mut tokens, &mut progress);
    assert_eq!(code(scanned), Code::Internal);
}

#[test]
fn work_and_memory_grow_with_the_bytes_however_they_are_cut() {
    // Each of these would take minutes if it were looked at again for each byte.
    let long = 1_000_000;
    for bytes in [
        format!("+{}\r\n", "x".repeat(long)).into_bytes(),
        format!("${long}\r\n{}\r\n", "x".repeat(long)).into_bytes(),
        [format!("*{long}\r\n").into_bytes(), b":1\r\n".repeat(long)].concat(),
    ] {
        let chunks: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(skip(&chunks, 1).replies, 1);
        assert_eq!(scan(&chunks, 100, 1).replies, 1);
    }
}
