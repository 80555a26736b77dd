/** The commands of the model test: how often each comes, and how its arguments are drawn. */
import type { Argument } from "../../src/commands/arguments.ts";
import type { Draw, Family } from "./model-draw.ts";

/** Some commands take objects and Maps too, which ioredis' type of arguments does not say. */
type Given = Argument | object;

type Row = readonly [command: string, weight: number, draw: (d: Draw) => readonly Given[]];

interface Group {
  readonly weight: number;
  readonly rows: readonly Row[];
}

const EXPIRY = (d: Draw): readonly Argument[] =>
  d.pick<() => readonly Argument[]>([
    () => [d.option("EX"), d.farSeconds()],
    () => [d.option("PX"), d.farMs()],
    () => [d.option("PXAT"), d.farMoment()],
  ])();

const SPAN = (d: Draw): readonly Argument[] => [d.index(), d.index()];

const BITS = (d: Draw): readonly Argument[] =>
  d.maybe(0.6, () => [...SPAN(d), ...d.maybe(0.5, () => [d.option("BYTE", "BIT")])]);

const STRINGS: Group = {
  weight: 10,
  rows: [
    ["set", 8, (d) => [d.key("string"), d.value()]],
    ["set", 3, (d) => [d.key("number"), d.int(-50, 50)]],
    [
      "set",
      4,
      (d) => [
        d.key("string"),
        d.value(),
        ...d.maybe(0.4, () => [d.option("NX", "XX")]),
        ...d.maybe(0.3, () => [d.option("GET")]),
        ...d.maybe(0.5, () => (d.chance(0.3) ? [d.option("KEEPTTL")] : EXPIRY(d))),
      ],
    ],
    ["get", 4, (d) => [d.key("string", "number")]],
    ["getset", 1, (d) => [d.key("string"), d.value()]],
    ["getdel", 1, (d) => [d.key("string", "number")]],
    ["getex", 1, (d) => [d.key("string"), ...d.maybe(0.7, () => EXPIRY(d))]],
    ["setnx", 1, (d) => [d.key("string"), d.value()]],
    ["setex", 1, (d) => [d.key("string"), d.farSeconds(), d.value()]],
    ["append", 2, (d) => [d.key("string"), d.value()]],
    ["strlen", 1, (d) => [d.key("string")]],
    ["incr", 2, (d) => [d.key("number", "string")]],
    ["decr", 1, (d) => [d.key("number")]],
    ["incrby", 2, (d) => [d.key("number"), d.int(-100, 100)]],
    ["decrby", 1, (d) => [d.key("number"), d.int(-100, 100)]],
    ["incrbyfloat", 2, (d) => [d.key("number"), d.half()]],
    ["getrange", 2, (d) => [d.key("string"), ...SPAN(d)]],
    ["setrange", 2, (d) => [d.key("string"), d.int(0, 20), d.value()]],
    ["setbit", 1, (d) => [d.key("string"), d.int(0, 100), d.int(0, 1)]],
    ["getbit", 1, (d) => [d.key("string"), d.int(0, 100)]],
    ["bitcount", 2, (d) => [d.key("string"), ...BITS(d)]],
    ["bitpos", 1, (d) => [d.key("string"), d.int(0, 1), ...BITS(d)]],
    [
      "bitfield",
      1,
      (d) => [d.key("string"), "INCRBY", d.pick(["u4", "i7"]), d.int(0, 30), d.int(-5, 9)],
    ],
    ["mget", 6, (d) => d.keys(1, 7, "string", "number", "set")],
    ["mset", 3, (d) => d.times(1, 5, () => [d.key("string", "number"), d.value()]).flat()],
    ["mset", 1, (d) => [new Map(d.times(1, 4, () => [d.key("string"), d.value()] as const))]],
    ["msetnx", 3, (d) => d.times(1, 3, () => [d.key("string", "number"), d.value()]).flat()],
    [
      "bitop",
      6,
      (d) => [
        d.option("AND", "OR", "XOR", "NOT"),
        ...d.keys(2, 5, "string", "string", "string", "hll"),
      ],
    ],
    ["bitop", 1, (d) => [d.option("NOT"), ...d.keys(2, 2, "string")]],
    [
      "lcs",
      3,
      (d) => [
        ...d.keys(2, 2, "string"),
        ...d.maybe(0.3, () => [d.option("LEN")]),
        ...d.maybe(0.4, () => [d.option("IDX")]),
        ...d.maybe(0.3, () => [d.option("MINMATCHLEN"), d.int(0, 3)]),
        ...d.maybe(0.3, () => [d.option("WITHMATCHLEN")]),
      ],
    ],
  ],
};

