/**
 * Every scheme once more, as plainly as can be: regular expressions as the
 * originals have them, one byte at a time, BigInt, and rings that are walked
 * from their beginning. Slow, and short enough to be seen to be right.
 */
import { createHash } from "node:crypto";
import { crc32 as zlibCrc32 } from "node:zlib";
import type { SchemeOptions } from "../../src/index.ts";

/** A key through a tag rule: the tag, if it has one, and what is stored. */
interface Cut {
  tag: string | undefined;
  stored: string;
}

/** A tag rule over a text, or over bytes as text with a character for each. */
type TagRule = (key: string) => Cut;

type Hash = (bytes: Buffer) => bigint;

type Place = (hash: bigint) => number;

function byPattern(pattern: RegExp): TagRule {
  return (key) => ({ tag: pattern.exec(key)?.[1], stored: key });
}

/** `hash(key[i + 1 : -1])` and `send(key[:i])`, as Python and PHP slice. */
function cutting(find: (key: string) => number): TagRule {
  return (key) => {
    const at = find(key);
    if (at === -1) return { tag: undefined, stored: key };
    return { tag: [...key.slice(at + 1)].slice(0, -1).join(""), stored: key.slice(0, at) };
  };
}

const none: TagRule = (key) => ({ tag: undefined, stored: key });

/** The tag rules, by what they are called in `crates/core/src/tag.rs`. */
export const tags = {
  none,
  pair: byPattern(/^[^{]*\{([^}]+)\}/),
  dollars: byPattern(/^[^$]*\$([^$]+)\$/),
  pairOrEmpty: byPattern(/^[^{]*\{([^}]*)\}/),
  // C's strings end at a NUL.
  phpRedis: byPattern(/^[^{\0]*\{([^}\0]*)\}/),
  greedy: byPattern(/^[^\n]*\{([^\n]*)\}/),
  greedyAfterOne: byPattern(/^[^\n]+\{([^\n]*)\}/),
  lineStart: byPattern(/(?<=^|\n)\{([^\n]+?)\}/),
  shortest: byPattern(/\{([^\n\r\u0085\u2028\u2029]+?)\}/),
  cutFirst: cutting((key) => key.indexOf("{")),
  cutLast: cutting((key) => (key.lastIndexOf("{") > 0 ? key.lastIndexOf("{") : -1)),
};

const u32 = (number: number | bigint) => BigInt.asUintN(32, BigInt(number));
const u64 = (number: bigint) => BigInt.asUintN(64, number);

const crc32: Hash = (bytes) => BigInt(zlibCrc32(bytes));

/** CRC-16/XMODEM bit by bit, in a register of so many bits. */
function crc16(registerBits: number): Hash {
  return (bytes) => {
    let register = 0n;
    for (const byte of bytes) {
      let top = ((register >> 8n) & 0xffn) ^ BigInt(byte);
      top <<= 8n;
      for (let bit = 0; bit < 8; bit++) {
        top = BigInt.asUintN(16, top & 0x8000n ? (top << 1n) ^ 0x1021n : top << 1n);
      }
      register = BigInt.asUintN(registerBits, (register << 8n) ^ top);
    }
    return register;
  };
}

function digest(algorithm: string): (bytes: Buffer) => Buffer {
  return (bytes) => createHash(algorithm).update(bytes).digest();
}

const [md5, sha1, sha256] = ["md5", "sha1", "sha256"].map(digest) as [
  (bytes: Buffer) => Buffer,
  (bytes: Buffer) => Buffer,
  (bytes: Buffer) => Buffer,
];

const whole =
  (of: (bytes: Buffer) => Buffer): Hash =>
  (bytes) =>
    BigInt(`0x${of(bytes).toString("hex")}`);

const md5Le: Hash = (bytes) => BigInt(md5(bytes).readUInt32LE(0));
const md5Be: Hash = (bytes) => BigInt(md5(bytes).readUInt32BE(0));

/** The first eight bytes as phpredis reads them on a little-endian machine. */
const phpDigest =
  (of: (bytes: Buffer) => Buffer): Hash =>
  (bytes) => {
    const eight = Buffer.concat([of(bytes), Buffer.alloc(8)]).subarray(0, 8);
    return eight.readBigUInt64LE() % 0xffffffffn;
  };

