//! A scheme is a choice of orthogonal parts: how text becomes bytes, what is a
//! tag, which hash, and how hashes find nodes. The named schemes are rows of
//! one table ([`SCHEMES`]); a parameter is a rule that replaces parts.

use std::collections::BTreeMap;

use crate::{
    error::{Error, Result},
    hash::{Char, Hash},
    place::RingRecipe,
    tag::TagRule,
};

mod presets;

pub use presets::SCHEMES;

/// A named way of placing keys.
#[derive(Clone, Copy, Debug)]
pub struct Scheme {
    /// What users call it, such as `"twemproxy"`.
    pub name: &'static str,
    /// What may be chosen; everything else is fixed.
    pub parameters: &'static [Parameter],
    /// The parts, before any rule.
    pub recipe: Recipe,
    /// Applied in order, each where its parameters have its values.
    pub rules: &'static [Rule],
}

/// Something that may be chosen about a scheme.
#[derive(Clone, Copy, Debug)]
pub struct Parameter {
    /// Such as `"hash"`.
    pub name: &'static str,
    /// The value where none is given.
    pub default: &'static str,
    /// The values there are.
    pub values: Values,
}

/// The values of a parameter.
#[derive(Clone, Copy, Debug)]
pub enum Values {
    /// One of these.
    OneOf(&'static [&'static str]),
    /// A version; what holds is the last of these that is not newer.
    Since(&'static [&'static str]),
    /// The two characters around a tag, such as `"{}"`, or `"none"`.
    TagPair,
    /// One of these hashes, by its name.
    Hash(&'static [Hash]),
}

/// What some values of parameters mean.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// Parameters and the values they must have, all of them.
    pub when: &'static [(&'static str, &'static str)],
    /// What then holds.
    pub then: Part,
}

/// A part that replaces one of a recipe.
#[derive(Clone, Copy, Debug)]
pub enum Part {
    /// How text becomes the bytes that are hashed.
    Text(Encoding),
    /// The tag rule of text keys and of byte keys.
    Tag(TagRule, TagRule),
    /// The hash of keys.
    Hash(Hash),
    /// Bytes are read as unsigned `char`, as on ARM.
    UnsignedChar,
    /// How hashes find nodes.
    Layout(Layout),
    /// How weights are meant.
    Weights(Weights),
    /// A reason why these values cannot work together.
    Refuse(&'static str),
    /// A reason to think twice.
    Warn(&'static str),
}

/// The parts of a scheme.
#[derive(Clone, Copy, Debug)]
pub struct Recipe {
    /// How a text key becomes the bytes that are hashed.
    pub text: Encoding,
    /// The tag rule of text keys.
    pub text_tag: TagRule,
    /// The tag rule of byte keys.
    pub bytes_tag: TagRule,
    /// The hash of keys.
    pub hash: Hash,
    /// What an empty hashed part hashes to, where that is not its hash.
    pub empty_hash: Option<u128>,
    /// How hashes find nodes.
    pub layout: Layout,
    /// How weights are meant.
    pub weights: Weights,
    /// What names nodes must have.
    pub names: Names,
    /// In which order nodes are numbered.
    pub order: Order,
}

/// In which order nodes are numbered, where numbers place keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// As they are listed.
    Listed,
    /// By the number after this prefix in their names.
    Numbered(&'static str),
    /// By their names: shorter ones first, then by bytes.
    NameLength,
}

/// How a text key becomes the bytes that are hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// The bytes that go on the wire.
    Utf8,
    /// ISO 8859-1, though the wire has UTF-8: Python 3 clients that call
    /// `bytes(key, "latin-1")`. A text with other characters was refused by
    /// them; it is placed as the bytes key of its UTF-8.
    Latin1,
}

/// How hashes find nodes.
#[derive(Clone, Copy, Debug)]
pub enum Layout {
    /// The hash modulo the number of nodes, in the order of the list.
    Modulo,
    /// The same over a list in which each node stands as often as its weight.
    WeightedModulo,
    /// Equal ranges of hashes.
    Range,
    /// This many slots, owned by bounded rendezvous, unless a table is given.
    Slots(u16),
    /// This many slots, whose owners a table must give.
    SlotTable(u16),
    /// Points on a ring.
    Ring(RingRecipe),
    /// The highest score.
    Rendezvous,
}

/// How weights are meant.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Weights {
    /// The scheme has none: different weights are refused.
    Unknown,
    /// Whole numbers, with this default.
    Whole(f64),
    /// Any positive numbers, with this default.
    Positive(f64),
}

