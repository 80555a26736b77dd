//! Writes the commands of a batch, grouped by the nodes that they go to.
//!
//! Sizes come first: how many bytes each node gets says where its commands
//! begin, and then each argument is copied once, to its place.

use crate::{
    error::{Error, Result},
    keys::Keys,
    place::Owner,
    placement::Placement,
    read::Kind,
};

/// What is to be written: arguments, and how they make commands.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    arguments: Keys<'a>,
    shape: Shape<'a>,
    positions: usize,
}

/// How arguments make commands.
#[derive(Clone, Copy, Debug)]
pub enum Shape<'a> {
    /// Commands of so many arguments each: its name, its key, and what follows.
    Commands(&'a [u32]),
    /// For each node that owns any of the keys one command.
    Keys {
        /// Its name.
        name: &'a str,
        /// How many arguments there are for each key: it, and what follows it.
        width: usize,
    },
}

/// Where a batch is written to.
#[derive(Debug)]
pub struct Output<'a> {
    /// The positions of commands or keys, node after node; for one node they ascend.
    pub order: &'a mut [u32],
    /// For each node how many these are, and where its bytes end.
    pub nodes: &'a mut [[u32; 2]],
    /// The bytes that go on the wire, node after node.
    pub bytes: &'a mut [u8],
}

impl<'a> Batch<'a> {
    /// Arguments that make commands of this shape.
    ///
    /// # Errors
    ///
    /// `INTERNAL` where they do not.
    pub fn new(shape: Shape<'a>, arguments: Keys<'a>) -> Result<Self> {
        let given = arguments.len();
        let positions = match shape {
            Shape::Commands(lengths) => {
                let sum: u64 = lengths.iter().copied().map(u64::from).sum();
                if sum != given as u64 || lengths.iter().any(|length| *length < 2) {
                    return Err(Error::internal(format!(
                        "{given} arguments do not make {} commands of {sum}, each of two at least",
                        lengths.len(),
                    )));
                }
                lengths.len()
            }
            Shape::Keys { width, .. } => {
                if width == 0 || !given.is_multiple_of(width) {
                    return Err(Error::internal(format!(
                        "{given} arguments are not {width} for each key"
                    )));
                }
                given / width
            }
        };
        Ok(Self {
            arguments,
            shape,
            positions,
        })
    }

    /// How many commands there are, or how many keys.
    #[must_use]
    pub const fn positions(&self) -> usize {
        self.positions
    }

    /// Places every key, and writes the commands of each node.
    ///
    /// # Errors
    ///
    /// `BAD_KEY` for a key that the scheme cannot carry, `INTERNAL` where the
    /// output is too small or the scheme rewrites keys; nothing has been written then.
    ///
    /// ```
    /// use shardis_core::{Keys, Kind, Options, Placement, place::Node};
    /// use shardis_core::resp::{Batch, Output, Shape};
    ///
    /// let nodes = ["a", "b"].map(Node::named);
    /// let options = Options { scheme: "modulo".into(), ..Options::default() };
    /// let placement = Placement::new(&nodes, &options)?;
    /// let arguments = Keys::packed(b"getfoogetbar", &[3, 6, 9, 12])?;
    /// let (mut order, mut nodes, mut bytes) = ([0; 2], [[0; 2]; 2], [0; 64]);
    /// let mut output = Output { order: &mut order, nodes: &mut nodes, bytes: &mut bytes };
    /// Batch::new(Shape::Commands(&[2, 2]), arguments)?.encode(&placement, Kind::Text, &mut output)?;
    /// assert_eq!((order, nodes), ([1, 0], [[1, 22], [1, 44]]));
    /// assert_eq!(bytes[..22], *b"*2\r\n$3\r\nget\r\n$3\r\nbar\r\n");
    /// # Ok::<(), shardis_core::Error>(())
    /// ```
    pub fn encode(&self, placement: &Placement, kind: Kind, output: &mut Output<'_>) -> Result<()> {
        if placement.rewrites_keys() {
            return Err(Error::internal(
                "the scheme stores keys under other names; they are to be placed and rewritten \
                 before they are encoded",
            ));
        }
        let mut owners = Vec::with_capacity(self.positions);
        let mut arguments = self.arguments.iter();
        let keys = (0..self.positions).map(|position| {
            let (before, after) = match self.shape {
                Shape::Commands(lengths) => (1, lengths[position] as usize - 2),
                Shape::Keys { width, .. } => (0, width - 1),
            };
            let key = arguments.nth(before).unwrap_or_default();
            arguments.by_ref().take(after).for_each(drop);
            key
        });
        placement.plan_slices(kind, self.arguments.bytes(), keys, |_, block| {
            owners.extend_from_slice(block);
        })?;
        self.encode_for(&owners, output)
    }

    /// Writes the commands of each node, where owners are known.
    ///
    /// # Errors
    ///
    /// `INTERNAL` where owners and output do not fit; nothing has been written then.
    pub fn encode_for(&self, owners: &[Owner], output: &mut Output<'_>) -> Result<()> {
        if owners.len() != self.positions || output.order.len() != self.positions {
            return Err(Error::internal(format!(
                "{} owners and room for {} positions do not fit {} keys",
                owners.len(),
                output.order.len(),
                self.positions
            )));
        }
        let mut nodes = self.measure(owners, output.nodes.len())?;
        lay_out(&mut nodes, output)?;
        if let Shape::Keys { name, width } = self.shape {
            for node in nodes.iter_mut().filter(|node| node.count > 0) {
                write_header(output.bytes, &mut node.at, 1 + node.count * width);
                write_argument(output.bytes, &mut node.at, name.as_bytes());
            }
        }
        let mut arguments = self.arguments.iter();
        for ((position, owner), index) in owners.iter().enumerate().zip(0_u32..) {
            let node = &mut nodes[usize::from(*owner)];
            output.order[node.next] = index;
            node.next += 1;
            if let Shape::Commands(_) = self.shape {
                write_header(output.bytes, &mut node.at, self.width(position));
            }
            for argument in arguments.by_ref().take(self.width(position)) {
                write_argument(output.bytes, &mut node.at, argument);
            }
        }
        Ok(())
    }

