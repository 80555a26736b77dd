//! Plans: the owner of each of many keys.
//!
//! Keys go through the stages in blocks, so that each stage is one short loop
//! over data in the first-level cache, and hash kernels get several keys at once.

use crate::{
    error::Result,
    keys::Keys,
    place::Owner,
    placement::Placement,
    read::{Kind, apply},
    scheme::Encoding,
    tag::TagRule,
};

/// How many keys go through the stages together: some multiples of the 16 that
/// the widest kernel takes.
const BLOCK: usize = 64;

impl Placement {
    /// The owner of each of many keys: `emit` receives the keys of a block and
    /// their owners, block after block.
    ///
    /// # Errors
    ///
    /// `BAD_KEY`, with the position of the first key that the scheme cannot
    /// carry; the blocks before it have been emitted.
    ///
    /// ```
    /// use shardis_core::{Keys, Kind, Options, Placement, place::Node};
    ///
    /// let nodes = ["a", "b"].map(Node::named);
    /// let options = Options { scheme: "modulo".into(), ..Options::default() };
    /// let placement = Placement::new(&nodes, &options)?;
    /// let mut owners = Vec::new();
    /// let keys = Keys::separated(b"foo\nbar\n", b'\n');
    /// placement.plan(Kind::Bytes, &keys, |_, block| owners.extend_from_slice(block))?;
    /// assert_eq!(owners, [1, 0]);
    /// # Ok::<(), shardis_core::Error>(())
    /// ```
    pub fn plan<'a>(
        &self,
        kind: Kind,
        keys: &Keys<'a>,
        emit: impl FnMut(&[&'a [u8]], &[Owner]),
    ) -> Result<()> {
        self.plan_slices(kind, keys.bytes(), keys.iter(), emit)
    }

    /// The same for keys that lie anywhere within `bytes`.
    pub(crate) fn plan_slices<'a>(
        &self,
        kind: Kind,
        bytes: &[u8],
        mut keys: impl ExactSizeIterator<Item = &'a [u8]>,
        mut emit: impl FnMut(&[&'a [u8]], &[Owner]),
    ) -> Result<()> {
        let reading = self.reading(kind, bytes);
        let mut block: [&[u8]; BLOCK] = [&[]; BLOCK];
        let mut owners = [0; BLOCK];
        let mut planned = 0;
        while keys.len() > 0 {
            let len = keys.len().min(BLOCK);
            let (block, owners) = (&mut block[..len], &mut owners[..len]);
            for (place, key) in block.iter_mut().zip(&mut keys) {
                *place = key;
            }
            match reading {
                Reading::Whole => self.place_block(block, owners),
                Reading::Tagged(rule) => self.tag_and_place_block(rule, block, owners, planned)?,
                Reading::Encoded => {
                    for (position, (owner, key)) in owners.iter_mut().zip(&*block).enumerate() {
                        *owner = self
                            .owner(kind.key(key))
                            .map_err(|error| error.at(planned + position))?;
                    }
                }
            }
            emit(block, owners);
            planned += len;
        }
        Ok(())
    }

    /// What keys need, judged from all bytes that they lie within at once: most
    /// batches hold no brace at all.
    fn reading(&self, kind: Kind, bytes: &[u8]) -> Reading {
        let recipe = self.recipe();
        if kind == Kind::Text && recipe.text == Encoding::Latin1 && !bytes.is_ascii() {
            return Reading::Encoded;
        }
        match recipe.rule(kind) {
            TagRule::None => Reading::Whole,
            TagRule::Pair(open, _) if !contains(bytes, open) => Reading::Whole,
            rule if !matches!(rule, TagRule::Pair(..)) && !contains(bytes, b'{') => Reading::Whole,
            rule => Reading::Tagged(rule),
        }
    }

    fn tag_and_place_block(
        &self,
        rule: TagRule,
        keys: &[&[u8]],
        owners: &mut [Owner],
        planned: usize,
    ) -> Result<()> {
        let mut hashed: [&[u8]; BLOCK] = [&[]; BLOCK];
        for (position, (place, key)) in hashed.iter_mut().zip(keys).enumerate() {
            *place = apply(rule, key)
                .map_err(|error| error.at(planned + position))?
                .hashed;
        }
        self.place_block(&hashed[..keys.len()], owners);
        Ok(())
    }

    fn place_block(&self, keys: &[&[u8]], owners: &mut [Owner]) {
        let mut values = [0; BLOCK];
        let values = &mut values[..keys.len()];
        self.recipe().hash.of_many(keys, values);
        if let Some(hash_of_nothing) = self.recipe().empty_hash {
            for (value, _) in values
                .iter_mut()
                .zip(keys)
                .filter(|(_, key)| key.is_empty())
            {
                *value = hash_of_nothing;
            }
        }
        self.place().owner_of_many(values, owners);
    }
}

/// What must be done to the keys of a batch before they are hashed.
#[derive(Clone, Copy)]
enum Reading {
    /// Nothing: each is hashed as it stands.
    Whole,
    /// Some may have a tag.
    Tagged(TagRule),
    /// Some must be encoded: one by one.
    Encoded,
}

/// Whether a byte stands anywhere in many; chunks are searched without a branch
/// for each byte, at the speed of memory.
fn contains(bytes: &[u8], wanted: u8) -> bool {
    let found = |chunk: &[u8]| {
        let hits = chunk.iter().map(|&byte| u8::from(byte == wanted));
        hits.fold(0, |found, hit| found | hit) != 0
    };
    let (chunks, rest) = bytes.as_chunks::<128>();
    chunks.iter().any(|chunk| found(chunk)) || found(rest)
}