function crc32Digest(bytes: Buffer): Buffer {
  const four = Buffer.alloc(4);
  four.writeUInt32BE(zlibCrc32(bytes));
  return four;
}

const signExtended = (byte: number) => BigInt.asUintN(32, BigInt(byte > 127 ? byte - 256 : byte));

/** FNV; twemproxy adds a byte as a `char`, whose sign is the machine's. */
function fnv(start: bigint, prime: bigint, bits: number, xorFirst: boolean, signed: boolean): Hash {
  return (bytes) => {
    let hash = start;
    for (const byte of bytes) {
      const char = BigInt.asUintN(
        bits,
        signed ? BigInt.asIntN(32, signExtended(byte)) : BigInt(byte),
      );
      if (xorFirst) hash ^= char;
      hash = BigInt.asUintN(bits, hash * prime);
      if (!xorFirst) hash ^= char;
    }
    return u32(hash);
  };
}

function oneAtATime(signed: boolean): Hash {
  return (bytes) => {
    let hash = 0n;
    for (const byte of bytes) {
      hash = u32(hash + (signed ? signExtended(byte) : BigInt(byte)));
      hash = u32(hash + (hash << 10n));
      hash ^= hash >> 6n;
    }
    hash = u32(hash + (hash << 3n));
    hash ^= hash >> 11n;
    return u32(hash + (hash << 15n));
  };
}

/** The little-endian number in up to eight bytes. */
function littleEndian(bytes: Buffer): bigint {
  return [...bytes].reduceRight((number, byte) => (number << 8n) | BigInt(byte), 0n);
}

const murmur2: Hash = (bytes) => {
  const multiplier = 0x5bd1e995n;
  const length = BigInt(bytes.length);
  let hash = u32(0xdeadbeefn * length) ^ length;
  let at = 0;
  for (; at + 4 <= bytes.length; at += 4) {
    let word = u32(littleEndian(bytes.subarray(at, at + 4)) * multiplier);
    word ^= word >> 24n;
    hash = u32(hash * multiplier) ^ u32(word * multiplier);
  }
  if (at < bytes.length) hash = u32((hash ^ littleEndian(bytes.subarray(at))) * multiplier);
  hash = u32((hash ^ (hash >> 13n)) * multiplier);
  return hash ^ (hash >> 15n);
};

const murmur64: Hash = (bytes) => {
  const multiplier = 0xc6a4a7935bd1e995n;
  let hash = 0x1234abcdn ^ u64(BigInt(bytes.length) * multiplier);
  let at = 0;
  for (; at + 8 <= bytes.length; at += 8) {
    let word = u64(littleEndian(bytes.subarray(at, at + 8)) * multiplier);
    word ^= word >> 47n;
    hash = u64((hash ^ u64(word * multiplier)) * multiplier);
  }
  if (at < bytes.length) hash = u64((hash ^ littleEndian(bytes.subarray(at))) * multiplier);
  hash = u64((hash ^ (hash >> 47n)) * multiplier);
  return hash ^ (hash >> 47n);
};

const rotate = (number: bigint, by: bigint) => u64((number << by) | (number >> (64n - by)));

const xxh64: Hash = (bytes) => {
  const p1 = 0x9e3779b185ebca87n;
  const p2 = 0xc2b2ae3d27d4eb4fn;
  const p3 = 0x165667b19e3779f9n;
  const p4 = 0x85ebca77c2b2ae63n;
  const p5 = 0x27d4eb2f165667c5n;
  const round = (lane: bigint, word: bigint) => u64(rotate(u64(lane + word * p2), 31n) * p1);
  let at = 0;
  let hash = p5;
  if (bytes.length >= 32) {
    const lanes = [u64(p1 + p2), p2, 0n, u64(-p1)];
    for (; at + 32 <= bytes.length; at += 32) {
      for (const [index, lane] of lanes.entries()) {
        const start = at + 8 * index;
        lanes[index] = round(lane, littleEndian(bytes.subarray(start, start + 8)));
      }
    }
    const by = [1n, 7n, 12n, 18n];
    hash = u64(lanes.reduce((sum, lane, index) => sum + rotate(lane, by[index] ?? 0n), 0n));
    for (const lane of lanes) hash = u64((hash ^ round(0n, lane)) * p1 + p4);
  }
  hash = u64(hash + BigInt(bytes.length));
  for (; at + 8 <= bytes.length; at += 8) {
    const word = round(0n, littleEndian(bytes.subarray(at, at + 8)));
    hash = u64(rotate(hash ^ word, 27n) * p1 + p4);
  }
  if (at + 4 <= bytes.length) {
    hash = u64(rotate(hash ^ u64(littleEndian(bytes.subarray(at, at + 4)) * p1), 23n) * p2 + p3);
    at += 4;
  }
  for (const byte of bytes.subarray(at))
    hash = u64(rotate(hash ^ u64(BigInt(byte) * p5), 11n) * p1);
  hash = u64((hash ^ (hash >> 33n)) * p2);
  hash = u64((hash ^ (hash >> 29n)) * p3);
  return hash ^ (hash >> 32n);
};

