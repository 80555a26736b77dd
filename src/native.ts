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
}

interface Native {
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