const EXPIRES: Group = {
  weight: 3,
  rows: [
    ["pexpire", 3, (d) => [d.anyKey(), d.farMs()]],
    ["pexpire", 1, (d) => [d.anyKey(), d.farMs(), d.option("NX", "XX", "GT", "LT")]],
    ["expire", 1, (d) => [d.anyKey(), d.farSeconds()]],
    ["expire", 0.3, (d) => [d.anyKey(), -1]],
    ["pexpireat", 1, (d) => [d.anyKey(), d.farMoment()]],
    ["expireat", 1, (d) => [d.anyKey(), d.farMoment() / 1000]],
    ["persist", 1, (d) => [d.anyKey()]],
    ["pexpiretime", 2, (d) => [d.anyKey()]],
    ["expiretime", 1, (d) => [d.anyKey()]],
    ["pttl", 1, (d) => [d.anyKey()]],
    ["ttl", 1, (d) => [d.anyKey()]],
  ],
};

const HASHES: Group = {
  weight: 5,
  rows: [
    [
      "hset",
      6,
      (d) => [d.key("hash"), ...d.times(1, 4, () => [d.member(), d.value()] as const).flat()],
    ],
    ["hset", 1, (d) => [d.key("hash"), { a: 1, b: "two" }]],
    ["hmset", 1, (d) => [d.key("hash"), d.member(), d.value()]],
    ["hsetnx", 1, (d) => [d.key("hash"), d.member(), d.value()]],
    ["hget", 2, (d) => [d.key("hash"), d.member()]],
    ["hmget", 2, (d) => [d.key("hash"), ...d.members(1, 4)]],
    ["hgetall", 3, (d) => [d.key("hash")]],
    ["hkeys", 1, (d) => [d.key("hash")]],
    ["hvals", 1, (d) => [d.key("hash")]],
    ["hlen", 1, (d) => [d.key("hash")]],
    ["hexists", 1, (d) => [d.key("hash"), d.member()]],
    ["hstrlen", 1, (d) => [d.key("hash"), d.member()]],
    ["hdel", 2, (d) => [d.key("hash"), ...d.members(1, 3)]],
    ["hincrby", 1, (d) => [d.key("hash"), d.pick(["n", "1"]), d.int(-9, 9)]],
    ["hincrbyfloat", 1, (d) => [d.key("hash"), d.pick(["n", "1"]), d.half()]],
    [
      "hrandfield",
      1,
      (d) => [d.key("hash"), 1000, ...d.maybe(0.5, () => [d.option("WITHVALUES")])],
    ],
    ["hscan", 1, (d) => [d.key("hash"), 0, "COUNT", 1000]],
  ],
};

/** Seconds that a command may block; nobody comes to its aid. */
const WAIT = 0.01;

const SIDE = (d: Draw): string => d.option("LEFT", "RIGHT");

const SORT = (d: Draw): readonly Argument[] => [
  ...d.maybe(0.3, () => [d.option("LIMIT"), d.int(-1, 3), d.int(-1, 5)]),
  ...d.maybe(0.4, () => [d.option("ASC", "DESC")]),
  ...d.maybe(0.6, () => [d.option("ALPHA")]),
];

/** Patterns that name some of the other keys for some of the elements. */
const PATTERN = (d: Draw): Argument =>
  d.pick<() => Argument>([
    () => d.pick(["n*", "n*", "{t}*", "s*", "z*", "*", Buffer.from("s*")]),
    () => `h*->${d.pick(["a", "n", "1"])}`,
  ])();

/** Without ALPHA: of elements that weigh the same any may come first then. */
const BY = (d: Draw): readonly Argument[] => [
  ...d.maybe(0.7, () => [d.option("BY"), PATTERN(d)]),
  ...d.maybe(0.4, () => [d.option("LIMIT"), d.int(-1, 3), d.int(-1, 5)]),
  ...d.times(0, 3, () => [d.option("GET"), d.chance(0.3) ? "#" : PATTERN(d)]).flat(),
  ...d.maybe(0.4, () => [d.option("ASC", "DESC")]),
];