interface Ring {
  /** The points of a label. */
  points: (label: Buffer) => bigint[];
  label: (name: string, i: number) => string;
  /** How many labels each node has. */
  counts: readonly number[];
  lookup: "at or above" | "at or below" | "above, or last";
  collision?: "first" | "last";
}

function ring(names: readonly string[], ring: Ring): Place {
  const owners = new Map<bigint, number>();
  for (const [owner, name] of names.entries()) {
    for (let i = 0; i < (ring.counts[owner] ?? 0); i++) {
      for (const point of ring.points(Buffer.from(ring.label(name, i)))) {
        if (ring.collision !== "first" || !owners.has(point)) owners.set(point, owner);
      }
    }
  }
  const sorted = [...owners.keys()].sort((a, b) => (a < b ? -1 : 1));
  const found = (hash: bigint) => {
    switch (ring.lookup) {
      case "at or above":
        return sorted.find((point) => point >= hash) ?? sorted[0];
      case "at or below":
        return sorted.findLast((point) => point <= hash) ?? sorted.at(-1);
      case "above, or last":
        return sorted.find((point) => point > hash) ?? sorted.at(-1);
    }
  };
  return (hash) => owners.get(found(hash) ?? 0n) ?? -1;
}

const md5Words = (label: Buffer) => {
  const bytes = md5(label);
  return [0, 4, 8, 12].map((at) => BigInt(bytes.readUInt32LE(at)));
};

const modulo =
  (count: number): Place =>
  (hash) =>
    Number(hash % BigInt(count));

/** A scheme as it should be: its options, and how it does what it does. */
export interface Naive {
  readonly title: string;
  readonly options: SchemeOptions;
  readonly names: readonly string[];
  readonly weights?: readonly number[];
  readonly hash: Hash;
  /** How texts and how bytes are looked at. */
  readonly tag: TagRule;
  readonly bytesTag: TagRule;
  /** Whether texts are hashed as Latin-1, where they can be. */
  readonly latin1: boolean;
  readonly place: Place;
  /** Whether texts are cut byte by byte, as PHP and Python 2 do. */
  readonly bytewise?: boolean;
  /** Where an empty hashed part is not hashed. */
  readonly emptyHash?: bigint;
}

type Parts = Omit<Naive, "title" | "bytesTag" | "latin1" | "tag"> &
  Partial<Pick<Naive, "bytesTag" | "latin1" | "tag">>;

function naive({ tag = none, bytesTag = tag, latin1 = false, ...parts }: Parts): Naive {
  const { scheme, ...parameters } = parts.options;
  const chosen = Object.entries(parameters).flatMap(([name, value]) =>
    typeof value === "object" ? [] : [`${name}: ${value}`],
  );
  return { ...parts, tag, bytesTag, latin1, title: [scheme, ...chosen].join(", ") };
}

const abc = ["a", "b", "c"];
const shards = ["node1", "node2", "node3", "node4", "node5"];
const hosts = ["10.0.0.1:6379", "10.0.0.2:6379", "10.0.0.3:6380"];
const numbered = ["node_3", "node_1", "node_4", "node_2"];

/** Keys are placed by the number in the name, wherever it stands in the list. */
const byNumber: Place = (hash) => numbered.indexOf(`node_${(hash % 4n) + 1n}`);

