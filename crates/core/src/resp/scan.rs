//! Finds where the values of replies lie, without making any.
//!
//! Bytes come in chunks that end anywhere. [`Scanner::scan`] consumes whole
//! values, so that whoever keeps the bytes keeps no more than one that is not
//! all there; what is around it, the scanner remembers.

use std::ops::ControlFlow::{self, Break, Continue};

use super::{
    line::{self, Line, NO_FORMAT, Read, refuse},
    token::Token,
};
use crate::error::{Error, Result};

/// How deep aggregates may lie in each other. Those of Redis lie a handful deep.
const MOST_DEPTH: usize = 128;

/// How a scan went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// The offset up to which all has been dealt with.
    pub consumed: usize,
    /// How many tokens have been written.
    pub tokens: usize,
    /// How many replies have been completed.
    pub replies: u32,
    /// What is needed to go on.
    pub wait: Wait,
    /// Whether a reply, or a push, has begun and is not complete.
    pub inside: bool,
    /// Whether that is a push.
    pub inside_push: bool,
}

/// What a scanner needs to go on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wait {
    /// Nothing special.
    #[default]
    Nothing,
    /// So many bytes from what has been consumed on.
    Bytes(usize),
    /// The line that begins there, to its end. It has at most so many bytes.
    Line(usize),
    /// That the push which begins there is skipped.
    Push,
}

/// A scanner of the replies on one connection.
///
/// It keeps how deep it is, not what it has seen. After an error it is of no use
/// any more, since nobody knows where the next reply begins.
#[derive(Debug, Default)]
pub struct Scanner {
    /// How many values are to come in the innermost aggregate; where there is
    /// none, how many replies are wanted.
    pub(super) left: u32,
    /// The same for what is around it, outermost first.
    pub(super) around: Vec<u32>,
    /// What it is in the midst of from one call to the next.
    pub(super) within: Within,
    /// When skipping: whether that is a push.
    pub(super) push: bool,
    /// When skipping: the beginning of a line whose end is to come.
    pub(super) line: Vec<u8>,
    /// When skipping: how many bytes of a string and of its line end are to come.
    pub(super) body: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Within {
    #[default]
    Nothing,
    /// A reply that is scanned.
    Scanned,
    /// A reply or a push that is skipped.
    Skipped,
    /// An error.
    Error,
}

impl Scanner {
    /// A scanner at the beginning of a reply.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Scans `bytes` from `from` on, until `most` replies are complete, `tokens`
    /// are full, or the bytes end. `progress` tells how far it went; that and
    /// the tokens hold also where an error follows.
    ///
    /// # Errors
    ///
    /// `PROTOCOL` where the bytes are no replies.
    ///
    /// ```
    /// use shardis_core::resp::{Progress, Scanner, Token, Wait};
    ///
    /// let mut tokens = [[0; 3]; 8];
    /// let mut progress = Progress::default();
    /// Scanner::new().scan(b"*2\r\n:7\r\n$5\r\nab", 0, 1, &mut tokens, &mut progress)?;
    /// assert_eq!(tokens[..2], [[Token::ARRAY, 2, 0], [Token::INTEGER, 7, 0]]);
    /// assert_eq!((progress.consumed, progress.tokens, progress.replies), (8, 2, 0));
    /// assert_eq!((progress.wait, progress.inside), (Wait::Bytes(11), true));
    /// # Ok::<(), shardis_core::Error>(())
    /// ```
    pub fn scan(
        &mut self,
        bytes: &[u8],
        from: usize,
        most: u32,
        tokens: &mut [[u32; 3]],
        progress: &mut Progress,
    ) -> Result<()> {
        *progress = Progress {
            consumed: from,
            ..Progress::default()
        };
        self.begin(bytes, from, &[Within::Nothing, Within::Scanned])?;
        self.want(most);
        let wait = self.scan_values(bytes, tokens, progress);
        progress.replies = most - self.wanted();
        progress.inside = !self.around.is_empty();
        progress.wait = wait.map_err(|reason| refuse(&bytes[progress.consumed..], reason))?;
        self.within = if progress.inside {
            Within::Scanned
        } else {
            Within::Nothing
        };
        Ok(())
    }

    #[inline]
    fn scan_values(
        &mut self,
        bytes: &[u8],
        tokens: &mut [[u32; 3]],
        progress: &mut Progress,
    ) -> Read<Wait> {
        while self.wanted() > 0 && progress.tokens < tokens.len() {
            let room = &mut tokens[progress.tokens..];
            let run = short_strings(bytes, &mut progress.consumed, self.left, room);
            if run > 0 {
                progress.tokens += run as usize;
                self.complete(run);
                continue;
            }
            let rest = &bytes[progress.consumed..];
            if rest.is_empty() {
                break;
            }
            let (token, size) = match self.scan_value(rest, progress.consumed)? {
                Continue(scanned) => scanned,
                Break(wait) => return Ok(wait),
            };
            tokens[progress.tokens] = token.words();
            progress.tokens += 1;
            progress.consumed += size;
        }
        Ok(Wait::Nothing)
    }