const STORED = (d: Draw): readonly Argument[] =>
  d.maybe(0.5, () => [d.option("STORE"), d.key("list", "numbers")]);

const LISTS: Group = {
  weight: 7,
  rows: [
    ["rpush", 5, (d) => [d.key("list"), ...d.members(1, 4)]],
    ["lpush", 3, (d) => [d.key("list"), ...d.members(1, 3)]],
    ["rpush", 4, (d) => [d.key("numbers"), ...d.times(1, 4, () => d.half())]],
    ["lpushx", 1, (d) => [d.key("list"), d.member()]],
    ["rpushx", 1, (d) => [d.key("list"), d.member()]],
    ["lpop", 2, (d) => [d.key("list"), ...d.maybe(0.6, () => [d.int(0, 4)])]],
    ["rpop", 2, (d) => [d.key("list", "numbers"), ...d.maybe(0.6, () => [d.int(0, 4)])]],
    ["lrange", 3, (d) => [d.key("list", "numbers"), ...SPAN(d)]],
    ["llen", 1, (d) => [d.key("list")]],
    ["lindex", 1, (d) => [d.key("list"), d.index()]],
    ["lset", 1, (d) => [d.key("list"), d.index(), d.member()]],
    ["linsert", 1, (d) => [d.key("list"), d.option("BEFORE", "AFTER"), d.member(), d.member()]],
    ["lrem", 1, (d) => [d.key("list"), d.int(-2, 2), d.member()]],
    ["ltrim", 2, (d) => [d.key("list", "numbers"), ...SPAN(d)]],
    [
      "lpos",
      1,
      (d) => [d.key("list"), d.member(), ...d.maybe(0.6, () => [d.option("COUNT"), d.int(0, 3)])],
    ],
    ["lmove", 4, (d) => [...d.keys(2, 2, "list", "numbers"), SIDE(d), SIDE(d)]],
    ["rpoplpush", 2, (d) => d.keys(2, 2, "list")],
    [
      "lmpop",
      2,
      (d) => [
        ...d.counted(1, 3, "list", "numbers"),
        SIDE(d),
        ...d.maybe(0.5, () => [d.option("COUNT"), d.int(1, 3)]),
      ],
    ],
    ["sort", 4, (d) => [d.key("numbers", "list", "set", "zset"), ...SORT(d)]],
    [
      "sort",
      6,
      (d) => [
        d.key("numbers", "list", "set", "zset"),
        ...SORT(d),
        d.option("STORE"),
        d.key("list", "numbers"),
      ],
    ],
    ["sort", 5, (d) => [d.key("numbers", "list", "set", "zset"), ...BY(d), ...STORED(d)]],
    ["sort_ro", 2, (d) => [d.key("numbers", "list", "set", "zset"), ...BY(d)]],
    ["blpop", 0.4, (d) => [...d.keys(1, 3, "list"), WAIT]],
    ["brpop", 0.4, (d) => [...d.keys(1, 3, "list", "numbers"), WAIT]],
    [
      "blmpop",
      0.4,
      (d) => [
        WAIT,
        ...d.counted(1, 3, "list", "numbers"),
        SIDE(d),
        ...d.maybe(0.5, () => [d.option("COUNT"), d.int(1, 3)]),
      ],
    ],
    ["blmove", 0.4, (d) => [...d.keys(2, 2, "list"), SIDE(d), SIDE(d), WAIT]],
    ["brpoplpush", 0.4, (d) => [...d.keys(2, 2, "list"), WAIT]],
    ["sort_ro", 1, (d) => [d.key("numbers", "set"), ...SORT(d)]],
  ],
};

