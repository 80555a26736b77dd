/**
 * The one door to the native module. Its types are written here by hand, so
 * that what crosses the boundary is read in one place.
 */
import { createRequire } from "node:module";
import { ShardisError } from "./errors.ts";

/** A node, as placement sees it. */
export interface NativeNode {
  name: string;
  /** Whether the name was given, rather than derived from the address. */
  named: boolean;
  weight?: number;
}

export interface NativeSpec {
  scheme: string;
  parameters: Record<string, string>;
  nodes: NativeNode[];
  table?: number[];
}

export interface NativeExplanation {
  stored: Uint8Array;
  tag?: Uint8Array;
  hashed: Uint8Array;
  /** Decimal: hashes have up to 128 bits. */
  hash: string;
  hashName: string;
  hashBits: number;
  slot?: number;
  point?: string;
  owner: number;
}

/** A scheme over given nodes. Every method throws `BAD_KEY` for keys it cannot carry. */
export interface NativePlacement {
  readonly warnings: string[];
  readonly rewritesKeys: boolean;
  /** Whether a text and its UTF-8 bytes are always the same key. */
  readonly textIsBytes: boolean;
  /** A quicker `ownerOfText`, which answers -1 where that throws. */
  ownerOfTextFunction(): (key: string) => number;
  ownerOfText(key: string): number;
  ownerOfBytes(key: Uint8Array): number;
  storedKey(key: Uint8Array, text: boolean): Uint8Array;
  explain(key: Uint8Array, text: boolean): NativeExplanation;
  /**
   * The owners of texts one after another, each ending at one of `ends`, counted
   * in UTF-16 as strings are; or false if one ends within a character. Owners go
   * into `owners` from the position `at` on; into `totals` goes for each node the
   * count of its keys, and their bytes.
   */
  planTexts(
    bytes: Uint8Array,
    ends: Uint32Array,
    owners: Uint16Array,
    at: number,
    totals: Float64Array,
  ): boolean;
  /** As `planTexts`, with ends in bytes. */
  planPacked(
    bytes: Uint8Array,
    ends: Uint32Array,
    text: boolean,
    owners: Uint16Array,
    at: number,
    totals: Float64Array,
  ): void;
  planSeparated(
    bytes: Uint8Array,
    separator: number,
    text: boolean,
    owners: Uint16Array,
    totals: Float64Array,
  ): void;
  /**
   * Writes commands of one key each, for each node those that it owns, as they go
   * on the wire. `lengths` says how many arguments each has: its name, its key,
   * and what follows; each ends at one of `ends`, counted in UTF-16 or in bytes.
   * Into `order` go the positions of the commands, node after node; into `nodes`
   * for each node how many they are, and where in `out` its bytes end. Nothing is
   * written if it throws, or answers false because an end lies within a character.
   */
  encodeCommands(
    bytes: Uint8Array,
    ends: Uint32Array,
    utf16: boolean,
    text: boolean,
    lengths: Uint32Array,
    order: Uint32Array,
    nodes: Uint32Array,
    out: Uint8Array,
  ): boolean;
  /**
   * As `encodeCommands`, but one command of many keys for each node that owns any.
   * `width` is how many arguments there are for each key: 1, or 2 where a value
   * follows. `order` and `nodes` are about keys.
   */
  encodeKeys(
    name: string,
    width: number,
    bytes: Uint8Array,
    ends: Uint32Array,
    utf16: boolean,
    text: boolean,
    order: Uint32Array,
    nodes: Uint32Array,
    out: Uint8Array,
  ): boolean;
}

/**
 * Finds where the values of replies lie, in chunks that end anywhere. It throws
 * `PROTOCOL` for bytes that are no replies, and is of no use after that; what
 * `progress` tells holds up to there.
 *
 * `progress` receives:
 * - 0: the offset up to which all has been dealt with
 * - 1: how many tokens were written
 * - 2: how many replies were completed
 * - 3: what it waits for: one of {@link Wait}
 * - 4: how many bytes it waits for, from the first offset on; for a line: at most
 * - 5: 1 within a reply, 2 within a push
 */
export interface ReplyScanner {
  /**
   * Writes three words into `tokens` for each value of replies, until `most` of
   * them are complete, `tokens` are full, or the bytes end.
   */
  scan(
    bytes: Uint8Array,
    from: number,
    most: number,
    tokens: Uint32Array,
    progress: Uint32Array,
  ): void;
  /**
   * Walks over `most` replies and every push before and between them, or over
   * pushes only if that is 0; it remembers what is not complete.
   */
  skip(bytes: Uint8Array, from: number, most: number, progress: Uint32Array): void;
}

/** What {@link ReplyScanner} waits for. */
export const Wait = {
  /** Nothing special. */
  Nothing: 0,
  /** All bytes of the value that begins where it stopped. */
  Bytes: 1,
  /** The end of the line that begins there. */
  Line: 2,
  /** That `skip` walks over the push that begins there. */
  Push: 3,
} as const;

/** The first word of a token. Text is told by the offsets of its first byte and behind its last. */
export const Token = {
  Null: 0,
  /** Text. */
  String: 1,
  /** The second word has its 32 bits. */
  Integer: 2,
  /** Text: it has more than 32 bits. */
  LongInteger: 3,
  /** Text. */
  Error: 4,
  /** Text. */
  Double: 5,
  /** The second word is 0 or 1. */
  Boolean: 6,
  /** Text. */
  BigNumber: 7,
  /** The second word tells how many values follow. */
  Array: 8,
  /** As for an array. */
  Set: 9,
  /** The second word tells how many pairs of values follow. */
  Map: 10,
  /** As for a map; and then the value that they are about, whose place it has taken. */
  Attribute: 11,
} as const;

interface Native {
  ReplyScanner: new () => ReplyScanner;
  /** As the method of a placement, with owners known, and ends in bytes. */
  encodeCommandsFor(
    owners: Uint16Array,
    nodeCount: number,
    bytes: Uint8Array,
    ends: Uint32Array,
    lengths: Uint32Array,
    order: Uint32Array,
    nodes: Uint32Array,
    out: Uint8Array,
  ): void;
  /** As the method of a placement, with owners known, and ends in bytes. */
  encodeKeysFor(
    owners: Uint16Array,
    nodeCount: number,
    name: string,
    width: number,
    bytes: Uint8Array,
    ends: Uint32Array,
    order: Uint32Array,
    nodes: Uint32Array,
    out: Uint8Array,
  ): void;
  NativePlacement: new (spec: NativeSpec) => NativePlacement;
  countSeparated(bytes: Uint8Array, separator: number): number;
  /** Writes the positions of all keys, grouped by owner, into `order`. */
  group(owners: Uint16Array, nodes: number, order: Uint32Array): void;
  panicForTest(): never;
}

export const native: Native = load();

function load(): Native {
  try {
    return createRequire(import.meta.url)("#native");
  } catch (cause) {
    const { platform, arch, version } = process;
    throw new ShardisError(
      "NATIVE_MISSING",
      `shardis has no native module for ${platform} ${arch} on Node ${version}: ` +
        "reinstall with optional dependencies, or build it with npm run build:native",
      { cause },
    );
  }
}
