//! The wire format: batches out, replies in.

use napi_derive::napi;
use shardis_core::{
    Keys,
    place::{MOST_NODES, Owner},
    resp::{Batch, Output, Progress, Scanner, Shape, Wait},
};

use crate::{NativePlacement, Result, kind, to_js, too_small};

/// Memory of JavaScript that is written to, under names that are no references:
/// the macro takes those for classes.
type Words<'a> = &'a mut [u32];
type Bytes<'a> = &'a mut [u8];

/// A scanner of the replies of one connection.
#[napi]
#[derive(Default)]
pub struct ReplyScanner {
    scanner: Scanner,
}

#[napi]
impl ReplyScanner {
    #[napi(constructor, catch_unwind)]
    pub fn new() -> Self {
        Self::default()
    }

    /// Tells where values lie: three words of `tokens` each.
    #[napi(catch_unwind)]
    pub fn scan(
        &mut self,
        bytes: &[u8],
        from: u32,
        most: u32,
        tokens: Words<'_>,
        progress: Words<'_>,
    ) -> Result<()> {
        let words = progress_words(progress)?;
        let (tokens, _) = tokens.as_chunks_mut();
        let mut progress = Progress::default();
        let scanned = self
            .scanner
            .scan(bytes, from as usize, most, tokens, &mut progress);
        *words = to_words(&progress);
        scanned.map_err(to_js)
    }

    /// Walks over replies.
    #[napi(catch_unwind)]
    pub fn skip(&mut self, bytes: &[u8], from: u32, most: u32, progress: Words<'_>) -> Result<()> {
        let words = progress_words(progress)?;
        let mut progress = Progress::default();
        let skipped = self.scanner.skip(bytes, from as usize, most, &mut progress);
        *words = to_words(&progress);
        skipped.map_err(to_js)
    }
}

fn progress_words(progress: &mut [u32]) -> Result<&mut [u32; 6]> {
    progress
        .first_chunk_mut()
        .ok_or_else(|| too_small("progress"))
}

fn to_words(progress: &Progress) -> [u32; 6] {
    // Offsets are within bytes that 32 bits can count, or nothing was scanned.
    let word = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let (wait, bytes) = match progress.wait {
        Wait::Nothing => (0, 0),
        Wait::Bytes(bytes) => (1, bytes),
        Wait::Line(most) => (2, most),
        Wait::Push => (3, 0),
    };
    [
        word(progress.consumed),
        word(progress.tokens),
        progress.replies,
        wait,
        word(bytes),
        u32::from(progress.inside) + u32::from(progress.inside_push),
    ]
}

#[napi]
impl NativePlacement {
    /// Commands of one key each, for each node.
    #[napi(catch_unwind)]
    pub fn encode_commands(
        &self,
        bytes: &[u8],
        ends: &[u32],
        utf16: bool,
        text: bool,
        lengths: &[u32],
        order: Words<'_>,
        nodes: Words<'_>,
        out: Bytes<'_>,
    ) -> Result<bool> {
        let shape = Shape::Commands(lengths);
        self.encode(shape, bytes, ends, utf16, text, order, nodes, out)
    }

    /// One command of many keys, for each node.
    #[napi(catch_unwind)]
    pub fn encode_keys(
        &self,
        name: String,
        width: u32,
        bytes: &[u8],
        ends: &[u32],
        utf16: bool,
        text: bool,
        order: Words<'_>,
        nodes: Words<'_>,
        out: Bytes<'_>,
    ) -> Result<bool> {
        let width = width as usize;
        let shape = Shape::Keys { name: &name, width };
        self.encode(shape, bytes, ends, utf16, text, order, nodes, out)
    }

    fn encode(
        &self,
        shape: Shape<'_>,
        bytes: &[u8],
        ends: &[u32],
        utf16: bool,
        text: bool,
        order: Words<'_>,
        nodes: Words<'_>,
        out: Bytes<'_>,
    ) -> Result<bool> {
        let ends = if utf16 {
            match Keys::utf8_ends(bytes, ends) {
                Some(ends) => ends,
                None => return Ok(false),
            }
        } else {
            ends.into()
        };
        let arguments = Keys::packed(bytes, &ends).map_err(to_js)?;
        let batch = Batch::new(shape, arguments).map_err(to_js)?;
        let mut output = output(&batch, self.nodes, order, nodes, out)?;
        batch
            .encode(&self.placement, kind(text), &mut output)
            .map_err(to_js)?;
        Ok(true)
    }
}

/// Commands of one key each, whose owners are known, for each node.
#[napi(catch_unwind)]
pub fn encode_commands_for(
    owners: &[u16],
    node_count: u32,
    bytes: &[u8],
    ends: &[u32],
    lengths: &[u32],
    order: Words<'_>,
    nodes: Words<'_>,
    out: Bytes<'_>,
) -> Result<()> {
    let arguments = Keys::packed(bytes, ends).map_err(to_js)?;
    let batch = Batch::new(Shape::Commands(lengths), arguments).map_err(to_js)?;
    encode_for(&batch, owners, node_count, order, nodes, out)
}

/// One command of many keys, whose owners are known, for each node.
#[napi(catch_unwind)]
pub fn encode_keys_for(
    owners: &[u16],
    node_count: u32,
    name: String,
    width: u32,
    bytes: &[u8],
    ends: &[u32],
    order: Words<'_>,
    nodes: Words<'_>,
    out: Bytes<'_>,
) -> Result<()> {
    let arguments = Keys::packed(bytes, ends).map_err(to_js)?;
    let width = width as usize;
    let shape = Shape::Keys { name: &name, width };
    let batch = Batch::new(shape, arguments).map_err(to_js)?;
    encode_for(&batch, owners, node_count, order, nodes, out)
}

fn encode_for(
    batch: &Batch<'_>,
    owners: &[Owner],
    node_count: u32,
    order: Words<'_>,
    nodes: Words<'_>,
    out: Bytes<'_>,
) -> Result<()> {
    let mut output = output(batch, node_count as usize, order, nodes, out)?;
    batch.encode_for(owners, &mut output).map_err(to_js)
}

/// As much of each buffer as the batch is to fill.
fn output<'a>(
    batch: &Batch<'_>,
    node_count: usize,
    order: &'a mut [u32],
    nodes: &'a mut [u32],
    bytes: &'a mut [u8],
) -> Result<Output<'a>> {
    if node_count > MOST_NODES {
        let reason = format!("{node_count} nodes are more than any placement has");
        return Err(napi::Error::new("INTERNAL", reason));
    }
    let order = order
        .get_mut(..batch.positions())
        .ok_or_else(|| too_small("order"))?;
    let (nodes, _) = nodes.as_chunks_mut();
    let nodes = nodes
        .get_mut(..node_count)
        .ok_or_else(|| too_small("nodes"))?;
    Ok(Output {
        order,
        nodes,
        bytes,
    })
}