const SETS: Group = {
  weight: 8,
  rows: [
    ["sadd", 12, (d) => [d.key("set"), ...d.members(1, 8)]],
    ["sadd", 3, (d) => [d.key("set"), ...d.times(1, 6, () => d.int(0, 9))]],
    ["srem", 2, (d) => [d.key("set"), ...d.members(1, 2)]],
    ["smembers", 3, (d) => [d.key("set")]],
    ["scard", 1, (d) => [d.key("set")]],
    ["sismember", 1, (d) => [d.key("set"), d.member()]],
    ["smismember", 1, (d) => [d.key("set"), ...d.members(1, 4)]],
    ["srandmember", 1, (d) => [d.key("set"), 1000]],
    ["spop", 0.5, (d) => [d.key("set"), 1000]],
    ["sscan", 1, (d) => [d.key("set"), 0, "COUNT", 1000]],
    ["smove", 4, (d) => [...d.keys(2, 2, "set"), d.member()]],
    ["sinter", 4, (d) => d.keys(1, 4, "set")],
    ["sunion", 4, (d) => d.keys(1, 4, "set")],
    ["sdiff", 4, (d) => d.keys(1, 4, "set")],
    [
      "sintercard",
      4,
      (d) => [...d.counted(1, 4, "set"), ...d.maybe(0.4, () => [d.option("LIMIT"), d.int(-1, 3)])],
    ],
    ["sinterstore", 4, (d) => d.keys(2, 5, "set")],
    ["sunionstore", 4, (d) => d.keys(2, 5, "set")],
    ["sdiffstore", 4, (d) => d.keys(2, 5, "set")],
  ],
};

/** Sets serve as sorted sets too. */
const SORTED: readonly Family[] = ["zset", "zset", "zset", "set"];

const UNITE = (d: Draw, keys: readonly Argument[]): readonly Argument[] => [
  ...d.maybe(0.5, () => [
    d.option("WEIGHTS"),
    ...Array.from({ length: keys.length - 1 }, () => d.half()),
  ]),
  ...d.maybe(0.5, () => [d.option("AGGREGATE"), d.option("SUM", "MIN", "MAX")]),
];

const COMBINE = (d: Draw): readonly Argument[] => {
  const keys = d.counted(1, 4, ...SORTED);
  return [...keys, ...UNITE(d, keys)];
};

const SCORE_BOUND = (d: Draw): Argument =>
  d.pick<() => Argument>([() => d.half(), () => `(${d.half()}`, () => d.pick(["-inf", "+inf"])])();

const LEX_BOUND = (d: Draw): string => d.pick(["-", "+", "[a", "(b", "[c", "(", "[ü"]);

const RANGE_OPTIONS = (d: Draw): readonly Argument[] => [
  ...d.maybe(0.3, () => [d.option("REV")]),
  ...d.maybe(0.3, () => [d.option("LIMIT"), d.int(0, 2), d.int(-1, 3)]),
];

const RANGE = (d: Draw): readonly Argument[] => [
  ...d.pick<() => readonly Argument[]>([
    () => SPAN(d),
    () => [SCORE_BOUND(d), SCORE_BOUND(d), d.option("BYSCORE")],
  ])(),
  ...RANGE_OPTIONS(d),
];

const LEX_RANGE = (d: Draw): readonly Argument[] => [
  LEX_BOUND(d),
  LEX_BOUND(d),
  d.option("BYLEX"),
  ...RANGE_OPTIONS(d),
];

const WITH_SCORES = (d: Draw): readonly Argument[] => d.maybe(0.5, () => [d.option("WITHSCORES")]);

