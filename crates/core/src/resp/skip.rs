//! Walks over replies that nobody waits for, and over pushes.
//!
//! [`Scanner::skip`] consumes every byte it gets: what it has seen of a value
//! that is not all there, it remembers.

use super::{
    line::{self, Line, Read, refuse},
    scan::{NESTED_PUSH, NO_END, Progress, Scanner, Within, short_string},
};
use crate::{
    error::{Error, Result},
    keys::first,
};

impl Scanner {
    /// Walks over `most` replies, and every push before and between them; or,
    /// where `most` is 0, over pushes only. Unless that is done before, all bytes
    /// are consumed, and the next call goes on where they end.
    ///
    /// # Errors
    ///
    /// `PROTOCOL` where the bytes are no replies.
    ///
    /// ```
    /// use shardis_core::resp::{Progress, Scanner};
    ///
    /// let mut scanner = Scanner::new();
    /// let mut progress = Progress::default();
    /// scanner.skip(b">1\r\n+x\r\n*1\r\n$10", 0, 1, &mut progress)?;
    /// assert_eq!((progress.consumed, progress.replies, progress.inside), (15, 0, true));
    /// scanner.skip(b"\r\n0123456789\r\n+OK\r\n", 0, 1, &mut progress)?;
    /// assert_eq!((progress.consumed, progress.replies, progress.inside), (14, 1, false));
    /// # Ok::<(), shardis_core::Error>(())
    /// ```
    pub fn skip(
        &mut self,
        bytes: &[u8],
        from: usize,
        most: u32,
        progress: &mut Progress,
    ) -> Result<()> {
        *progress = Progress {
            consumed: from,
            ..Progress::default()
        };
        let within = self.begin(bytes, from, &[Within::Nothing, Within::Skipped])?;
        let only_pushes = most == 0;
        if only_pushes && within == Within::Skipped && !self.push {
            return Err(Error::internal("a reply is skipped to its end"));
        }
        // Room for a push, which is one more.
        self.want(most.min(u32::MAX - 1));
        let wanted = self.wanted();
        let skipped = self.skip_values(bytes, &mut progress.consumed, only_pushes);
        progress.replies = wanted - self.wanted();
        progress.inside = !self.is_between();
        progress.inside_push = progress.inside && self.push;
        skipped.map_err(|reason| {
            let found = if self.line.is_empty() {
                &bytes[progress.consumed..]
            } else {
                &self.line
            };
            refuse(found, reason)
        })?;
        self.within = if progress.inside {
            Within::Skipped
        } else {
            Within::Nothing
        };
        Ok(())
    }

    #[inline]
    fn skip_values(&mut self, bytes: &[u8], at: &mut usize, only_pushes: bool) -> Read<()> {
        while let Some(kind) = bytes.get(*at) {
            if self.is_between() {
                self.push = *kind == b'>' && (self.left > 0 || only_pushes);
                self.left += u32::from(self.push);
                if self.left == 0 {
                    break;
                }
            }
            *at += self.skip_part(&bytes[*at..])?;
            self.push &= !self.is_between();
        }
        Ok(())
    }

    /// Whether no reply and no push has begun.
    #[inline]
    fn is_between(&self) -> bool {
        self.around.is_empty() && self.line.is_empty() && self.body == 0
    }

    /// Skips a line, or a string, or strings, or what there is of them; and tells
    /// how many bytes that are.
    #[inline]
    fn skip_part(&mut self, bytes: &[u8]) -> Read<usize> {
        if self.body > 0 {
            return self.skip_body(bytes);
        }
        if self.line.is_empty() {
            let size = self.skip_short_strings(bytes);
            if size > 0 {
                return Ok(size);
            }
        }
        let (line, size) = self.skip_line(bytes)?;
        match line {
            None => {}
            Some(Line::Value(_)) => self.complete(1),
            Some(Line::Body { length, .. }) => self.body = length + LINE_END.len(),
            Some(Line::Push { .. }) if !self.around.is_empty() => return Err(NESTED_PUSH),
            Some(Line::Open { values, .. } | Line::Push { values }) => self.open(values)?,
        }
        Ok(size)
    }

    fn skip_short_strings(&mut self, bytes: &[u8]) -> usize {
        let (mut at, mut run) = (0, 0);
        while run < self.left
            && let Some((_, end)) = short_string(bytes, at)
        {
            run += 1;
            at = end + LINE_END.len();
        }
        if run > 0 {
            self.complete(run);
        }
        at
    }

    /// Skips what there is of a string and its line end.
    fn skip_body(&mut self, bytes: &[u8]) -> Read<usize> {
        let before = self.body;
        let size = bytes.len().min(before);
        let after = before - size;
        // The part of the line end that is among these bytes.
        let part = LINE_END.len().saturating_sub(before)..LINE_END.len().saturating_sub(after);
        if !bytes[..size].ends_with(&LINE_END[part]) {
            return Err(NO_END);
        }
        self.body = after;
        if after == 0 {
            self.complete(1);
        }
        Ok(size)
    }

    /// Reads a line, or keeps what there is of it.
    fn skip_line(&mut self, bytes: &[u8]) -> Read<(Option<Line>, usize)> {
        let Some(kind) = self.line.first() else {
            if let Some((line, size)) = line::read(bytes, 0)? {
                return Ok((Some(line), size));
            }
            self.line.extend_from_slice(bytes);
            return Ok((None, bytes.len()));
        };
        let most = line::most_bytes(*kind).unwrap_or_default() - self.line.len();
        let bytes = &bytes[..bytes.len().min(most)];
        let end = first(bytes, b'\n');
        let size = end.map_or(bytes.len(), |end| end + 1);
        self.line.extend_from_slice(&bytes[..size]);
        if end.is_none() && size < most {
            return Ok((None, size));
        }
        let line = line::read(&self.line, 0)?.map(|(line, _)| line);
        self.line = Vec::new();
        Ok((line, size))
    }
}

const LINE_END: [u8; 2] = *b"\r\n";