const rediscluster = [
  naive({
    options: { scheme: "rediscluster" },
    names: numbered,
    hash: crc32,
    tag: tags.cutFirst,
    bytesTag: none,
    latin1: true,
    place: byNumber,
  }),
  naive({
    options: { scheme: "rediscluster", client: "python2" },
    names: numbered,
    hash: crc32,
    tag: tags.cutFirst,
    bytewise: true,
    place: byNumber,
  }),
  naive({
    options: { scheme: "rediscluster", client: "php" },
    names: numbered,
    hash: crc32,
    tag: tags.cutLast,
    bytewise: true,
    place: byNumber,
  }),
  naive({
    options: { scheme: "rediscluster", client: "php32" },
    names: numbered,
    hash: (bytes) => {
      const signed = BigInt.asIntN(32, crc32(bytes));
      return signed < 0n ? -signed : signed;
    },
    tag: tags.cutLast,
    bytewise: true,
    place: byNumber,
  }),
];

const signedCrc32: Hash = (bytes) => BigInt.asIntN(32, crc32(bytes));
const shardHashes = { crc32, md5: whole(md5), sha1: whole(sha1) };
const redisShard = (["crc32", "md5", "sha1"] as const).flatMap((hash) =>
  (
    [
      ["0.1.3", 2, tags.greedyAfterOne, tags.greedyAfterOne],
      ["0.3.4", 2, tags.greedy, tags.greedy],
      ["0.3.6", 2, tags.greedy, none],
      ["0.3.6", 3, none, none],
      ["0.3.7", 2, tags.greedy, tags.greedy],
      ["0.3.7", 3, tags.greedy, none],
    ] as const
  ).map(([version, python, tag, bytesTag]) => {
    const old = version === "0.1.3" || version === "0.3.4";
    const of = hash === "crc32" && old ? signedCrc32 : shardHashes[hash];
    return naive({
      options: { scheme: "redis-shard", hash, version, python },
      names: shards,
      hash: of,
      tag,
      bytesTag,
      latin1: python === 3,
      place: ring(shards, {
        points: (label) => [of(label)],
        label: (name, i) => `${name}:${i}`,
        counts: shards.map(() => 128),
        lookup: "above, or last",
      }),
    });
  }),
);

const redisRb = ([5, 4] as const).map((version) =>
  naive({
    options: { scheme: "redis-rb", version },
    names: shards,
    hash: crc32,
    tag: tags.lineStart,
    place: ring(shards, {
      points: (label) => [(version === 5 ? md5Be : crc32)(label)],
      label: (name, i) => `${name}:${i}`,
      counts: shards.map(() => 160),
      lookup: "at or below",
    }),
  }),
);

const predisWeights = [100, 250, 30];
const predis = [
  naive({
    options: { scheme: "predis", distributor: "hashring" },
    names: hosts,
    weights: predisWeights,
    hash: crc32,
    tag: tags.pair,
    place: ring(hosts, {
      points: (label) => [crc32(label)],
      label: (name, i) => `${name}:${i}`,
      counts: predisWeights.map((weight) => Math.round((weight / 380) * 3 * 128)),
      lookup: "at or below",
    }),
  }),
  naive({
    options: { scheme: "predis", distributor: "ketama" },
    names: hosts,
    weights: predisWeights,
    hash: md5Le,
    tag: tags.pair,
    place: ring(hosts, {
      points: md5Words,
      label: (name, i) => `${name}-${i}`,
      counts: predisWeights.map((weight) => Math.floor((weight / 380) * 3 * 40)),
      lookup: "at or above",
    }),
  }),
];

const phpHashes = {
  default: (bytes: Buffer) => crc32(bytes) ^ 0xffffffffn,
  crc32b: phpDigest(crc32Digest),
  md5: phpDigest(md5),
  sha1: phpDigest(sha1),
  sha256: phpDigest(sha256),
};
const phpredis = (["default", "crc32b", "md5", "sha1", "sha256"] as const).flatMap((algorithm) =>
  [false, true].map((consistent) =>
    naive({
      options: {
        scheme: "phpredis",
        consistent,
        ...(algorithm === "default" ? {} : { algorithm }),
      },
      names: hosts,
      hash: phpHashes[algorithm],
      tag: tags.phpRedis,
      place: consistent
        ? ring(hosts, {
            points: md5Words,
            label: (name, i) => `${name}-${i}`,
            counts: hosts.map(() => 40),
            lookup: "at or above",
            collision: "first",
          })
        : (hash) => Math.min(Number(((hash ^ 0xffffffffn) * 3n) / 0xffffffffn), 2),
    }),
  ),
);