const ZSETS: Group = {
  weight: 10,
  rows: [
    [
      "zadd",
      14,
      (d) => [d.key("zset"), ...d.times(1, 5, () => [d.score(), d.member()] as const).flat()],
    ],
    [
      "zadd",
      3,
      (d) => [
        d.key("zset"),
        d.option("NX", "XX", "GT", "LT"),
        ...d.maybe(0.5, () => [d.option("CH")]),
        d.score(),
        d.member(),
      ],
    ],
    ["zincrby", 1, (d) => [d.key("zset"), d.score(), d.member()]],
    ["zrem", 2, (d) => [d.key("zset"), ...d.members(1, 2)]],
    ["zscore", 1, (d) => [d.key("zset"), d.member()]],
    ["zmscore", 1, (d) => [d.key("zset"), ...d.members(1, 4)]],
    ["zrank", 1, (d) => [d.key("zset"), d.member()]],
    ["zrevrank", 1, (d) => [d.key("zset"), d.member()]],
    ["zcard", 1, (d) => [d.key("zset")]],
    ["zcount", 1, (d) => [d.key("zset"), SCORE_BOUND(d), SCORE_BOUND(d)]],
    ["zadd", 3, (d) => [d.lexKey(), ...d.times(1, 4, () => [0, d.member()] as const).flat()]],
    ["zrem", 0.5, (d) => [d.lexKey(), d.member()]],
    ["zrange", 1, (d) => [d.lexKey(), ...LEX_RANGE(d)]],
    ["zrangestore", 2, (d) => [d.key("zset"), d.lexKey(), ...LEX_RANGE(d)]],
    ["zlexcount", 1, (d) => [d.lexKey(), LEX_BOUND(d), LEX_BOUND(d)]],
    ["zrange", 3, (d) => [d.key("zset"), ...RANGE(d), ...WITH_SCORES(d)]],
    ["zrangebyscore", 1, (d) => [d.key("zset"), SCORE_BOUND(d), SCORE_BOUND(d), ...WITH_SCORES(d)]],
    ["zrevrange", 1, (d) => [d.key("zset"), ...SPAN(d), ...WITH_SCORES(d)]],
    ["zremrangebyrank", 0.5, (d) => [d.key("zset"), d.int(0, 2), d.int(0, 3)]],
    ["zremrangebyscore", 0.5, (d) => [d.key("zset"), d.half(), d.half()]],
    ["zpopmin", 1, (d) => [d.key("zset"), ...d.maybe(0.6, () => [d.int(0, 3)])]],
    ["zpopmax", 1, (d) => [d.key("zset"), ...d.maybe(0.6, () => [d.int(0, 3)])]],
    ["zrandmember", 0.5, (d) => [d.key("zset"), 1000, ...WITH_SCORES(d)]],
    ["zscan", 1, (d) => [d.key("zset"), 0, "COUNT", 1000]],
    [
      "zmpop",
      2,
      (d) => [
        ...d.counted(1, 3, "zset"),
        d.option("MIN", "MAX"),
        ...d.maybe(0.5, () => [d.option("COUNT"), d.int(1, 3)]),
      ],
    ],
    ["bzpopmin", 0.4, (d) => [...d.keys(1, 3, "zset"), WAIT]],
    ["bzpopmax", 0.4, (d) => [...d.keys(1, 3, "zset"), WAIT]],
    [
      "bzmpop",
      0.4,
      (d) => [
        WAIT,
        ...d.counted(1, 3, "zset"),
        d.option("MIN", "MAX"),
        ...d.maybe(0.5, () => [d.option("COUNT"), d.int(1, 3)]),
      ],
    ],
    ["zunion", 4, (d) => [...COMBINE(d), ...WITH_SCORES(d)]],
    ["zinter", 4, (d) => [...COMBINE(d), ...WITH_SCORES(d)]],
    ["zdiff", 4, (d) => [...d.counted(1, 4, ...SORTED), ...WITH_SCORES(d)]],
    [
      "zintercard",
      3,
      (d) => [
        ...d.counted(1, 4, ...SORTED),
        ...d.maybe(0.4, () => [d.option("LIMIT"), d.int(0, 3)]),
      ],
    ],
    ["zunionstore", 4, (d) => [d.key("zset"), ...COMBINE(d)]],
    ["zinterstore", 4, (d) => [d.key("zset"), ...COMBINE(d)]],
    ["zdiffstore", 3, (d) => [d.key("zset"), ...d.counted(1, 4, ...SORTED)]],
    ["zrangestore", 5, (d) => [...d.keys(2, 2, "zset", "zset", "geo"), ...RANGE(d)]],
  ],
};

const BLOCK = (d: Draw): readonly Argument[] =>
  d.maybe(0.3, () => [d.option("BLOCK"), 1000 * WAIT]);

const STREAM_FIELDS = (d: Draw): readonly Argument[] =>
  d.times(1, 2, () => [d.member(), d.value()] as const).flat();

const GROUP = (d: Draw): string => d.pick(["g", "g", "g", "h"]);

const STREAM_SPAN = (d: Draw): readonly [string, string] => [
  d.chance(0.4) ? "-" : d.streamId(),
  d.chance(0.4) ? "+" : d.streamId(),
];

const COUNT = (d: Draw): readonly Argument[] =>
  d.maybe(0.4, () => [d.option("COUNT"), d.int(1, 3)]);

