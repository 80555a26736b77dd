//! The wire format of Redis, RESP2 and RESP3 alike: batches of commands are
//! [encoded](Batch), and replies [scanned](Scanner) for where their values lie.
//!
//! The format: <https://github.com/redis/redis-specifications/tree/master/protocol>.

mod encode;
mod line;
mod scan;
mod skip;
mod token;

pub use encode::{Batch, Output, Shape};
pub use scan::{Progress, Scanner, Wait};
pub use token::Token;