const goRedis = [
  naive({
    options: { scheme: "go-redis", version: 9 },
    names: shards,
    hash: xxh64,
    tag: tags.pair,
    place: (hash) => {
      const scores = shards.map((name) => {
        let x = hash ^ xxh64(Buffer.from(name));
        x ^= x >> 12n;
        x ^= u64(x << 25n);
        x ^= x >> 27n;
        return u64(x * 2685821657736338717n);
      });
      return scores.reduce(
        (best, score, owner) => (score > (scores[best] ?? 0n) ? owner : best),
        0,
      );
    },
  }),
  naive({
    options: { scheme: "go-redis", version: 7 },
    names: shards,
    hash: crc32,
    tag: tags.pair,
    place: ring(shards, {
      points: (label) => [crc32(label)],
      label: (name, i) => `${i}${name}`,
      counts: shards.map(() => 100),
      lookup: "at or above",
    }),
  }),
];

const jedisHashes = { murmur: (bytes: Buffer) => BigInt.asIntN(64, murmur64(bytes)), md5: md5Le };
const jedisWeights = [1, 2, 1];
const jedis = (["murmur", "md5"] as const).flatMap((hash) =>
  (
    [
      ["1.5", (name: string, i: number) => `${name}${i}`],
      ["2.9", (name: string, i: number) => `${name}*${jedisWeights[abc.indexOf(name)]}${i}`],
      ["3.10", (name: string, i: number) => `${name}*${i}`],
      ["4.0", (name: string, i: number) => `SHARD-${abc.indexOf(name)}-NODE-${i}`],
    ] as const
  ).map(([version, label]) =>
    naive({
      options: { scheme: "jedis", hash, version, hashTag: true },
      names: abc,
      ...(version === "4.0" ? {} : { weights: jedisWeights }),
      hash: jedisHashes[hash],
      tag: tags.shortest,
      bytesTag: none,
      place: ring(abc, {
        points: (bytes) => [jedisHashes[hash](bytes)],
        label,
        counts: version === "4.0" ? [160, 160, 160] : [160, 320, 160],
        lookup: "at or above",
      }),
    }),
  ),
);

const twemproxyHashes = (signed: boolean) => ({
  one_at_a_time: oneAtATime(signed),
  md5: md5Le,
  crc16: crc16(32),
  crc32: ((bytes) => (crc32(bytes) >> 16n) & 0x7fffn) satisfies Hash,
  crc32a: crc32,
  fnv1_64: fnv(0xcbf29ce484222325n, 0x100000001b3n, 64, false, signed),
  // In registers of 32 bits, whatever its name says.
  fnv1a_64: fnv(0x84222325n, 0x1b3n, 32, true, signed),
  fnv1_32: fnv(2166136261n, 16777619n, 32, false, signed),
  fnv1a_32: fnv(2166136261n, 16777619n, 32, true, signed),
  murmur: murmur2,
});
const twemproxyWeights = [1, 2, 5];
const twemproxyPoints = twemproxyWeights.map((weight) => {
  const share = Math.fround(Math.fround(weight) / Math.fround(8));
  const labels = Math.fround(Math.fround(Math.fround(share * 160) / 4) * 3);
  return Math.floor(Math.fround(labels + 1e-10));
});
const twemproxy = [true, false].flatMap((signedChar) =>
  Object.entries(twemproxyHashes(signedChar)).flatMap(([hash, of]) =>
    (["ketama", "modula"] as const).map((distribution) =>
      naive({
        options: {
          scheme: "twemproxy",
          distribution,
          hash: hash as "md5",
          hashTag: distribution === "ketama" ? "{}" : "$$",
          signedChar,
        },
        names: hosts,
        weights: twemproxyWeights,
        hash: of,
        emptyHash: 0n,
        tag: distribution === "ketama" ? tags.pair : tags.dollars,
        place:
          distribution === "ketama"
            ? ring(hosts, {
                points: md5Words,
                label: (name, i) => `${name}-${i}`,
                counts: twemproxyPoints,
                lookup: "at or above",
                collision: "first",
              })
            : (value) => [0, 1, 1, 2, 2, 2, 2, 2][Number(value % 8n)] ?? -1,
      }),
    ),
  ),
);