const STREAMS: Group = {
  weight: 4,
  rows: [
    ["xadd", 8, (d) => [d.key("stream"), d.newStreamId(), ...STREAM_FIELDS(d)]],
    [
      "xadd",
      1,
      (d) => [
        d.key("stream"),
        "NOMKSTREAM",
        "MAXLEN",
        d.int(1, 5),
        d.newStreamId(),
        "f",
        d.value(),
      ],
    ],
    ["xlen", 1, (d) => [d.key("stream")]],
    ["xrange", 2, (d) => [d.key("stream"), ...STREAM_SPAN(d), ...COUNT(d)]],
    ["xrevrange", 1, (d) => [d.key("stream"), ...STREAM_SPAN(d).toReversed(), ...COUNT(d)]],
    ["xdel", 1, (d) => [d.key("stream"), ...d.times(1, 3, () => d.streamId())]],
    ["xtrim", 1, (d) => [d.key("stream"), d.option("MAXLEN"), d.int(0, 6)]],
    ["xread", 2, (d) => [...COUNT(d), d.option("STREAMS"), d.key("stream"), d.streamId()]],
    [
      "xgroup",
      5,
      (d) => [
        d.option("CREATE"),
        d.key("stream"),
        GROUP(d),
        d.pick(["0", "$", "5-0"]),
        ...d.maybe(0.3, () => ["MKSTREAM"]),
      ],
    ],
    [
      "xread",
      2,
      (d) => {
        const keys = d.keys(2, 3, "stream");
        const ids = keys.map(() => (d.chance(0.2) ? "$" : d.streamId()));
        return [...COUNT(d), ...BLOCK(d), d.option("STREAMS"), ...keys, ...ids];
      },
    ],
    ["xgroup", 0.3, (d) => ["DESTROY", d.key("stream"), GROUP(d)]],
    [
      "xreadgroup",
      5,
      (d) => [
        d.option("GROUP"),
        GROUP(d),
        d.pick(["c", "streams"]),
        ...COUNT(d),
        d.option("STREAMS"),
        d.key("stream"),
        d.pick([">", ">", "0"]),
      ],
    ],
    [
      "xreadgroup",
      4,
      (d) => {
        const keys = d.keys(2, 3, "stream");
        const ids = keys.map(() => d.pick([">", ">", ">", "0"]));
        const options = [...COUNT(d), ...BLOCK(d), ...d.maybe(0.2, () => [d.option("NOACK")])];
        const group = [d.option("GROUP"), GROUP(d), d.pick(["c", "streams"])];
        return [...group, ...options, d.option("STREAMS"), ...keys, ...ids];
      },
    ],
    ["xack", 2, (d) => [d.key("stream"), GROUP(d), d.streamId(), d.streamId()]],
    ["xpending", 1, (d) => [d.key("stream"), GROUP(d)]],
    ["xinfo", 1, (d) => ["GROUPS", d.key("stream")]],
  ],
};

const HLLS: Group = {
  weight: 4,
  rows: [
    ["pfadd", 4, (d) => [d.key("hll"), ...d.times(0, 8, () => d.int(0, 300))]],
    ["pfcount", 4, (d) => d.keys(1, 4, "hll")],
    ["pfmerge", 4, (d) => d.keys(1, 4, "hll")],
  ],
};

const PLACE = (d: Draw): readonly Argument[] => [d.longitude(), d.longitude()];

const UNIT = (d: Draw): string => d.option("m", "km", "mi", "ft");

const AREA = (d: Draw): readonly Argument[] => [
  ...(d.chance(0.5) ? [d.option("FROMLONLAT"), ...PLACE(d)] : [d.option("FROMMEMBER"), d.member()]),
  ...(d.chance(0.5)
    ? [d.option("BYRADIUS"), d.int(1, 300), UNIT(d)]
    : [d.option("BYBOX"), d.int(1, 600), d.int(1, 600), UNIT(d)]),
  ...d.maybe(0.5, () => [d.option("ASC", "DESC")]),
  ...d.maybe(0.3, () => [d.option("COUNT"), d.int(1, 4), ...d.maybe(0.3, () => ["ANY"])]),
];

const GEO_STORE = (d: Draw): readonly Argument[] => [
  ...COUNT(d),
  d.option("STORE", "STOREDIST"),
  d.key("zset", "geo"),
];