    /// How many arguments belong to a position.
    #[inline]
    const fn width(&self, position: usize) -> usize {
        match self.shape {
            Shape::Commands(lengths) => lengths[position] as usize,
            Shape::Keys { width, .. } => width,
        }
    }

    /// What each node gets.
    fn measure(&self, owners: &[Owner], nodes: usize) -> Result<Vec<NodePart>> {
        let mut parts = vec![NodePart::default(); nodes];
        let mut arguments = self.arguments.iter();
        for (position, owner) in owners.iter().enumerate() {
            let part = parts.get_mut(usize::from(*owner)).ok_or_else(|| {
                Error::internal(format!("there is no node {owner} among {nodes}"))
            })?;
            part.count += 1;
            if let Shape::Commands(_) = self.shape {
                part.at += header_size(self.width(position));
            }
            part.at += arguments
                .by_ref()
                .take(self.width(position))
                .map(|argument| argument_size(argument.len()))
                .sum::<usize>();
        }
        if let Shape::Keys { name, width } = self.shape {
            for part in parts.iter_mut().filter(|part| part.count > 0) {
                part.at += header_size(1 + part.count * width) + argument_size(name.len());
            }
        }
        Ok(parts)
    }
}

/// What one node gets of a batch.
#[derive(Clone, Copy, Debug, Default)]
struct NodePart {
    /// How many commands, or how many keys.
    count: usize,
    /// How many bytes; once these are laid out, where the next one goes.
    at: usize,
    /// Where the next position goes.
    next: usize,
}

/// Puts the parts one after another.
fn lay_out(parts: &mut [NodePart], output: &mut Output<'_>) -> Result<()> {
    let size: usize = parts.iter().map(|part| part.at).sum();
    if size > output.bytes.len() || u32::try_from(size).is_err() {
        return Err(Error::internal(format!(
            "{} bytes are no room for {size}",
            output.bytes.len()
        )));
    }
    let (mut at, mut next) = (0, 0);
    for (part, node) in parts.iter_mut().zip(output.nodes.iter_mut()) {
        let (size, count) = (part.at, part.count);
        (part.at, part.next) = (at, next);
        at += size;
        next += count;
        #[expect(
            clippy::cast_possible_truncation,
            reason = "the sums have been checked"
        )]
        let words = [count as u32, at as u32];
        *node = words;
    }
    Ok(())
}

/// Of arguments longer than this, the bytes take longer to copy than the length
/// to write.
const SHORT: usize = 1000;

/// What stands before a short argument of each length, such as `$12\r\n`; the
/// last of the eight bytes says how many of them that are.
static PREFIXES: [[u8; 8]; SHORT] = {
    let mut prefixes = [*b"$0\r\n\0\0\0\x04"; SHORT];
    let mut length = 0;
    while length < SHORT {
        let [hundreds, tens, ones] = [length / 100, length / 10 % 10, length % 10];
        #[expect(clippy::cast_possible_truncation, reason = "these are single digits")]
        let [a, b, c] = [b'0' + hundreds as u8, b'0' + tens as u8, b'0' + ones as u8];
        prefixes[length] = match length {
            100.. => [b'$', a, b, c, b'\r', b'\n', 0, 6],
            10.. => [b'$', b, c, b'\r', b'\n', 0, 0, 5],
            _ => [b'$', c, b'\r', b'\n', 0, 0, 0, 4],
        };
        length += 1;
    }
    prefixes
};

/// How many bytes a number takes, with its type and CRLF.
#[inline]
fn header_size(number: usize) -> usize {
    match PREFIXES.get(number) {
        Some(prefix) => usize::from(prefix[7]),
        None => number.ilog10() as usize + 4,
    }
}

/// How many bytes an argument takes.
#[inline]
fn argument_size(length: usize) -> usize {
    header_size(length) + length + 2
}

/// Writes how many arguments follow.
#[inline]
fn write_header(bytes: &mut [u8], at: &mut usize, arguments: usize) {
    let room = &mut bytes[*at..*at + header_size(arguments)];
    write_number(room, b'*', arguments);
    *at += room.len();
}

/// Writes an argument.
#[inline]
fn write_argument(bytes: &mut [u8], at: &mut usize, argument: &[u8]) {
    let prefix = header_size(argument.len());
    let room = &mut bytes[*at..*at + prefix + argument.len() + 2];
    *at += room.len();
    match (PREFIXES.get(argument.len()), room.first_chunk_mut()) {
        // What is too much is written over.
        (Some(prefix), Some(start)) => *start = *prefix,
        _ => write_number(&mut room[..prefix], b'$', argument.len()),
    }
    let (content, end) = room[prefix..].split_at_mut(argument.len());
    content.copy_from_slice(argument);
    end.copy_from_slice(b"\r\n");
}

/// Writes a number after its type, which take all of `room`.
fn write_number(room: &mut [u8], kind: u8, mut number: usize) {
    let [first, digits @ .., cr, lf] = room else {
        return;
    };
    (*cr, *lf) = (b'\r', b'\n');
    *first = kind;
    for digit in digits.iter_mut().rev() {
        #[expect(clippy::cast_possible_truncation, reason = "it is a single digit")]
        let value = (number % 10) as u8;
        *digit = b'0' + value;
        number /= 10;
    }
}