const moduloHashes = {
  crc32,
  crc32_high: ((bytes) => (crc32(bytes) >> 16n) & 0x7fffn) satisfies Hash,
  crc16: crc16(16),
  md5: whole(md5),
  md5_le: md5Le,
  md5_be: md5Be,
  fnv1_32: fnv(2166136261n, 16777619n, 32, false, false),
  fnv1a_32: fnv(2166136261n, 16777619n, 32, true, false),
  murmur: murmur2,
  murmur64,
  xxh64,
};

const thirds = (slots: number) =>
  ({
    a: [[0, Math.floor(slots / 3)]],
    b: [[Math.floor(slots / 3) + 1, Math.floor(slots / 2)]],
    c: [[Math.floor(slots / 2) + 1, slots - 1]],
  }) as const;
const ownerOfSlot =
  (slots: number): Place =>
  (hash) => {
    const slot = Number(hash % BigInt(slots));
    return slot <= Math.floor(slots / 3) ? 0 : slot <= Math.floor(slots / 2) ? 1 : 2;
  };

/** Every scheme but the owners of `slots`, which is a table once it is built. */
export const naives: readonly Naive[] = [
  naive({
    options: { scheme: "redis-cluster", table: thirds(16384) as never },
    names: abc,
    hash: crc16(16),
    tag: tags.pair,
    place: ownerOfSlot(16384),
  }),
  naive({
    options: { scheme: "codis", table: thirds(1024) as never },
    names: abc,
    hash: crc32,
    tag: tags.pairOrEmpty,
    place: ownerOfSlot(1024),
  }),
  naive({
    options: { scheme: "mredis" },
    names: shards,
    hash: moduloHashes.crc32_high,
    place: modulo(5),
  }),
  ...Object.entries(moduloHashes).map(([hash, of]) =>
    naive({
      options: { scheme: "modulo", hash: hash as "md5", hashTag: "{}" },
      names: shards,
      hash: of,
      tag: tags.pair,
      place: modulo(5),
    }),
  ),
  ...rediscluster,
  ...redisShard,
  ...twemproxy,
  ...redisRb,
  ...predis,
  ...phpredis,
  ...goRedis,
  ...jedis,
  naive({
    options: { scheme: "django-redis" },
    names: shards,
    hash: whole(sha256),
    tag: tags.greedy,
    place: ring(shards, {
      points: (label) => [whole(sha256)(label)],
      label: (name, i) => `${name}:${i}`,
      counts: shards.map(() => 128),
      lookup: "at or below",
    }),
  }),
  naive({
    options: { scheme: "hashring" },
    names: hosts,
    hash: md5Le,
    place: ring(hosts, {
      points: md5Words,
      label: (name, i) => `${name}-${i}`,
      counts: hosts.map(() => 40),
      lookup: "at or above",
    }),
  }),
];

/** What a scheme makes of a key; undefined where nothing would be left to store. */
export function ask(
  naive: Naive,
  key: string | Buffer,
): { owner: number; tag: Buffer | undefined; hashed: Buffer; stored: Buffer } | undefined {
  const { tag, bytesTag, latin1, bytewise = false, hash, emptyHash, place } = naive;
  if (typeof key === "string" && bytewise) return ask(naive, Buffer.from(key));
  const isText = typeof key === "string";
  const cut = isText ? tag(key) : bytesTag(key.toString("latin1"));
  const part = cut.tag ?? (isText ? key : key.toString("latin1"));
  const beyondLatin1 = [...part].some((character) => character > "\u00ff");
  if (isText && latin1 && beyondLatin1) {
    // What the original refuses lies where the same bytes do.
    return ask(naive, Buffer.from(key));
  }
  const encoding = isText && !latin1 ? "utf8" : "latin1";
  const hashed = Buffer.from(part, encoding);
  const stored = Buffer.from(cut.stored, isText ? "utf8" : "latin1");
  if (stored.length === 0 && key.length > 0) return undefined;
  const value = hashed.length === 0 && emptyHash !== undefined ? emptyHash : hash(hashed);
  return {
    owner: place(value),
    tag: cut.tag === undefined ? undefined : Buffer.from(cut.tag, isText ? "utf8" : "latin1"),
    hashed,
    stored,
  };
}
