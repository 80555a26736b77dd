//! The N-API surface of `shardis-core`: conversions and nothing else.
//!
//! Keys arrive packed in one buffer, and results are written into buffers that
//! JavaScript allocated: both are several times cheaper than making values one
//! by one across the boundary. Every export catches panics, which Node could
//! not survive.
#![allow(
    missing_docs,
    clippy::missing_errors_doc,
    clippy::missing_panics_doc,
    clippy::must_use_candidate,
    clippy::needless_pass_by_value,
    clippy::too_many_arguments,
    reason = "called from JavaScript only, whose side of it is documented in src/native.ts"
)]

pub mod resp;

use std::{
    collections::{BTreeMap, HashMap},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use napi::{
    Env,
    bindgen_prelude::{BufferSlice, Function, Uint8Array},
};
use napi_derive::napi;
use shardis_core::{
    Key, Keys, Kind, Options, Placement,
    place::{MOST_NODES, Node, Owner},
};

type Result<T> = std::result::Result<T, napi::Error<&'static str>>;

/// A node, as placement sees it.
#[napi(object)]
pub struct NodeSpec {
    pub name: String,
    pub named: bool,
    pub weight: Option<f64>,
}

/// What a placement is made of.
#[napi(object)]
pub struct PlacementSpec {
    pub scheme: String,
    pub parameters: HashMap<String, String>,
    pub nodes: Vec<NodeSpec>,
    pub table: Option<Vec<u32>>,
}

/// Why a key lies where it lies.
#[napi(object)]
pub struct Explanation {
    pub stored: Uint8Array,
    pub tag: Option<Uint8Array>,
    pub hashed: Uint8Array,
    pub hash: String,
    pub hash_name: String,
    pub hash_bits: u32,
    pub slot: Option<u32>,
    pub point: Option<String>,
    pub owner: u32,
}

/// A scheme over given nodes.
#[napi]
pub struct NativePlacement {
    pub(crate) placement: Arc<Placement>,
    pub(crate) nodes: usize,
}

#[napi]
impl NativePlacement {
    #[napi(constructor, catch_unwind)]
    pub fn new(spec: PlacementSpec) -> Result<Self> {
        let nodes: Vec<Node> = spec
            .nodes
            .into_iter()
            .map(|node| Node {
                name: node.name,
                named: node.named,
                weight: node.weight,
            })
            .collect();
        // An owner too large for the type is one that no node has.
        let owner = |owner: u32| Owner::try_from(owner).unwrap_or(Owner::MAX);
        let options = Options {
            scheme: spec.scheme,
            parameters: spec.parameters.into_iter().collect::<BTreeMap<_, _>>(),
            table: spec
                .table
                .map(|table| table.into_iter().map(owner).collect()),
        };
        let placement = Placement::new(&nodes, &options).map_err(to_js)?;
        Ok(Self {
            placement: Arc::new(placement),
            nodes: nodes.len(),
        })
    }

    #[napi(getter, catch_unwind)]
    pub fn warnings(&self) -> Vec<&str> {
        self.placement.warnings().to_vec()
    }

    #[napi(getter, catch_unwind)]
    pub fn rewrites_keys(&self) -> bool {
        self.placement.rewrites_keys()
    }

    #[napi(getter, catch_unwind)]
    pub fn text_is_bytes(&self) -> bool {
        self.placement.text_is_bytes()
    }

    /// A function that answers as `ownerOfText`, or -1 where that throws: a
    /// method call takes three times as long, which a single key would feel.
    #[napi(catch_unwind)]
    pub fn owner_of_text_function<'env>(
        &self,
        env: &'env Env,
    ) -> napi::Result<Function<'env, (String,), i32>> {
        let placement = Arc::clone(&self.placement);
        env.create_function_from_closure("ownerOfText", move |context| {
            let key: String = context.first_arg()?;
            // Exports made so catch no panics by themselves.
            let owner = catch_unwind(AssertUnwindSafe(|| {
                placement.owner(Key::Text(key.as_bytes()))
            }));
            Ok(match owner {
                Ok(Ok(owner)) => i32::from(owner),
                _ => -1,
            })
        })
    }

    /// The position of the node that owns a text key.
    #[napi(catch_unwind)]
    pub fn owner_of_text(&self, key: String) -> Result<u32> {
        self.placement
            .owner(Key::Text(key.as_bytes()))
            .map(u32::from)
            .map_err(to_js)
    }

    /// The position of the node that owns a bytes key.
    #[napi(catch_unwind)]
    pub fn owner_of_bytes(&self, key: &[u8]) -> Result<u32> {
        self.placement
            .owner(Key::Bytes(key))
            .map(u32::from)
            .map_err(to_js)
    }

    /// The key that goes on the wire.
    #[napi(catch_unwind)]
    pub fn stored_key(&self, key: &[u8], text: bool) -> Result<Uint8Array> {
        self.placement
            .stored_key(kind(text).key(key))
            .map(Uint8Array::from)
            .map_err(to_js)
    }

    #[napi(catch_unwind)]
    pub fn explain(&self, key: &[u8], text: bool) -> Result<Explanation> {
        let explanation = self.placement.explain(kind(text).key(key)).map_err(to_js)?;
        Ok(Explanation {
            stored: explanation.stored.into(),
            tag: explanation.tag.map(Uint8Array::from),
            hashed: explanation.hashed.into(),
            hash: explanation.hash.to_string(),
            hash_name: explanation.hash_name.into(),
            hash_bits: explanation.hash_bits,
            slot: explanation.slot.map(u32::from),
            point: explanation.point.map(|point| point.to_string()),
            owner: explanation.owner.into(),
        })
    }

    /// Plans texts that end at `ends`, counted in UTF-16; false, with nothing
    /// written, if one ends within a character. Owners are written as
    /// little-endian 16-bit numbers from the position `at` on; `totals` has,
    /// for each node, the count of its keys and of their bytes as doubles,
    /// which are added to.
    #[napi(catch_unwind)]
    pub fn plan_texts(
        &self,
        bytes: &[u8],
        ends: &[u32],
        owners: BufferSlice,
        at: u32,
        totals: BufferSlice,
    ) -> Result<bool> {
        let Some(ends) = Keys::utf8_ends(bytes, ends) else {
            return Ok(false);
        };
        let keys = Keys::packed(bytes, &ends).map_err(to_js)?;
        self.plan(&keys, Kind::Text, owners, at, totals)
            .map(|()| true)
    }

    /// Plans keys that end at `ends`; results as in `planTexts`.
    #[napi(catch_unwind)]
    pub fn plan_packed(
        &self,
        bytes: &[u8],
        ends: &[u32],
        text: bool,
        owners: BufferSlice,
        at: u32,
        totals: BufferSlice,
    ) -> Result<()> {
        let keys = Keys::packed(bytes, ends).map_err(to_js)?;
        self.plan(&keys, kind(text), owners, at, totals)
    }

    /// Plans the keys of a buffer with a separator after each but, perhaps, the
    /// last: as many as `countSeparated` tells. Results as in `planTexts`.
    #[napi(catch_unwind)]
    pub fn plan_separated(
        &self,
        bytes: &[u8],
        separator: u8,
        text: bool,
        owners: BufferSlice,
        totals: BufferSlice,
    ) -> Result<()> {
        self.plan(
            &Keys::separated(bytes, separator),
            kind(text),
            owners,
            0,
            totals,
        )
    }

    fn plan(
        &self,
        keys: &Keys<'_>,
        kind: Kind,
        mut owners: BufferSlice,
        at: u32,
        mut totals: BufferSlice,
    ) -> Result<()> {
        let (places, _) = owners.as_chunks_mut::<2>();
        let mut places = places
            .get_mut(at as usize..)
            .filter(|places| places.len() >= keys.len())
            .ok_or_else(|| too_small("owners"))?
            .iter_mut();
        let (totals, _) = totals.as_chunks_mut::<8>();
        if totals.len() < 2 * self.nodes {
            return Err(too_small("totals"));
        }
        let mut sums = vec![(0_u32, 0_usize); self.nodes];
        self.placement
            .plan(kind, keys, |keys, owners| {
                for ((key, owner), place) in keys.iter().zip(owners).zip(&mut places) {
                    *place = owner.to_le_bytes();
                    let sum = &mut sums[usize::from(*owner)];
                    sum.0 += 1;
                    sum.1 += key.len();
                }
            })
            .map_err(to_js)?;
        for (total, (count, bytes)) in totals.chunks_exact_mut(2).zip(sums) {
            add(&mut total[0], f64::from(count));
            #[expect(clippy::cast_precision_loss, reason = "no buffer has 2^53 bytes")]
            add(&mut total[1], bytes as f64);
        }
        Ok(())
    }
}

