//! What one line of a reply says: a whole value, or what follows it.

use super::token::Token;
use crate::{error::Error, keys::first};

/// The longest line that holds a length or an integer, its type and CRLF included.
const MOST_NUMBER_LINE: usize = 64;

/// The longest line that holds anything else. Redis sets no limit to what a
/// script returns as a status or as an error.
const MOST_TEXT_LINE: usize = 1 << 20;

/// The most bytes of a string: Redis' own limit, unless `proto-max-bulk-len` says otherwise.
const MOST_BYTES: u32 = 512 << 20;

/// The most values of an aggregate.
const MOST_VALUES: u32 = i32::MAX as u32;

/// The most pairs of an aggregate: twice as many values, and one more, are no
/// more than the most.
const MOST_PAIRS: u32 = (MOST_VALUES - 1) / 2;

/// How many bytes of a verbatim string stand before its content, such as `txt:`.
const FORMAT: usize = 4;

/// What is read, or why that cannot be: a plain reason until the end, as values
/// are many, and an error has a message of its own.
pub(super) type Read<T> = Result<T, &'static str>;

/// What a line says.
#[derive(Clone, Copy, Debug)]
pub(super) enum Line {
    /// A value, all of which is in the line.
    Value(Token),
    /// A string behind the line, and a line end behind that.
    Body {
        kind: u32,
        length: usize,
        /// How many of its bytes stand before its content.
        format: usize,
    },
    /// An aggregate: so many values behind the line.
    Open { token: Token, values: u32 },
    /// The same, but no reply to anything.
    Push { values: u32 },
}

/// The longest line of a type, if there is such a type.
#[inline]
pub(super) const fn most_bytes(kind: u8) -> Option<usize> {
    match kind {
        b'+' | b'-' | b',' | b'(' => Some(MOST_TEXT_LINE),
        b'$' | b':' | b'*' | b'_' | b'#' | b'%' | b'~' | b'=' | b'!' | b'>' | b'|' => {
            Some(MOST_NUMBER_LINE)
        }
        _ => None,
    }
}

/// Reads the line that `bytes` begin with, and tells how long it is; nothing if
/// its end is not there yet. In tokens the line begins at the offset `at`.
#[inline]
pub(super) fn read(bytes: &[u8], at: usize) -> Read<Option<(Line, usize)>> {
    let Some(&kind) = bytes.first() else {
        return Ok(None);
    };
    let Some(most) = most_bytes(kind) else {
        return Err("no type of value begins so");
    };
    let Some(end) = first(&bytes[..bytes.len().min(most)], b'\n') else {
        return if bytes.len() < most {
            Ok(None)
        } else {
            Err("the line is too long for its type")
        };
    };
    let Some(content) = bytes[1..end].strip_suffix(b"\r") else {
        return Err("there is a line feed without a carriage return");
    };
    let line = parse(kind, content, at + 1)?;
    Ok(Some((line, end + 1)))
}

/// What a line says, by its type and its content, which begins at the offset `at`.
#[inline]
fn parse(kind: u8, content: &[u8], at: usize) -> Read<Line> {
    Ok(match kind {
        b'$' | b'*' if content == b"-1" => Line::Value(Token::number(Token::NULL, 0)),
        b'$' => string(Token::STRING, content)?,
        b'!' => string(Token::ERROR, content)?,
        b'=' => match length(content, MOST_BYTES)? as usize {
            ..FORMAT => return Err(NO_FORMAT),
            length => Line::Body {
                kind: Token::STRING,
                length,
                format: FORMAT,
            },
        },
        b'*' => values(Token::ARRAY, content)?,
        b'~' => values(Token::SET, content)?,
        b'%' => pairs(Token::MAP, content, 0)?,
        // Together with the value that they are about, the pairs are one value.
        b'|' => pairs(Token::ATTRIBUTE, content, 1)?,
        b'>' => Line::Push {
            values: length(content, MOST_VALUES)?,
        },
        _ => Line::Value(value(kind, content, at)?),
    })
}

pub(super) const NO_FORMAT: &str = "a verbatim string begins with three letters and a colon";

#[inline]
fn string(kind: u32, content: &[u8]) -> Read<Line> {
    Ok(Line::Body {
        kind,
        length: length(content, MOST_BYTES)? as usize,
        format: 0,
    })
}

#[inline]
fn values(kind: u32, content: &[u8]) -> Read<Line> {
    let values = length(content, MOST_VALUES)?;
    let token = Token::number(kind, values);
    Ok(Line::Open { token, values })
}