/// What names nodes must have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Names {
    /// Any, as long as they differ.
    Any,
    /// This prefix and every number from 1 on: the number is the node's place.
    Numbered(&'static str),
    /// Given, not derived from the address, because of this.
    Given(&'static str),
}

impl Scheme {
    /// The scheme of a name.
    ///
    /// # Errors
    ///
    /// `BAD_PLACEMENT` where there is none.
    pub fn named(name: &str) -> Result<&'static Self> {
        SCHEMES
            .iter()
            .find(|scheme| scheme.name == name)
            .ok_or_else(|| {
                let names: Vec<_> = SCHEMES.iter().map(|scheme| scheme.name).collect();
                Error::placement(format!(
                    "there is no placement scheme \"{name}\"; there are {}",
                    names.join(", ")
                ))
            })
    }

    /// The parts that hold with some parameters, and what should be warned of.
    ///
    /// # Errors
    ///
    /// `BAD_PLACEMENT` for a parameter or a value that the scheme does not
    /// have, or values that cannot work together.
    pub fn recipe(&self, given: &BTreeMap<String, String>) -> Result<(Recipe, Vec<&'static str>)> {
        for name in given.keys() {
            if !self
                .parameters
                .iter()
                .any(|parameter| parameter.name == name)
            {
                return Err(Error::placement(self.unknown_parameter(name)));
            }
        }
        let mut recipe = self.recipe;
        let mut chosen = Vec::new();
        for parameter in self.parameters {
            let value = given
                .get(parameter.name)
                .map_or(parameter.default, String::as_str);
            chosen.push((
                parameter.name,
                parameter.read(self.name, value, &mut recipe)?,
            ));
        }
        let mut warnings = Vec::new();
        for rule in self.rules {
            if rule.when.iter().all(|condition| chosen.contains(condition)) {
                match rule.then {
                    Part::Text(encoding) => recipe.text = encoding,
                    Part::Tag(text, bytes) => (recipe.text_tag, recipe.bytes_tag) = (text, bytes),
                    Part::Hash(hash) => recipe.hash = hash,
                    Part::UnsignedChar => recipe.hash = recipe.hash.with_char(Char::Unsigned),
                    Part::Layout(layout) => recipe.layout = layout,
                    Part::Weights(weights) => recipe.weights = weights,
                    Part::Refuse(reason) => return Err(Error::placement(reason)),
                    Part::Warn(reason) => warnings.push(reason),
                }
            }
        }
        Ok((recipe, warnings))
    }

    fn unknown_parameter(&self, name: &str) -> String {
        let names: Vec<_> = self
            .parameters
            .iter()
            .map(|parameter| parameter.name)
            .collect();
        let known = if names.is_empty() {
            "it has none".into()
        } else {
            names.join(", ")
        };
        format!(
            "the scheme \"{}\" has no parameter \"{name}\" ({known})",
            self.name
        )
    }
}

impl Parameter {
    /// The value that rules are matched against; tags and hashes that are given
    /// by themselves go into the recipe at once.
    fn read(&self, scheme: &str, value: &str, recipe: &mut Recipe) -> Result<&'static str> {
        let known = match self.values {
            Values::OneOf(values) => values.iter().find(|known| **known == value).copied(),
            Values::Since(versions) => parse_version(value).and_then(|wanted| {
                versions
                    .iter()
                    .rfind(|known| parse_version(known) <= Some(wanted))
                    .copied()
            }),
            Values::TagPair => match value.as_bytes() {
                b"none" | b"false" => Some("none"),
                [open, close] => {
                    let rule = TagRule::Pair(*open, *close);
                    (recipe.text_tag, recipe.bytes_tag) = (rule, rule);
                    Some("pair")
                }
                _ => None,
            },
            Values::Hash(hashes) => hashes.iter().find(|hash| hash.name() == value).map(|hash| {
                recipe.hash = *hash;
                hash.name()
            }),
        };
        known.ok_or_else(|| {
            Error::placement(format!(
                "the scheme \"{scheme}\" knows no {} \"{value}\"; {}",
                self.name,
                self.values.list()
            ))
        })
    }
}

impl Values {
    fn list(self) -> String {
        match self {
            Self::OneOf(values) => format!("choose one of {}", values.join(", ")),
            Self::Since(versions) => {
                format!(
                    "give a version such as {}, from {} on",
                    versions[versions.len() - 1],
                    versions[0]
                )
            }
            Self::TagPair => "give the two characters around a tag, such as {}, or none".into(),
            Self::Hash(hashes) => {
                let names: Vec<_> = hashes.iter().map(|hash| hash.name()).collect();
                format!("choose one of {}", names.join(", "))
            }
        }
    }
}

/// Up to three numbers, compared as versions are.
fn parse_version(text: &str) -> Option<[u32; 3]> {
    let mut version = [0; 3];
    let mut parts = text.split('.');
    for (place, part) in version.iter_mut().zip(&mut parts) {
        *place = part.parse().ok()?;
    }
    parts.next().is_none().then_some(version)
}