/// How many keys a buffer holds that has a separator after each but, perhaps,
/// the last.
#[napi(catch_unwind)]
pub fn count_separated(bytes: &[u8], separator: u8) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "no buffer has 2^53 bytes")]
    let count = Keys::separated(bytes, separator).len() as f64;
    count
}

/// The positions of keys, grouped by owner: a counting sort. `owners` are below
/// `nodes`; `order` receives as many little-endian 32-bit numbers.
#[napi(catch_unwind)]
pub fn group(owners: &[u16], nodes: u32, mut order: BufferSlice) -> Result<()> {
    let (order, _) = order.as_chunks_mut::<4>();
    if order.len() < owners.len() {
        return Err(too_small("order"));
    }
    if nodes as usize > MOST_NODES {
        let reason = format!("{nodes} nodes are more than any placement has");
        return Err(napi::Error::new("INTERNAL", reason));
    }
    let mut next = vec![0_usize; nodes as usize + 1];
    for owner in owners {
        let count = next
            .get_mut(usize::from(*owner) + 1)
            .ok_or_else(|| too_small("nodes"))?;
        *count += 1;
    }
    for node in 0..nodes as usize {
        next[node + 1] += next[node];
    }
    for (position, owner) in (0_u32..).zip(owners) {
        let place = &mut next[usize::from(*owner)];
        order[*place] = position.to_le_bytes();
        *place += 1;
    }
    Ok(())
}

/// Panics, so that a test can see what becomes of one.
#[napi(catch_unwind)]
pub fn panic_for_test() {
    panic!("a panic for a test");
}

const fn kind(text: bool) -> Kind {
    if text { Kind::Text } else { Kind::Bytes }
}

fn add(number: &mut [u8; 8], more: f64) {
    *number = (f64::from_le_bytes(*number) + more).to_le_bytes();
}

fn too_small(what: &str) -> napi::Error<&'static str> {
    napi::Error::new("INTERNAL", format!("the buffer for {what} is too small"))
}

fn to_js(error: shardis_core::Error) -> napi::Error<&'static str> {
    napi::Error::new(error.code().as_str(), error.to_string())
}
