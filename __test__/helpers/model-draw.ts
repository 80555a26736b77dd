/** What the model test draws by lot: keys, members, values, numbers, all from one seed. */
import type { Argument } from "../../src/commands/arguments.ts";

/** What a key is mostly used for. */
export type Family =
  | "geo"
  | "hash"
  | "hll"
  | "list"
  | "number"
  | "numbers"
  | "set"
  | "stream"
  | "string"
  | "zset";

const binaryKey = Buffer.from([0xff, 0x00, 0x7b, 0x74, 0x7d, 0xfe, 0x0d, 0x0a]);

/** Few keys, so that commands meet; those with the tag `{t}` lie on one node. */
const KEYS: Readonly<Record<Family, readonly (string | Buffer)[]>> = {
  geo: ["g1", "g2", "{t}g"],
  hash: ["h1", "{t}h"],
  hll: ["p1", "p2", "{t}p"],
  list: ["l1", "l2", "{t}l"],
  number: ["n1", "{t}n"],
  numbers: ["q1", "{t}q"],
  set: ["m1", "m2", "m3", "{t}m"],
  stream: ["x1", "{t}x"],
  string: ["s1", "ключ ✓😀", binaryKey, "store", "{t}s"],
  zset: ["z1", "z2", "z3", "{t}z"],
};

const FAMILIES = Object.keys(KEYS).filter((name): name is Family => name in KEYS);

const LEX_KEYS = ["y1", "{t}y"];

/** What no command writes to on purpose. */
const MISSING = ["none", "{t}none"];

const MEMBERS: readonly (string | Buffer)[] = [
  ..."aabbccdd",
  "1",
  "2",
  "10",
  "-1.5",
  "ü",
  "日本😀",
  "",
  "weights",
  "STORE",
  // SORT ALPHA compares up to the first zero, and what is the same to it in no order.
  Buffer.from([0x01, 0x00, 0xff, 0x0a]),
  Buffer.from([0xc3, 0x28]),
];

const VALUES: readonly (string | Buffer | number)[] = [
  "abc",
  "abcabd",
  "hello world",
  "",
  "5",
  7,
  "3.5",
  "9223372036854775807",
  "наïve ✓",
  Buffer.from([0x00, 0x01, 0xfe, 0xff]),
  Buffer.from([0xff, 0xfe, 0x0d, 0x0a, 0xc3]),
];

const SCORES: readonly (string | number)[] = [
  -2,
  -1.5,
  -1,
  -0.5,
  0,
  0.5,
  1,
  1,
  1.5,
  2,
  "2.5",
  3,
  10,
  "inf",
  "-inf",
];

/** Numbers from 0 to 1, the same for the same seed (mulberry32). */
export function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Draws what the arguments of commands are made of. */
export class Draw {
  readonly #random: () => number;
  #isTagged = false;
  #streamId = 0;

  constructor(seed: number) {
    this.#random = generator(seed);
  }

  /** Draws with keys of one tag only. */
  tagged<T>(isTagged: boolean, draw: () => T): T {
    const before = this.#isTagged;
    this.#isTagged = isTagged;
    try {
      return draw();
    } finally {
      this.#isTagged = before;
    }
  }

  /** A whole number, both ends included. */
  int(from: number, to: number): number {
    return from + Math.floor(this.#random() * (to - from + 1));
  }

  chance(probability: number): boolean {
    return this.#random() < probability;
  }

  pick<T>(list: readonly T[]): T {
    const picked = list[this.int(0, list.length - 1)];
    if (picked === undefined) throw new RangeError("there is nothing to pick from");
    return picked;
  }

  /** One of several by weight. */
  weighted<T extends { readonly weight: number }>(list: readonly T[]): T {
    let left = this.#random() * list.reduce((sum, { weight }) => sum + weight, 0);
    for (const item of list) {
      left -= item.weight;
      if (left < 0) return item;
    }
    return this.pick(list);
  }

  times<T>(from: number, to: number, draw: () => T): T[] {
    return Array.from({ length: this.int(from, to) }, draw);
  }

  /** Arguments, or with the rest of the probability none. */
  maybe(probability: number, draw: () => readonly Argument[]): readonly Argument[] {
    return this.chance(probability) ? draw() : [];
  }

  /** An option in one of its spellings. */
  option(...names: string[]): string {
    const name = this.pick(names);
    return this.chance(0.3) ? name.toLowerCase() : name;
  }

  /** A key, mostly of a family, sometimes of another, so that its type is wrong. */
  key(...families: Family[]): Argument {
    if (this.chance(0.03)) return this.#among(MISSING);
    const family = this.chance(0.07) ? this.pick(FAMILIES) : this.pick(families);
    return this.#among(KEYS[family]);
  }

  /** Keys, some of them several times. */
  keys(from: number, to: number, ...families: Family[]): Argument[] {
    return this.times(from, to, () => this.key(...families));
  }

  /**
   * A sorted set all of whose scores are 0, which nothing else writes to: Redis
   * promises nothing of a range by text over others.
   */
  lexKey(): Argument {
    return this.chance(0.1) ? this.key("string", "list") : this.#among(LEX_KEYS);
  }

  anyKey(): Argument {
    return this.key(...FAMILIES);
  }

  /** Two keys, mostly of one family. */
  twoKeys(): Argument[] {
    return this.chance(0.2) ? [this.anyKey(), this.anyKey()] : this.keys(2, 2, this.pick(FAMILIES));
  }

  /** Keys behind their number, which sometimes is not their number. */
  counted(from: number, to: number, ...families: Family[]): Argument[] {
    const keys = this.keys(from, to, ...families);
    const count = this.chance(0.02) ? this.int(0, keys.length) : keys.length;
    return [this.chance(0.5) ? count : String(count), ...keys];
  }

  member(): string | Buffer {
    return this.pick(MEMBERS);
  }

  members(from: number, to: number): Argument[] {
    return this.times(from, to, () => this.member());
  }

  value(): Argument {
    return this.pick(VALUES);
  }

  score(): Argument {
    return this.pick(SCORES);
  }

  /** A number of halves, so that sums do not depend on their order. */
  half(): number {
    return this.int(-4, 8) / 2;
  }

  /** Milliseconds that are far, and further apart than the clocks of a test. */
  farMs(): number {
    return this.int(100, 100_000) * 10_000;
  }

  /** The same in seconds. */
  farSeconds(): number {
    return this.farMs() / 1000;
  }

  /** A moment in milliseconds, beyond all that are drawn from now on. */
  farMoment(): number {
    return 4_000_000_000_000 + this.farMs();
  }

  index(): number {
    return this.int(-6, 6);
  }

  /** An id that is mostly the greatest so far, as XADD wants it. */
  newStreamId(): string {
    return this.chance(0.85) ? `${++this.#streamId}-1` : this.streamId();
  }

  /** An id among the last. */
  streamId(): string {
    return `${Math.max(1, this.#streamId - this.int(-1, 15))}-${this.int(0, 2)}`;
  }

  longitude(): number {
    return this.int(-20, 20) / 8;
  }

  #among(keys: readonly (string | Buffer)[]): Argument {
    if (!this.#isTagged) return this.pick(keys);
    return this.pick(keys.filter((key) => key.includes("{t}")));
  }
}
