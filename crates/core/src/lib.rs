//! Which of many Redis nodes owns a key.
//!
//! Pure arithmetic on bytes, without I/O: how a dozen clients and proxies place
//! keys on nodes, byte for byte, so that shardis finds what they wrote.
//!
//! Data flows one way: a [`Key`] is read through a hash-tag rule ([`tag`]),
//! hashed ([`hash`]), and placed ([`place`]). A [`scheme`] names one choice of
//! each; a [`Placement`] is a scheme over given nodes, and a batch of [`Keys`]
//! goes through it in one [plan](Placement::plan).

mod checks;
mod error;
pub mod hash;
mod keys;
pub mod place;
mod placement;
mod plan;
mod read;
pub mod resp;
pub mod scheme;
pub mod tag;

pub use error::{Code, Error, Result};
pub use keys::Keys;
pub use placement::{Explanation, Options, Placement};
pub use read::{Key, Kind};
