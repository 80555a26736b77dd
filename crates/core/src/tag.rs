//! Hash-tag rules: which part of a key is hashed, and, where a system cuts the
//! tag off, which part is stored. One function a rule.
//!
//! A tag lets a user keep several keys on one node: `cart:{42}` and
//! `user:{42}` are both placed by `42`. Every system has its own idea of where
//! a tag begins and ends, and data already written depends on it.

/// A key, seen through a tag rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tagged<'key> {
    /// The bytes that are hashed.
    pub hashed: &'key [u8],
    /// The bytes that go on the wire.
    pub stored: &'key [u8],
    /// Whether the key carried a tag.
    pub found: bool,
}

impl<'key> Tagged<'key> {
    const fn whole(key: &'key [u8]) -> Self {
        Self {
            hashed: key,
            stored: key,
            found: false,
        }
    }

    const fn part(key: &'key [u8], hashed: &'key [u8]) -> Self {
        Self {
            hashed,
            stored: key,
            found: true,
        }
    }
}

/// The tag rules of the systems whose data shardis reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TagRule {
    /// No tags: the whole key.
    None,
    /// Between the first `open` and the first `close` after it, if not empty:
    /// Redis Cluster, go-redis, Predis and twemproxy's `hash_tag`.
    Pair(u8, u8),
    /// As `Pair(b'{', b'}')`, but an empty tag counts, and hashes nothing: Codis.
    PairOrEmpty,
    /// As `PairOrEmpty` up to the first NUL byte, where C's `strchr` stops: phpredis.
    PhpRedis,
    /// Python's `.*\{(.*)\}.*` matched at the start: redis-shard, django-redis.
    Greedy,
    /// Python's `.+\{(.*)\}.*`: the first redis-shard releases.
    GreedyAfterOne,
    /// Ruby's `/^\{(.+?)\}/`: redis-rb.
    LineStart,
    /// Java's `\{(.+?)\}`: Jedis' `DEFAULT_KEY_TAG_PATTERN`.
    Shortest,
    /// From the first `{` up to the last byte; braces and tag are cut off the
    /// stored key: rediscluster for Python 2.
    CutFirst,
    /// From the first `{` up to the last character of a text: rediscluster for
    /// Python 3.
    CutFirstOfText,
    /// From the last `{` that is not at the start; cut off: rediscluster for PHP.
    CutLast,
}

impl TagRule {
    /// Applies the rule.
    #[must_use]
    #[inline]
    pub fn apply(self, key: &[u8]) -> Tagged<'_> {
        match self {
            Self::None => Tagged::whole(key),
            Self::Pair(open, close) => pair(key, open, close),
            Self::PairOrEmpty => pair_or_empty(key, key),
            Self::PhpRedis => pair_or_empty(key, until(key, 0)),
            Self::Greedy => greedy(key, 0),
            Self::GreedyAfterOne => greedy(key, 1),
            Self::LineStart => line_start(key),
            Self::Shortest => shortest(key),
            Self::CutFirst => cut(key, find(key, b'{'), 1),
            Self::CutFirstOfText => cut(key, find(key, b'{'), last_character(key)),
            Self::CutLast => {
                let last = key.iter().rposition(|&byte| byte == b'{');
                cut(key, last.filter(|&at| at > 0), 1)
            }
        }
    }

    /// Whether stored keys may differ from the keys given.
    #[must_use]
    pub const fn rewrites_keys(self) -> bool {
        matches!(self, Self::CutFirst | Self::CutFirstOfText | Self::CutLast)
    }
}

/// The position of the first `wanted`. Keys are short: a plain loop, which the
/// compiler unrolls, beats the set-up of a vectorised search.
#[inline]
fn find(bytes: &[u8], wanted: u8) -> Option<usize> {
    bytes.iter().position(|&byte| byte == wanted)
}

fn until(bytes: &[u8], end: u8) -> &[u8] {
    &bytes[..find(bytes, end).unwrap_or(bytes.len())]
}

#[inline]
fn pair(key: &[u8], open: u8, close: u8) -> Tagged<'_> {
    let Some(start) = find(key, open) else {
        return Tagged::whole(key);
    };
    let rest = &key[start + 1..];
    match find(rest, close) {
        None | Some(0) => Tagged::whole(key),
        Some(end) => Tagged::part(key, &rest[..end]),
    }
}

fn pair_or_empty<'key>(key: &'key [u8], searched: &'key [u8]) -> Tagged<'key> {
    let tag = find(searched, b'{').and_then(|start| {
        let rest = &searched[start + 1..];
        find(rest, b'}').map(|end| &rest[..end])
    });
    tag.map_or(Tagged::whole(key), |tag| Tagged::part(key, tag))
}

/// Python's `re.match(r".*\{(.*)\}.*", key)`. A dot does not match a newline,
/// so only the first line counts; greedy dots find the last `{` that still has
/// a `}` behind it, and then the last `}`.
fn greedy(key: &[u8], before: usize) -> Tagged<'_> {
    let line = until(key, b'\n');
    let tag = line
        .iter()
        .rposition(|&byte| byte == b'}')
        .and_then(|close| {
            let open = line[..close].iter().rposition(|&byte| byte == b'{')?;
            (open >= before).then(|| &line[open + 1..close])
        });
    tag.map_or(Tagged::whole(key), |tag| Tagged::part(key, tag))
}

/// Ruby's `^` matches at the start of any line, and its dot no newline.
fn line_start(key: &[u8]) -> Tagged<'_> {
    for line in key.split(|&byte| byte == b'\n') {
        if let Some((b'{', rest)) = line.split_first()
            && let Some(tag) = lazy(rest)
        {
            return Tagged::part(key, tag);
        }
    }
    Tagged::whole(key)
}

/// `(.+?)\}` from the start of `rest`: at least one byte, then the nearest `}`.
fn lazy(rest: &[u8]) -> Option<&[u8]> {
    let end = find(rest.get(1..)?, b'}')? + 1;
    Some(&rest[..end])
}

fn shortest(key: &[u8]) -> Tagged<'_> {
    let mut start = 0;
    while let Some(open) = find(&key[start..], b'{') {
        start += open + 1;
        // Where the dot meets a line terminator the match fails, and Java
        // tries the next brace.
        if let Some(tag) = lazy(&key[start..])
            && !has_line_terminator(tag)
        {
            return Tagged::part(key, tag);
        }
    }
    Tagged::whole(key)
}

/// What a dot does not match in `java.util.regex`: `\n \r U+0085 U+2028 U+2029`.
fn has_line_terminator(tag: &[u8]) -> bool {
    tag.iter().any(|byte| matches!(byte, b'\n' | b'\r'))
        || tag.windows(2).any(|pair| pair == [0xC2, 0x85])
        || tag
            .windows(3)
            .any(|three| matches!(three, [0xE2, 0x80, 0xA8 | 0xA9]))
}

/// `hash(key[start + 1 : -1])` and `send(key[:start])`: rediscluster drops what
/// comes last without a look at it.
fn cut(key: &[u8], start: Option<usize>, last: usize) -> Tagged<'_> {
    let Some(start) = start else {
        return Tagged::whole(key);
    };
    let end = (key.len() - last).max(start + 1);
    Tagged {
        hashed: &key[start + 1..end],
        stored: &key[..start],
        found: true,
    }
}

/// How many bytes the last character of a text has.
fn last_character(text: &[u8]) -> usize {
    let begins_one = |byte: &u8| byte & 0b1100_0000 != 0b1000_0000;
    text.iter()
        .rposition(begins_one)
        .map_or(1, |at| text.len() - at)
}
