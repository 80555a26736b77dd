//! A scheme over given nodes: which of them owns each key.

use std::collections::BTreeMap;

use crate::{
    checks::{check_names, check_share, check_table, number, weights},
    error::{Error, Result},
    hash::Hash,
    place::{Node, Owner, Place, Rendezvous, Ring, bounded_rendezvous},
    read::{Key, Read},
    scheme::{Encoding, Layout, Order, Recipe, Scheme},
};

/// What a placement is made of.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The name of a scheme.
    pub scheme: String,
    /// Its parameters, by name; what is left out has its default.
    pub parameters: BTreeMap<String, String>,
    /// The owner of each slot, for schemes with slots.
    pub table: Option<Vec<Owner>>,
}

/// Why a key lies where it lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The key that goes on the wire.
    pub stored: Vec<u8>,
    /// The tag, where the key has one.
    pub tag: Option<Vec<u8>>,
    /// The bytes that were hashed.
    pub hashed: Vec<u8>,
    /// Their hash, as a user would print it.
    pub hash: u128,
    /// The name of the hash.
    pub hash_name: &'static str,
    /// How many bits the hash has.
    pub hash_bits: u32,
    /// The slot, in schemes with slots.
    pub slot: Option<u16>,
    /// The point of the ring, in schemes with one, as a user would print it.
    pub point: Option<u128>,
    /// The position of the owner.
    pub owner: Owner,
}

/// A scheme over given nodes. Immutable, and cheap to share.
#[derive(Clone, Debug)]
pub struct Placement {
    recipe: Recipe,
    place: Place,
    warnings: Vec<&'static str>,
}

impl Placement {
    /// Builds the placement of a scheme over `nodes`, in this order.
    ///
    /// # Errors
    ///
    /// `BAD_PLACEMENT` where scheme, parameters and nodes do not fit.
    ///
    /// ```
    /// use shardis_core::{Key, Options, Placement, place::Node};
    ///
    /// let nodes = ["node1", "node2", "node3"].map(Node::named);
    /// let options = Options { scheme: "redis-shard".into(), ..Options::default() };
    /// let placement = Placement::new(&nodes, &options)?;
    /// assert_eq!(placement.owner(Key::Text(b"foo"))?, 1);
    /// # Ok::<(), shardis_core::Error>(())
    /// ```
    pub fn new(nodes: &[Node], options: &Options) -> Result<Self> {
        let scheme = Scheme::named(&options.scheme)?;
        let (recipe, warnings) = scheme.recipe(&options.parameters)?;
        Self::of_recipe(scheme.name, recipe, nodes, options.table.as_deref()).map(|placement| {
            Self {
                warnings,
                ..placement
            }
        })
    }

    fn of_recipe(
        scheme: &str,
        recipe: Recipe,
        nodes: &[Node],
        table: Option<&[Owner]>,
    ) -> Result<Self> {
        check_names(scheme, recipe.names, nodes)?;
        let weights = weights(scheme, recipe.weights, nodes)?;
        let table = table
            .map(|table| check_table(scheme, recipe.layout, nodes, table))
            .transpose()?;
        let order = numbered(recipe.order, nodes);
        let place = match recipe.layout {
            Layout::Modulo => Place::Table(order),
            Layout::WeightedModulo => Place::Table(repeated(&order, &weights)?),
            Layout::Range => Place::Range(nodes.len() as u64),
            Layout::Slots(slots) => {
                let share = || share_slots(nodes, &weights, slots);
                Place::Table(table.map_or_else(share, Ok)?)
            }
            Layout::SlotTable(slots) => Place::Table(table.ok_or_else(|| {
                Error::placement(format!(
                    "the scheme \"{scheme}\" needs a table: which node owns each of its {slots} slots"
                ))
            })?),
            Layout::Ring(ring) => {
                Place::Ring(Ring::new(&ring, nodes, &order, &weights, recipe.hash)?)
            },
            Layout::Rendezvous => Place::Rendezvous(Rendezvous::new(nodes)),
        };
        // twemproxy does not hash at all where there is one server; the table
        // and the ring of one node come to the same.
        Ok(Self {
            recipe,
            place,
            warnings: Vec::new(),
        })
    }

    /// Sentences about choices that are legal but unwise.
    #[must_use]
    pub fn warnings(&self) -> &[&'static str] {
        &self.warnings
    }

