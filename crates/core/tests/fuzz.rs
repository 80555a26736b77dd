//! Whatever bytes come, the scanner and the encoder do what naive ones do.
//!
//! `FUZZ_CASES` says how many cases are tried, and `FUZZ_SEED` where they begin;
//! the seed of a case that fails is printed, so that it can be tried alone:
//!
//! ```sh
//! FUZZ_CASES=10000000 cargo test --release -p shardis-core --test fuzz
//! FUZZ_SEED=1234 FUZZ_CASES=1 cargo test -p shardis-core --test fuzz
//! ```

mod batches;
mod replies;

use std::{
    env,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
};

use batches::{Arguments, Owners, encode, owners, pack, placement, write};
use replies::{Outcome, cut, parse, scan, skip};
use shardis_core::{
    Code, Error, Keys, Kind, Placement,
    place::Owner,
    resp::{Batch, Output, Shape},
};

/// Random numbers: splitmix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`.
    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).unwrap()
    }

    /// A number below a number below `end`: mostly small ones.
    fn small(&mut self, end: usize) -> usize {
        let below = self.below(end) + 1;
        self.below(below)
    }

    fn pick<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.below(choices.len())]
    }

    fn byte(&mut self) -> u8 {
        self.next().to_le_bytes()[0]
    }

    fn bytes(&mut self, most: usize) -> Vec<u8> {
        (0..self.small(most + 1)).map(|_| self.byte()).collect()
    }
}

fn number_of(name: &str, default: u64) -> u64 {
    let given = env::var(name).ok();
    given.map_or(default, |given| given.parse().expect("it is a number"))
}

/// Tries as many cases as are asked for.
fn fuzz(case: impl Fn(&mut Random)) {
    let cases = number_of("FUZZ_CASES", 10_000);
    let first = number_of("FUZZ_SEED", 0);
    for seed in first..first + cases {
        let tried = catch_unwind(AssertUnwindSafe(|| case(&mut Random(seed))));
        if let Err(panic) = tried {
            eprintln!("FUZZ_SEED={seed} FUZZ_CASES=1 tries this case again");
            resume_unwind(panic);
        }
    }
}

/// A value as a server would send it, or with a lie in it now and then.
fn write_value(random: &mut Random, depth: usize, bytes: &mut Vec<u8>) {
    let texts = [
        "",
        "OK",
        "ERR no",
        "nan",
        "-inf",
        "1.5e10",
        "12345678901",
        "t",
        "f",
    ];
    match random.below(if depth < 6 { 12 } else { 8 }) {
        0..4 => {
            let kind = *random.pick(&['$', '$', '$', '!']);
            let content = random.bytes(150);
            bytes.extend(format!("{kind}{}\r\n", content.len()).bytes());
            bytes.extend(content);
            bytes.extend(b"\r\n");
        }
        4 => bytes
            .extend(format!(":{}\r\n", random.next().cast_signed() >> random.below(64)).bytes()),
        5 => bytes.extend(b"=6\r\ntxt:ab\r\n"),
        6 => bytes.extend(
            random
                .pick(&["$-1\r\n", "*-1\r\n", "_\r\n", "#t\r\n", "$0\r\n\r\n"])
                .bytes(),
        ),
        7 => {
            let kind = *random.pick(b"+-,(:#_");
            bytes.push(kind);
            bytes.extend(random.pick(&texts).bytes());
            bytes.extend(b"\r\n");
        }
        aggregate => {
            let count = random.small(6);
            let (kind, values) = [
                ('*', count),
                ('~', count),
                ('%', 2 * count),
                ('|', 2 * count + 1),
            ][aggregate - 8];
            bytes.extend(format!("{kind}{count}\r\n").bytes());
            for _ in 0..values {
                write_value(random, depth + 1, bytes);
            }
        }
    }
}

/// Replies and pushes, or less and less like them.
fn stream(random: &mut Random) -> Vec<u8> {
    let mut bytes = Vec::new();
    match random.below(8) {
        0 => bytes = random.bytes(200),
        1 => {
            let alphabet = b"$*:+-_,#(=!~%|>0123456789-?\r\n\r\n\r\n\r\ntfe.ab";
            bytes.extend((0..random.small(200)).map(|_| *random.pick(alphabet)));
        }
        2 => {
            // Lines that may be headers, with what they claim or without.
            for _ in 0..random.small(20) {
                let kind = char::from(*random.pick(b"$*:(=!~%|>,+"));
                let number = *random.pick(&[0, 1, 2, 3, 4, 9, 200, 5_000_000, 1 << 30, 1 << 31]);
                bytes.extend(format!("{kind}{number}\r\n").bytes());
                bytes.extend(random.bytes(5));
            }
        }
        _ => {
            for _ in 0..random.small(10) {
                if random.below(8) == 0 {
                    let count = random.small(4);
                    bytes.extend(format!(">{count}\r\n").bytes());
                    (0..count).for_each(|_| write_value(random, 1, &mut bytes));
                }
                write_value(random, 0, &mut bytes);
            }
        }
    }
    for _ in 0..random.small(4) {
        let place = random.below(bytes.len() + 1);
        match random.below(4) {
            0 => bytes.insert(place, *random.pick(b"\r\n$*1-:>")),
            1 => bytes.truncate(place),
            2 => drop(bytes.drain(place..(place + random.small(9)).min(bytes.len()))),
            _ => bytes
                .iter_mut()
                .skip(place)
                .take(1)
                .for_each(|byte| *byte = random.byte()),
        }
    }
    bytes
}

