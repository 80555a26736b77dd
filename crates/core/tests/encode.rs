//! Encoding: what goes to each node is what would be written one by one.

mod batches;

use batches::{Arguments, Owners, encode, owners, pack, placement, write};
use proptest::prelude::*;
use shardis_core::{Code, Keys, Kind, place::Owner, resp::Shape};

const NODES: Owner = 5;

fn argument() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        8 => prop::collection::vec(any::<u8>(), 0..30),
        4 => "[a-z{}:]{0,20}".prop_map(String::into_bytes),
        // Where the length gets one more digit.
        2 => prop::sample::select(vec![9, 10, 99, 100, 999, 1000, 9999, 10000])
            .prop_flat_map(|length| prop::collection::vec(any::<u8>(), length)),
    ]
}

/// The arguments of commands, or of keys, and an owner of each.
fn batch(width: std::ops::Range<usize>) -> impl Strategy<Value = (Vec<Arguments>, Vec<Owner>)> {
    let key = (prop::collection::vec(argument(), width), 0..NODES);
    prop::collection::vec(key, 0..150).prop_map(|keys| keys.into_iter().unzip())
}

fn lengths(commands: &[Arguments]) -> Vec<u32> {
    let length = |command: &Arguments| u32::try_from(command.len()).unwrap();
    commands.iter().map(length).collect()
}

/// As much as the JavaScript side gives room for.
fn room(arguments: &[Arguments], name: &str) -> usize {
    let (bytes, ends) = pack(arguments);
    bytes.len() + 16 * (ends.len() + 1) + 32 * (arguments.len() + usize::from(NODES)) + name.len()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn commands_go_to_the_owners_of_their_keys((commands, known) in batch(2..5)) {
        let (bytes, ends) = pack(&commands);
        let lengths = lengths(&commands);
        let (shape, arguments) = (Shape::Commands(&lengths), Keys::packed(&bytes, &ends).unwrap());
        let room = room(&commands, "");
        let expected = write(None, &commands, &known, NODES);
        let written = encode(shape, arguments, &Owners::Known(&known), NODES, room).unwrap();
        prop_assert_eq!(written, expected);
        for scheme in ["modulo", "slots", "redis-shard"] {
            let placement = placement(scheme, NODES);
            for kind in [Kind::Text, Kind::Bytes] {
                let keys = commands.iter().map(|command| &command[1]);
                let expected = owners(&placement, kind, keys).unwrap();
                let expected = write(None, &commands, &expected, NODES);
                let owners = Owners::Placed(&placement, kind);
                let written = encode(shape, arguments, &owners, NODES, room).unwrap();
                prop_assert_eq!(written, expected);
            }
        }
    }

    #[test]
    fn each_node_gets_one_command_with_its_keys((keys, known) in batch(2..3), width in 1_usize..3) {
        let keys: Vec<Arguments> = keys.into_iter().map(|key| key[..width].to_vec()).collect();
        let (bytes, ends) = pack(&keys);
        let (name, arguments) = ("mset", Keys::packed(&bytes, &ends).unwrap());
        let (shape, room) = (Shape::Keys { name, width }, room(&keys, name));
        let expected = write(Some(name), &keys, &known, NODES);
        let written = encode(shape, arguments, &Owners::Known(&known), NODES, room).unwrap();
        prop_assert_eq!(written, expected);
        let placement = placement("slots", NODES);
        let expected = owners(&placement, Kind::Text, keys.iter().map(|key| &key[0])).unwrap();
        let expected = write(Some(name), &keys, &expected, NODES);
        let placed = Owners::Placed(&placement, Kind::Text);
        let written = encode(shape, arguments, &placed, NODES, room).unwrap();
        prop_assert_eq!(written, expected);
    }

    #[test]
    fn one_byte_too_little_is_too_little((commands, owners) in batch(2..4)) {
        let (bytes, ends) = pack(&commands);
        let lengths = lengths(&commands);
        let (shape, arguments) = (Shape::Commands(&lengths), Keys::packed(&bytes, &ends).unwrap());
        let exact = write(None, &commands, &owners, NODES).bytes.len();
        let owners = Owners::Known(&owners);
        prop_assert!(encode(shape, arguments, &owners, NODES, exact).is_ok());
        if let Some(less) = exact.checked_sub(1) {
            let error = encode(shape, arguments, &owners, NODES, less).unwrap_err();
            prop_assert_eq!(error.code(), Code::Internal);
        }
    }
}

#[test]
fn counts_have_as_many_digits_as_they_need() {
    for count in [1, 8, 9, 98, 99, 998, 999, 9998, 9999] {
        let keys = vec![vec![b"key".to_vec()]; count];
        let (bytes, ends) = pack(&keys);
        let (name, width, owners) = ("del", 1, vec![1; count]);
        let (shape, arguments) = (Shape::Keys { name, width }, Keys::packed(&bytes, &ends));
        let expected = write(Some(name), &keys, &owners, 3);
        let room = expected.bytes.len();
        let written = encode(shape, arguments.unwrap(), &Owners::Known(&owners), 3, room);
        assert_eq!(written.unwrap(), expected, "{count}");
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let arguments = Keys::packed(b"getfoogetbar", &[3, 6, 9, 12]).unwrap();
    let keys = |width| Shape::Keys {
        name: "mget",
        width,
    };
    for (shape, known) in [
        (Shape::Commands(&[2, 3]), &[0, 0][..]),
        (Shape::Commands(&[3, 1]), &[0, 0]),
        (Shape::Commands(&[4, 0]), &[0, 0]),
        (Shape::Commands(&[2]), &[0]),
        (Shape::Commands(&[u32::MAX, 5]), &[0, 0]),
        (Shape::Commands(&[2, 2]), &[0]),
        (Shape::Commands(&[2, 2]), &[0, 0, 0]),
        (Shape::Commands(&[2, 2]), &[0, NODES]),
        (keys(0), &[0]),
        (keys(3), &[0]),
        (keys(2), &[0, 0, 0]),
        (keys(1), &[0, 0, 0, Owner::MAX]),
    ] {
        let error = encode(shape, arguments, &Owners::Known(known), NODES, 1000).unwrap_err();
        assert_eq!(error.code(), Code::Internal, "{shape:?} {known:?}");
    }
}

#[test]
fn keys_are_not_written_under_names_that_the_scheme_would_change() {
    let placement = placement("rediscluster", 2);
    let arguments = Keys::packed(b"getfoo{a}", &[3, 9]).unwrap();
    let owners = Owners::Placed(&placement, Kind::Text);
    let error = encode(Shape::Commands(&[2]), arguments, &owners, 2, 1000).unwrap_err();
    assert_eq!(error.code(), Code::Internal);
}
