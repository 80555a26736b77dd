//! What the tests of the scanner share: a naive parser, and a driver that deals
//! with chunks as the JavaScript side does.
#![allow(dead_code, reason = "each test uses its part")]

use shardis_core::{
    Code,
    resp::{Progress, Scanner, Token, Wait},
};

/// A token with what it points to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    Text(u32, Vec<u8>),
    Number(u32, u32),
}

/// What becomes of some bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    pub items: Vec<Item>,
    /// How many replies are complete.
    pub replies: u32,
    /// Whether the last one, or a push, has begun and is not complete.
    pub inside: bool,
    pub refused: bool,
}

/// Why the naive parser stops.
enum Stop {
    Incomplete,
    Refused,
}

use Stop::{Incomplete, Refused};

/// A recursive parser of all bytes at once.
struct Naive<'b> {
    bytes: &'b [u8],
    at: usize,
    items: Vec<Item>,
    /// Whether values are skipped: then what is in strings does not matter, and a
    /// wrong line end is seen as early as can be.
    skipping: bool,
}

/// Parses replies, and leaves out pushes between them; or skips all.
pub fn parse(bytes: &[u8], skipping: bool) -> Outcome {
    let mut parser = Naive {
        bytes,
        at: 0,
        items: Vec::new(),
        skipping,
    };
    let mut outcome = Outcome::default();
    while parser.at < bytes.len() {
        let (start, items) = (parser.at, parser.items.len());
        let push = bytes[start] == b'>';
        parser.skipping = skipping || push;
        let end = parser.value(0);
        if parser.skipping {
            parser.items.truncate(items);
        }
        match end {
            Ok(()) => outcome.replies += u32::from(!push),
            Err(Incomplete) => {
                // A scan begins a reply when its first token is complete.
                outcome.inside = parser.skipping || parser.items.len() > items;
                break;
            }
            Err(Refused) => {
                outcome.refused = true;
                break;
            }
        }
    }
    outcome.items = parser.items;
    outcome
}

impl Naive<'_> {
    fn value(&mut self, depth: usize) -> Result<(), Stop> {
        let kind = *self.bytes.get(self.at).ok_or(Incomplete)?;
        let most = match kind {
            b'+' | b'-' | b',' | b'(' => 1 << 20,
            b'$' | b'=' | b'!' | b':' | b'_' | b'#' | b'*' | b'~' | b'%' | b'|' => 64,
            b'>' if depth == 0 => 64,
            b'>' => {
                self.line(64)?;
                return Err(Refused);
            }
            _ => return Err(Refused),
        };
        let line = self.line(most)?;
        let text = || std::str::from_utf8(&line).map_err(|_| Refused);
        match kind {
            b'$' | b'*' if line == b"-1" => self.number(Token::NULL, 0),
            b'_' if line.is_empty() => self.number(Token::NULL, 0),
            b'#' if line == b"t" => self.number(Token::BOOLEAN, 1),
            b'#' if line == b"f" => self.number(Token::BOOLEAN, 0),
            b'+' if !line.contains(&b'\r') => self.items.push(Item::Text(Token::STRING, line)),
            b'-' if !line.contains(&b'\r') => self.items.push(Item::Text(Token::ERROR, line)),
            b'(' if is_integer(&line) => self.items.push(Item::Text(Token::BIG_NUMBER, line)),
            b',' if is_double(text()?) => self.items.push(Item::Text(Token::DOUBLE, line)),
            b':' if is_integer(&line) => match text()?.parse::<i32>() {
                Ok(small) => self.number(Token::INTEGER, small.cast_unsigned()),
                Err(_) => self.items.push(Item::Text(Token::LONG_INTEGER, line)),
            },
            b'$' | b'!' | b'=' => {
                let length = length(text()?, 512 << 20)? as usize;
                if kind == b'=' && length < 4 {
                    return Err(Refused);
                }
                let content = self.body(length)?;
                let kinds = if kind == b'!' {
                    Token::ERROR
                } else {
                    Token::STRING
                };
                match (kind, content.get(3)) {
                    (b'=', Some(b':')) => self.items.push(Item::Text(kinds, content[4..].to_vec())),
                    (b'=', _) if !self.skipping => return Err(Refused),
                    _ => self.items.push(Item::Text(kinds, content)),
                }
            }
            b'*' | b'~' | b'>' => {
                let values = length(text()?, i32::MAX as u32)?;
                let token = if kind == b'~' {
                    Token::SET
                } else {
                    Token::ARRAY
                };
                self.number(token, values);
                self.values(values, depth)?;
            }
            b'%' | b'|' => {
                let pairs = length(text()?, (1 << 30) - 1)?;
                let map = kind == b'%';
                self.number(if map { Token::MAP } else { Token::ATTRIBUTE }, pairs);
                self.values(2 * pairs + u32::from(!map), depth)?;
            }
            _ => return Err(Refused),
        }
        Ok(())
    }

    fn values(&mut self, count: u32, depth: usize) -> Result<(), Stop> {
        if count > 0 && depth == 128 {
            self.items.pop();
            return Err(Refused);
        }
        (0..count).try_for_each(|_| self.value(depth + 1))
    }

    fn number(&mut self, kind: u32, number: u32) {
        self.items.push(Item::Number(kind, number));
    }

    /// The content of the line that begins here.
    fn line(&mut self, most: usize) -> Result<Vec<u8>, Stop> {
        let rest = &self.bytes[self.at..];
        match rest.iter().position(|byte| *byte == b'\n') {
            Some(end) if end < most => {
                self.at += end + 1;
                let line = rest[1..end].strip_suffix(b"\r").ok_or(Refused)?;
                Ok(line.to_vec())
            }
            None if rest.len() < most => Err(Incomplete),
            _ => Err(Refused),
        }
    }

    fn body(&mut self, length: usize) -> Result<Vec<u8>, Stop> {
        let rest = &self.bytes[self.at..];
        if self.skipping && rest.get(length).is_some_and(|byte| *byte != b'\r') {
            return Err(Refused);
        }
        let body = rest.get(..length + 2).ok_or(Incomplete)?;
        self.at += length + 2;
        let content = body.strip_suffix(b"\r\n").ok_or(Refused)?;
        Ok(content.to_vec())
    }
}