#[test]
fn replies_are_what_a_plain_parser_finds() {
    fuzz(|random| {
        let bytes = stream(random);
        let places = match random.below(4) {
            0 => Vec::new(),
            1 => (0..bytes.len()).collect(),
            _ => (0..random.small(9))
                .map(|_| random.below(bytes.len() + 1))
                .collect(),
        };
        let chunks = cut(&bytes, places);
        let (room, most) = (
            1 + random.small(20),
            u32::try_from(1 + random.small(5)).unwrap(),
        );
        assert_eq!(scan(&chunks, room, most), parse(&bytes, false));
        let expected = Outcome {
            items: Vec::new(),
            ..parse(&bytes, true)
        };
        assert_eq!(skip(&chunks, most), expected);
    });
}

/// Arguments for keys, of which all have as many, unless they are commands.
fn arguments(random: &mut Random, width: Option<usize>) -> Vec<Arguments> {
    let argument = |random: &mut Random| match random.below(20) {
        0 => vec![b'x'; *random.pick(&[99, 100, 999, 1000, 1001, 10_000])],
        1..5 => b"a{b}c"[..random.below(6)].to_vec(),
        _ => random.bytes(30),
    };
    (0..random.small(150))
        .map(|_| {
            let width = width.unwrap_or_else(|| 2 + random.small(4));
            (0..width).map(|_| argument(random)).collect()
        })
        .collect()
}

#[test]
fn batches_are_what_a_plain_writer_writes() {
    let schemes = ["modulo", "slots", "redis-shard", "redis-rb"];
    let placements = schemes.map(|scheme| placement(scheme, 3));
    fuzz(|random| {
        let width = *random.pick(&[None, Some(1), Some(2)]);
        let arguments = arguments(random, width);
        let (bytes, ends) = pack(&arguments);
        let keys = Keys::packed(&bytes, &ends).unwrap();
        let lengths: Vec<u32> = arguments
            .iter()
            .map(|arguments| u32::try_from(arguments.len()).unwrap())
            .collect();
        let name = width.map(|_| *random.pick(&["get", "mset", "a-very-long-command-name"]));
        let shape = match (name, width) {
            (Some(name), Some(width)) => Shape::Keys { name, width },
            _ => Shape::Commands(&lengths),
        };
        let room = bytes.len() + 16 * (ends.len() + 3) + 32 * (lengths.len() + 3) + 30;
        let placed: &Placement = random.pick(&placements);
        let kind = *random.pick(&[Kind::Text, Kind::Bytes]);
        let key = usize::from(width.is_none());
        let (owners, nodes) = if random.below(2) == 0 {
            let nodes = 1 + Owner::try_from(random.small(300)).unwrap();
            let owner = |_: &Arguments| Owner::try_from(random.below(usize::from(nodes))).unwrap();
            let owners: Vec<Owner> = arguments.iter().map(owner).collect();
            let written = encode(shape, keys, &Owners::Known(&owners), nodes, room);
            assert_eq!(written.unwrap(), write(name, &arguments, &owners, nodes));
            (owners, nodes)
        } else {
            let owners = owners(placed, kind, arguments.iter().map(|all| &all[key])).unwrap();
            let written = encode(shape, keys, &Owners::Placed(placed, kind), 3, room);
            assert_eq!(written.unwrap(), write(name, &arguments, &owners, 3));
            (owners, 3)
        };
        let exact = write(name, &arguments, &owners, nodes).bytes.len();
        if exact > 0 {
            let less = random.below(exact);
            let written = encode(shape, keys, &Owners::Known(&owners), nodes, less);
            assert_eq!(written.unwrap_err().code(), Code::Internal);
        }
    });
}

#[test]
fn batches_that_make_no_sense_are_refused() {
    let placement = placement("slots", 3);
    let numbers = |random: &mut Random, most: usize| -> Vec<u32> {
        let number = |random: &mut Random| match random.below(20) {
            0 => u32::MAX,
            _ => u32::try_from(random.small(most)).unwrap(),
        };
        (0..random.small(12)).map(|_| number(random)).collect()
    };
    fuzz(|random| {
        let bytes = random.bytes(60);
        let mut ends = numbers(random, 40);
        if random.below(4) > 0 {
            ends.sort_unstable();
            ends.push(u32::try_from(bytes.len()).unwrap());
        }
        let lengths = numbers(random, 6);
        let width = random.small(4);
        let shape = match random.below(2) {
            0 => Shape::Commands(&lengths),
            _ => Shape::Keys { name: "get", width },
        };
        let owners: Vec<Owner> = numbers(random, 4)
            .into_iter()
            .map(|owner| owner.to_le_bytes()[0].into())
            .collect();
        let (mut order, mut nodes) = (vec![0; random.small(12)], vec![[0; 2]; random.small(5)]);
        let mut out = vec![0; random.small(400)];
        let mut output = Output {
            order: &mut order,
            nodes: &mut nodes,
            bytes: &mut out,
        };
        let mut tried = || -> Result<(), Error> {
            let ends = Keys::utf8_ends(&bytes, &ends).unwrap_or(ends.as_slice().into());
            let batch = Batch::new(shape, Keys::packed(&bytes, &ends)?)?;
            let placed = batch.encode(&placement, Kind::Bytes, &mut output);
            batch.encode_for(&owners, &mut output).or(placed)
        };
        if let Err(error) = tried() {
            assert!(matches!(error.code(), Code::Internal | Code::BadOffsets));
        }
    });
}