    /// Whether the key on the wire may differ from the key given.
    #[must_use]
    pub const fn rewrites_keys(&self) -> bool {
        self.recipe.text_tag.rewrites_keys() || self.recipe.bytes_tag.rewrites_keys()
    }

    /// Whether a text and its UTF-8 bytes are always the same key.
    #[must_use]
    pub fn text_is_bytes(&self) -> bool {
        self.recipe.text == Encoding::Utf8 && self.recipe.text_tag == self.recipe.bytes_tag
    }

    /// The position of the node that owns a key.
    ///
    /// # Errors
    ///
    /// `BAD_KEY` where the scheme cannot carry the key.
    pub fn owner(&self, key: Key<'_>) -> Result<Owner> {
        let read = self.recipe.read(key)?;
        Ok(self.place.owner(self.hash(&read.hashed)))
    }

    /// The key that goes on the wire.
    ///
    /// # Errors
    ///
    /// As [`owner`](Self::owner).
    pub fn stored_key<'a>(&self, key: Key<'a>) -> Result<&'a [u8]> {
        Ok(self.recipe.read(key)?.tagged.stored)
    }

    /// Why a key lies where it lies.
    ///
    /// # Errors
    ///
    /// As [`owner`](Self::owner).
    pub fn explain(&self, key: Key<'_>) -> Result<Explanation> {
        let Read { tagged, hashed } = self.recipe.read(key)?;
        let hash = self.hash(&hashed);
        let slots = matches!(self.recipe.layout, Layout::Slots(_) | Layout::SlotTable(_));
        Ok(Explanation {
            stored: tagged.stored.to_vec(),
            tag: tagged.found.then(|| tagged.hashed.to_vec()),
            hashed: hashed.into_owned(),
            hash: self.recipe.hash.shown(hash),
            hash_name: self.recipe.hash.name(),
            hash_bits: self.recipe.hash.bits(),
            slot: match &self.place {
                Place::Table(owners) if slots => u16::try_from(hash % owners.len() as u128).ok(),
                _ => None,
            },
            point: match &self.place {
                Place::Ring(ring) => Some(self.recipe.hash.shown(ring.point(hash))),
                _ => None,
            },
            owner: self.place.owner(hash),
        })
    }

    /// The hash that keys are placed by.
    #[must_use]
    pub const fn key_hash(&self) -> Hash {
        self.recipe.hash
    }

    pub(crate) const fn recipe(&self) -> &Recipe {
        &self.recipe
    }

    pub(crate) const fn place(&self) -> &Place {
        &self.place
    }

    fn hash(&self, hashed: &[u8]) -> u128 {
        match self.recipe.empty_hash {
            Some(hash) if hashed.is_empty() => hash,
            _ => self.recipe.hash.of(hashed),
        }
    }
}

fn share_slots(nodes: &[Node], weights: &[f64], slots: u16) -> Result<Vec<Owner>> {
    check_share(nodes, slots)?;
    Ok(bounded_rendezvous(nodes, weights, slots))
}

/// The nodes in the order in which a scheme numbers them.
fn numbered(order: Order, nodes: &[Node]) -> Vec<Owner> {
    let mut owners: Vec<Owner> = (0..).take(nodes.len()).collect();
    let name = |owner: &Owner| nodes[usize::from(*owner)].name.as_str();
    match order {
        Order::Listed => {}
        Order::Numbered(prefix) => owners.sort_by_key(|owner| number(prefix, name(owner))),
        Order::NameLength => owners.sort_by_key(|owner| (name(owner).len(), name(owner))),
    }
    owners
}

/// Each owner as often as its weight says.
fn repeated(owners: &[Owner], weights: &[f64]) -> Result<Vec<Owner>> {
    const MOST: u32 = 1_000_000;
    if weights.iter().sum::<f64>() > f64::from(MOST) {
        return Err(Error::placement(
            "weights that sum to more than a million are refused",
        ));
    }
    let times = |owner: &Owner| {
        let weight = weights[usize::from(*owner)];
        (1..=MOST)
            .take_while(|count| f64::from(*count) <= weight)
            .count()
    };
    Ok(owners
        .iter()
        .flat_map(|owner| std::iter::repeat_n(*owner, times(owner)))
        .collect())
}