    /// The next token, and how many bytes it takes, or what it waits for. The
    /// bytes begin at the offset `at`.
    #[inline]
    fn scan_value(&mut self, bytes: &[u8], at: usize) -> Read<ControlFlow<Wait, (Token, usize)>> {
        if bytes[0] == b'>' && self.around.is_empty() {
            return Ok(Break(Wait::Push));
        }
        let Some((line, size)) = line::read(bytes, at)? else {
            let most = line::most_bytes(bytes[0]).unwrap_or_default();
            return Ok(Break(Wait::Line(most)));
        };
        match line {
            Line::Value(token) => {
                self.complete(1);
                Ok(Continue((token, size)))
            }
            Line::Open { token, values } => {
                self.open(values)?;
                Ok(Continue((token, size)))
            }
            Line::Body {
                kind,
                length,
                format,
            } => {
                let end = size + length;
                let content = size + format;
                match bytes.get(end..end + 2) {
                    None => return Ok(Break(Wait::Bytes(end + 2))),
                    Some(b"\r\n") => {}
                    Some(_) => return Err(NO_END),
                }
                if format > 0 && bytes[content - 1] != b':' {
                    return Err(NO_FORMAT);
                }
                self.complete(1);
                let token = Token {
                    kind,
                    a: at + content,
                    b: at + end,
                };
                Ok(Continue((token, end + 2)))
            }
            Line::Push { .. } => Err(NESTED_PUSH),
        }
    }

    /// Checks that a call makes sense after the last one. Until it has
    /// succeeded, it has failed.
    pub(super) fn begin(&mut self, bytes: &[u8], from: usize, after: &[Within]) -> Result<Within> {
        let within = std::mem::replace(&mut self.within, Within::Error);
        if within == Within::Error {
            return Err(Error::protocol(
                "the replies before these could not be read, so nobody knows where one begins",
            ));
        }
        if !after.contains(&within) {
            return Err(Error::internal(
                "a reply is either scanned to its end or skipped to its end",
            ));
        }
        if from > bytes.len() || u32::try_from(bytes.len()).is_err() {
            return Err(Error::internal(format!(
                "{} bytes cannot be scanned from {from} on",
                bytes.len()
            )));
        }
        Ok(within)
    }

    /// Sets how many replies are wanted. A push that is skipped counts as one more.
    pub(super) fn want(&mut self, replies: u32) {
        *self.around.first_mut().unwrap_or(&mut self.left) = replies + u32::from(self.push);
    }

    /// How many replies are still wanted.
    #[inline]
    pub(super) fn wanted(&self) -> u32 {
        *self.around.first().unwrap_or(&self.left) - u32::from(self.push)
    }

    /// So many values of the innermost aggregate are complete, and by that
    /// perhaps those around it.
    #[inline]
    pub(super) fn complete(&mut self, values: u32) {
        self.left -= values;
        while self.left == 0
            && let Some(left) = self.around.pop()
        {
            self.left = left - 1;
        }
    }

    /// An aggregate of so many values begins.
    #[inline]
    pub(super) fn open(&mut self, values: u32) -> Read<()> {
        if values == 0 {
            self.complete(1);
        } else if self.around.len() < MOST_DEPTH {
            self.around.push(self.left);
            self.left = values;
        } else {
            return Err("values lie too deep in each other");
        }
        Ok(())
    }
}

pub(super) const NO_END: &str = "the string does not end where its length says";
pub(super) const NESTED_PUSH: &str = "a push cannot be a value of a reply";

/// Scans up to `most` strings of less than 10,000 bytes, which most values are,
/// and tells how many there were. Whatever is anything else, also a lie, is left
/// to the careful way.
#[inline]
fn short_strings(bytes: &[u8], at: &mut usize, most: u32, tokens: &mut [[u32; 3]]) -> u32 {
    let mut run = 0;
    for token in tokens.iter_mut().take(most as usize) {
        let Some((start, end)) = short_string(bytes, *at) else {
            break;
        };
        let string = Token {
            kind: Token::STRING,
            a: start,
            b: end,
        };
        *token = string.words();
        *at = end + 2;
        run += 1;
    }
    run
}

/// Where the content of a string of less than 10,000 bytes lies.
#[inline]
pub(super) fn short_string(bytes: &[u8], at: usize) -> Option<(usize, usize)> {
    let digit = |byte: u8| {
        let digit = usize::from(byte.wrapping_sub(b'0'));
        (digit < 10).then_some(digit)
    };
    let (size, length) = match *bytes.get(at..)?.first_chunk()? {
        [b'$', a, b'\r', b'\n', _, _, _] => (4, digit(a)?),
        [b'$', a, b, b'\r', b'\n', _, _] => (5, 10 * digit(a)? + digit(b)?),
        [b'$', a, b, c, b'\r', b'\n', _] => (6, 100 * digit(a)? + 10 * digit(b)? + digit(c)?),
        [b'$', a, b, c, d, b'\r', b'\n'] => (
            7,
            1000 * digit(a)? + 100 * digit(b)? + 10 * digit(c)? + digit(d)?,
        ),
        _ => return None,
    };
    let (start, end) = (at + size, at + size + length);
    (bytes.get(end..end + 2)? == b"\r\n").then_some((start, end))
}
