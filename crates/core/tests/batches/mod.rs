//! What the tests of the encoder share: batches, and a naive way to write them.
#![allow(dead_code, reason = "each test uses its part")]

use shardis_core::{
    Error, Key, Keys, Kind, Options, Placement,
    place::{Node, Owner},
    resp::{Batch, Output, Shape},
};

/// The arguments that belong to one key.
pub type Arguments = Vec<Vec<u8>>;

/// Arguments as they come from JavaScript: all bytes, and where each ends.
pub fn pack(arguments: &[Arguments]) -> (Vec<u8>, Vec<u32>) {
    let arguments = arguments.concat();
    let ends = arguments.iter().scan(0, |end, argument| {
        *end += u32::try_from(argument.len()).unwrap();
        Some(*end)
    });
    (arguments.concat(), ends.collect())
}

/// What has been written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Written {
    pub order: Vec<u32>,
    pub nodes: Vec<[u32; 2]>,
    pub bytes: Vec<u8>,
}

/// Commands, or the keys of one of this name, written one by one.
pub fn write(
    name: Option<&str>,
    arguments: &[Arguments],
    owners: &[Owner],
    nodes: Owner,
) -> Written {
    let mut written = Written::default();
    for node in 0..nodes {
        let mine: Vec<usize> = (0..owners.len())
            .filter(|position| owners[*position] == node)
            .collect();
        let theirs = || mine.iter().map(|position| &arguments[*position]);
        match name {
            None => theirs().for_each(|command| write_command(command, &mut written.bytes)),
            Some(_) if mine.is_empty() => {}
            Some(name) => {
                let name = vec![name.as_bytes().to_vec()];
                let all: Vec<_> = std::iter::once(&name).chain(theirs()).flatten().collect();
                write_command(&all.into_iter().cloned().collect(), &mut written.bytes);
            }
        }
        let number = |number: usize| u32::try_from(number).unwrap();
        written
            .nodes
            .push([number(mine.len()), number(written.bytes.len())]);
        written.order.extend(mine.into_iter().map(number));
    }
    written
}

fn write_command(arguments: &Arguments, bytes: &mut Vec<u8>) {
    bytes.extend(format!("*{}\r\n", arguments.len()).bytes());
    for argument in arguments {
        bytes.extend(format!("${}\r\n", argument.len()).bytes());
        bytes.extend([argument, &b"\r\n"[..]].concat());
    }
}

/// Who places keys.
pub enum Owners<'a> {
    Known(&'a [Owner]),
    Placed(&'a Placement, Kind),
}

/// The same by the encoder, into so many bytes: fails if it writes where it
/// should not.
pub fn encode(
    shape: Shape<'_>,
    keys: Keys<'_>,
    owners: &Owners<'_>,
    nodes: Owner,
    room: usize,
) -> Result<Written, Error> {
    const UNTOUCHED: u8 = 0xAA;
    let batch = Batch::new(shape, keys)?;
    let mut written = Written {
        order: vec![u32::MAX; batch.positions()],
        nodes: vec![[u32::MAX; 2]; usize::from(nodes)],
        bytes: vec![UNTOUCHED; room],
    };
    let mut output = Output {
        order: &mut written.order,
        nodes: &mut written.nodes,
        bytes: &mut written.bytes,
    };
    let result = match owners {
        Owners::Known(owners) => batch.encode_for(owners, &mut output),
        Owners::Placed(placement, kind) => batch.encode(placement, *kind, &mut output),
    };
    if let Err(error) = result {
        assert!(written.bytes.iter().all(|byte| *byte == UNTOUCHED));
        assert!(written.order.iter().all(|position| *position == u32::MAX));
        assert!(written.nodes.iter().all(|node| *node == [u32::MAX; 2]));
        return Err(error);
    }
    let end = written.nodes.last().map_or(0, |[_, end]| *end as usize);
    assert!(written.bytes[end..].iter().all(|byte| *byte == UNTOUCHED));
    written.bytes.truncate(end);
    Ok(written)
}

/// The owner of each key, one by one.
pub fn owners<'k>(
    placement: &Placement,
    kind: Kind,
    keys: impl Iterator<Item = &'k Vec<u8>>,
) -> Result<Vec<Owner>, Error> {
    keys.map(|key| {
        placement.owner(match kind {
            Kind::Text => Key::Text(key),
            Kind::Bytes => Key::Bytes(key),
        })
    })
    .collect()
}

/// A scheme over so many nodes.
pub fn placement(scheme: &str, nodes: Owner) -> Placement {
    let nodes: Vec<_> = (1..=nodes)
        .map(|number| Node::named(format!("node_{number}")))
        .collect();
    let options = Options {
        scheme: scheme.into(),
        ..Options::default()
    };
    Placement::new(&nodes, &options).unwrap()
}