fn length(text: &str, most: u32) -> Result<u32, Stop> {
    if text.starts_with('+') {
        return Err(Refused);
    }
    let length: u32 = text.parse().map_err(|_| Refused)?;
    if length > most {
        return Err(Refused);
    }
    Ok(length)
}

fn is_integer(text: &[u8]) -> bool {
    let digits = match text.first() {
        Some(b'+' | b'-') => &text[1..],
        _ => text,
    };
    !digits.is_empty() && digits.iter().all(u8::is_ascii_digit)
}

fn is_double(text: &str) -> bool {
    // Rust reads what we do, and more words, in any case.
    let word = text.trim_start_matches(['+', '-']);
    text.parse::<f64>().is_ok()
        && (!word.contains(|letter: char| letter.is_alphabetic() && letter != 'e' && letter != 'E')
            || matches!(word, "inf" | "nan"))
}

/// Scans chunks as the JavaScript side does, with room for so many tokens, and
/// so many replies wanted at a time.
pub fn scan(chunks: &[&[u8]], room: usize, most: u32) -> Outcome {
    let mut scanner = Scanner::new();
    let mut outcome = Outcome::default();
    let mut tokens = vec![[u32::MAX; 3]; room];
    // What has not been consumed of the chunks so far, and what that waits for.
    let mut kept: Vec<u8> = Vec::new();
    let mut wait = Wait::Nothing;
    for chunk in chunks {
        kept.extend_from_slice(chunk);
        match wait {
            Wait::Bytes(bytes) if kept.len() < bytes => continue,
            Wait::Line(most) if kept.len() < most && !chunk.contains(&b'\n') => continue,
            _ => {}
        }
        let mut from = 0;
        loop {
            let mut progress = Progress::default();
            let skips = wait == Wait::Push;
            let result = if skips {
                scanner.skip(&kept, from, 0, &mut progress)
            } else {
                scanner.scan(&kept, from, most, &mut tokens, &mut progress)
            };
            assert!(progress.consumed >= from && progress.consumed <= kept.len());
            assert!(progress.replies <= most && progress.tokens <= room);
            let written = &tokens[..progress.tokens];
            outcome
                .items
                .extend(written.iter().map(|token| item(&kept, *token)));
            outcome.replies += progress.replies;
            outcome.inside = progress.inside;
            if let Err(error) = result {
                assert_eq!(error.code(), Code::Protocol, "{error}");
                assert!(error.to_string().len() < 300);
                outcome.refused = true;
                outcome.inside = false;
                return outcome;
            }
            let moved = progress.consumed > from;
            from = progress.consumed;
            wait = progress.wait;
            if skips && progress.inside {
                assert_eq!(from, kept.len());
                wait = Wait::Push;
                break;
            }
            match wait {
                Wait::Nothing if from == kept.len() => break,
                Wait::Nothing => assert!(moved || skips, "it stands still"),
                Wait::Push => assert_eq!(kept[from], b'>'),
                Wait::Bytes(bytes) => {
                    assert!(kept.len() - from < bytes, "it waits for what is there");
                    break;
                }
                Wait::Line(most) => {
                    assert!(kept.len() - from < most && !kept[from..].contains(&b'\n'));
                    break;
                }
            }
        }
        kept.drain(..from);
    }
    // A push whose type has not been seen by skip has begun all the same.
    outcome
}

fn item(bytes: &[u8], [kind, a, b]: [u32; 3]) -> Item {
    match kind {
        Token::STRING | Token::LONG_INTEGER | Token::ERROR | Token::DOUBLE | Token::BIG_NUMBER => {
            Item::Text(kind, bytes[a as usize..b as usize].to_vec())
        }
        _ => {
            assert_eq!(b, 0);
            Item::Number(kind, a)
        }
    }
}

/// Skips chunks, so many replies at a time.
pub fn skip(chunks: &[&[u8]], most: u32) -> Outcome {
    let mut scanner = Scanner::new();
    let mut outcome = Outcome::default();
    // How many replies are left of those that are to be skipped.
    let mut left = most;
    for chunk in chunks {
        let mut from = 0;
        while from < chunk.len() {
            let mut progress = Progress::default();
            let result = scanner.skip(chunk, from, left, &mut progress);
            assert!(progress.consumed >= from && progress.consumed <= chunk.len());
            assert!(progress.replies <= left);
            assert_eq!((progress.tokens, progress.wait), (0, Wait::Nothing));
            outcome.replies += progress.replies;
            outcome.inside = progress.inside;
            if let Err(error) = result {
                assert_eq!(error.code(), Code::Protocol, "{error}");
                outcome.refused = true;
                outcome.inside = false;
                return outcome;
            }
            left -= progress.replies;
            if left == 0 {
                assert!(!progress.inside);
                left = most;
            } else {
                assert_eq!(progress.consumed, chunk.len());
            }
            from = progress.consumed;
        }
    }
    outcome
}

/// The pieces of bytes that are cut at these places.
pub fn cut(bytes: &[u8], mut places: Vec<usize>) -> Vec<&[u8]> {
    places.extend([0, bytes.len()]);
    places.sort_unstable();
    places
        .windows(2)
        .map(|pair| &bytes[pair[0]..pair[1]])
        .collect()
}
