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
  ownerOfText(key: string): number;
  ownerOfBytes(key: Uint8Array): number;
  storedKey(key: Uint8Array, text: boolean): Uint8Array;
  explain(key: Uint8Array, text: boolean): NativeExplanation;
  /**
   * The owners of `count` keys joined by `separator`, or false if the bytes
   * hold another number of keys. Owners go into `owners`, a view of a
   * `Uint16Array`, from the position `at` on; into `totals`, a view of a
   * `Float64Array`, goes for each node the count of its keys, and their bytes.
   */
  planJoined(
    bytes: Uint8Array,
    separator: number,
    count: number,
    text: boolean,
    owners: Buffer,
    at: number,
    totals: Buffer,
  ): boolean;
  planPacked(
    bytes: Uint8Array,
    ends: Uint32Array,
    text: boolean,
    owners: Buffer,
    at: number,
    totals: Buffer,
  ): void;
  planSeparated(
    bytes: Uint8Array,
    separator: number,
    text: boolean,
    owners: Buffer,
    totals: Buffer,
  ): void;
}

interface Native {
  NativePlacement: new (spec: NativeSpec) => NativePlacement;
  countSeparated(bytes: Uint8Array, separator: number): number;
  /** Writes the positions of all keys, grouped by owner, into a view of a `Uint32Array`. */
  group(owners: Uint8Array, nodes: number, order: Buffer): void;
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

/** A view of the memory of a typed array, as the native side writes into it. */
export function bytesOf(array: Uint16Array | Uint32Array | Float64Array): Buffer {
  return Buffer.from(array.buffer, array.byteOffset, array.byteLength);
}