fn pairs(kind: u32, content: &[u8], more: u32) -> Read<Line> {
    let pairs = length(content, MOST_PAIRS)?;
    let token = Token::number(kind, pairs);
    let values = 2 * pairs + more;
    Ok(Line::Open { token, values })
}

/// A value that is all in its line.
#[inline]
fn value(kind: u8, content: &[u8], at: usize) -> Read<Token> {
    let text = |kind| Token {
        kind,
        a: at,
        b: at + content.len(),
    };
    let when = |good, token, reason| if good { Ok(token) } else { Err(reason) };
    match kind {
        b':' => integer(content).map(|small| match small {
            Some(small) => Token::number(Token::INTEGER, small.cast_unsigned()),
            None => text(Token::LONG_INTEGER),
        }),
        b'+' => when(is_one_line(content), text(Token::STRING), TWO_LINES),
        b'-' => when(is_one_line(content), text(Token::ERROR), TWO_LINES),
        b',' => when(
            is_double(content),
            text(Token::DOUBLE),
            "a double has digits, a point, an exponent, or is inf or nan",
        ),
        b'(' => when(
            is_digits(unsigned(content)),
            text(Token::BIG_NUMBER),
            "an integer is digits",
        ),
        b'#' => match content {
            b"t" => Ok(Token::number(Token::BOOLEAN, 1)),
            b"f" => Ok(Token::number(Token::BOOLEAN, 0)),
            _ => Err("a boolean is t or f"),
        },
        _ => when(
            content.is_empty(),
            Token::number(Token::NULL, 0),
            "a null has no content",
        ),
    }
}

const TWO_LINES: &str = "there is a carriage return within the line";

#[inline]
fn is_one_line(content: &[u8]) -> bool {
    first(content, b'\r').is_none()
}

/// A length: digits, and at most `most`.
#[inline]
fn length(content: &[u8], most: u32) -> Read<u32> {
    if content == b"?" {
        return Err("streamed values are not supported; no server sends them");
    }
    if !is_digits(content) {
        return Err("a length is digits");
    }
    let digit = |byte: &u8| u32::from(byte - b'0');
    content
        .iter()
        .try_fold(0_u32, |sum, byte| {
            sum.checked_mul(10)?.checked_add(digit(byte))
        })
        .filter(|length| *length <= most)
        .ok_or("the length is beyond all limits")
}

/// An integer, if it fits 32 bits.
#[inline]
fn integer(content: &[u8]) -> Read<Option<i32>> {
    let digits = unsigned(content);
    if !is_digits(digits) {
        return Err("an integer is digits");
    }
    // Nine digits always fit.
    if digits.len() > 9 {
        let text = std::str::from_utf8(content);
        return Ok(text.ok().and_then(|text| text.parse().ok()));
    }
    let digit = |byte: &u8| i32::from(byte - b'0');
    let number = digits.iter().fold(0, |sum, byte| sum * 10 + digit(byte));
    Ok(Some(if content[0] == b'-' { -number } else { number }))
}

/// `[+-]digits[.digits][e[+-]digits]`, `inf` or `nan`; digits on one side of
/// the point will do, and some systems print a sign before `nan`.
fn is_double(content: &[u8]) -> bool {
    let content = unsigned(content);
    let exponent = content.iter().position(|byte| matches!(byte, b'e' | b'E'));
    let (mantissa, exponent) = match exponent {
        Some(at) => (&content[..at], Some(&content[at + 1..])),
        None => (content, None),
    };
    let (whole, fraction) = match first(mantissa, b'.') {
        Some(at) => (&mantissa[..at], &mantissa[at + 1..]),
        None => (mantissa, &[][..]),
    };
    let digits = |part: &[u8]| part.is_empty() || is_digits(part);
    matches!(content, b"inf" | b"nan")
        || (whole.len() + fraction.len() > 0
            && digits(whole)
            && digits(fraction)
            && exponent.is_none_or(|exponent| is_digits(unsigned(exponent))))
}

/// A number without the sign in front.
#[inline]
fn unsigned(number: &[u8]) -> &[u8] {
    let unsigned = number.strip_prefix(b"-");
    unsigned
        .or_else(|| number.strip_prefix(b"+"))
        .unwrap_or(number)
}

#[inline]
fn is_digits(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(u8::is_ascii_digit)
}

/// An error that shows where reading went wrong.
#[cold]
pub(super) fn refuse(found: &[u8], reason: &str) -> Error {
    const SHOWN: usize = 24;
    let shown = found[..found.len().min(SHOWN)].escape_ascii();
    let more = if found.len() > SHOWN { "…" } else { "" };
    Error::protocol(format!(
        "the server's reply cannot be read from \"{shown}{more}\" on: {reason}"
    ))
}