const GEOS: Group = {
  weight: 5,
  rows: [
    [
      "geoadd",
      8,
      (d) => [d.key("geo"), ...d.times(1, 4, () => [...PLACE(d), d.member()] as const).flat()],
    ],
    ["geopos", 1, (d) => [d.key("geo"), ...d.members(1, 3)]],
    ["geohash", 1, (d) => [d.key("geo"), ...d.members(1, 3)]],
    ["geodist", 1, (d) => [d.key("geo"), d.member(), d.member(), UNIT(d)]],
    [
      "geosearch",
      3,
      (d) => [
        d.key("geo"),
        ...AREA(d),
        ...d.maybe(0.4, () => [d.option("WITHDIST")]),
        ...d.maybe(0.3, () => [d.option("WITHCOORD")]),
        ...d.maybe(0.3, () => [d.option("WITHHASH")]),
      ],
    ],
    [
      "geosearchstore",
      6,
      (d) => [
        d.key("zset", "geo"),
        d.key("geo"),
        ...AREA(d),
        ...d.maybe(0.4, () => [d.option("STOREDIST")]),
      ],
    ],
    ["georadius", 2, (d) => [d.key("geo"), ...PLACE(d), d.int(1, 500), "km", ...GEO_STORE(d)]],
    ["georadius", 1, (d) => [d.key("geo"), ...PLACE(d), d.int(1, 500), "km", "WITHDIST"]],
    [
      "georadiusbymember",
      2,
      (d) => [d.key("geo"), d.member(), d.int(1, 500), "km", ...GEO_STORE(d)],
    ],
    ["georadiusbymember_ro", 1, (d) => [d.key("geo"), d.member(), d.int(1, 500), "km"]],
  ],
};

const GET_TYPE = "return {KEYS[1], ARGV[1], redis.call('type', KEYS[1]).ok}";

const KEYSPACE: Group = {
  weight: 7,
  rows: [
    ["del", 3, (d) => d.times(1, 3, () => d.anyKey())],
    ["unlink", 2, (d) => d.times(1, 3, () => d.anyKey())],
    ["exists", 4, (d) => d.times(1, 7, () => d.anyKey())],
    ["touch", 2, (d) => d.times(1, 5, () => d.anyKey())],
    ["type", 2, (d) => [d.anyKey()]],
    ["rename", 6, (d) => d.twoKeys()],
    ["renamenx", 4, (d) => d.twoKeys()],
    ["copy", 6, (d) => [...d.twoKeys(), ...d.maybe(0.5, () => [d.option("REPLACE")])]],
    ["keys", 2, (d) => [d.pick(["*", "?1", "{t}*", "*{*", "кл*", "none"])]],
    ["dbsize", 2, () => []],
    ["randomkey", 1, () => []],
    ["scan", 2, (d) => [0, "COUNT", d.int(1, 12), ...d.maybe(0.4, () => ["MATCH", "?1"])]],
    ["scan", 1, (d) => [0, "TYPE", d.pick(["zset", "string", "list"])]],
    ["flushdb", 0.4, () => []],
    ["echo", 0.5, (d) => [d.value()]],
    ["ping", 0.5, () => []],
    ["eval", 1, (d) => [GET_TYPE, 1, d.anyKey(), d.value()]],
    ["eval", 1, (d) => ["return redis.call('mget', unpack(KEYS))", 2, ...d.keys(2, 2, "string")]],
  ],
};

/** Groups of commands; each is as likely as its weight, and so is each command within it. */
export const GROUPS: readonly { weight: number; rows: readonly CommandRow[] }[] = [
  STRINGS,
  EXPIRES,
  HASHES,
  LISTS,
  SETS,
  ZSETS,
  STREAMS,
  HLLS,
  GEOS,
  KEYSPACE,
].map(({ weight, rows }) => ({
  weight,
  rows: rows.map(([command, weight, draw]) => ({ command, weight, draw })),
}));

export interface CommandRow {
  readonly command: string;
  readonly weight: number;
  readonly draw: (d: Draw) => readonly Given[];
}

/** Not in pipelines: what answers by chance, in several steps, or for a moment differently. */
export const ALONE: ReadonlySet<string> = new Set([
  "dbsize",
  "flushdb",
  "randomkey",
  "scan",
  "hscan",
  "sscan",
  "zscan",
]);

/** Every command that is drawn. */
export const DRAWN: ReadonlySet<string> = new Set(
  GROUPS.flatMap(({ rows }) => rows.map(({ command }) => command)),
);
