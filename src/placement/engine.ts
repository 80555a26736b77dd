/** What answers the questions of a placement: the native module, or a function of the user's. */
import { fromNative, ShardisError } from "../errors.ts";
import { type CheckedLayout, checkKey, describe, type Key } from "../keys.ts";
import { type NativePlacement, native } from "../native.ts";
import type { NamedNode } from "./node-name.ts";
import { Plan } from "./plan.ts";
import type { PlacementFunction, SchemeOptions } from "./schemes.ts";
import { scratch } from "./scratch.ts";

/** The answers that {@link Placement} puts into words. Keys have been checked, save in plans. */
export interface Engine {
  readonly warnings: readonly string[];
  readonly rewritesKeys: boolean;
  /** What places keys as they are, natively; undefined where that is not all there is to it. */
  readonly native: NativePlacement | undefined;
  owner(key: string | Uint8Array): number;
  storedKey(key: string | Uint8Array): string | Uint8Array;
  explain(key: string | Uint8Array): EngineExplanation;
  plan(keys: readonly Key[]): Plan;
  planBuffer(bytes: Uint8Array, layout: CheckedLayout): Plan;
}

export interface EngineExplanation {
  storedKey: string | Buffer;
  tag: string | Buffer | null;
  hashed: Buffer;
  hash?: number | bigint;
  hashName?: string;
  slot?: number;
  point?: number | bigint;
  owner: number;
}

/**
 * How many keys cross into native code at once. Larger strings leave the caches
 * before they are read: 100,000 keys in one string cost almost three times as
 * much for each.
 */
const CHUNK = 1000;

/** Chunks with more bytes than this are planned key by key. */
const MOST_CHUNK_BYTES = 1 << 26;

/** Where each key of a chunk ends; natives read it before they return. */
const chunkEnds = new Uint32Array(CHUNK);

/** A scheme of the native module. */
export class NativeEngine implements Engine {
  readonly warnings: readonly string[];
  readonly rewritesKeys: boolean;
  readonly native: NativePlacement | undefined;
  readonly #names: readonly string[];
  readonly #native: NativePlacement;
  readonly #textIsBytes: boolean;
  readonly #ownerOfText: (key: string) => number;

  constructor(nodes: readonly NamedNode[], options: SchemeOptions) {
    this.#names = nodes.map(({ name }) => name);
    const { scheme, parameters, table } = readOptions(options, this.#names);
    const named = nodes.map(({ name, named, weight }) =>
      weight === undefined ? { name, named } : { name, named, weight },
    );
    const spec = { scheme, parameters, nodes: named };
    try {
      this.#native = new native.NativePlacement(table === undefined ? spec : { ...spec, table });
    } catch (error) {
      throw fromNative(error);
    }
    this.warnings = this.#native.warnings;
    this.rewritesKeys = this.#native.rewritesKeys;
    this.native = this.rewritesKeys ? undefined : this.#native;
    this.#textIsBytes = this.#native.textIsBytes;
    this.#ownerOfText = this.#native.ownerOfTextFunction();
  }

  owner(key: string | Uint8Array): number {
    if (typeof key === "string") {
      const owner = this.#ownerOfText(key);
      if (owner >= 0) return owner;
    }
    try {
      return typeof key === "string"
        ? this.#native.ownerOfText(key)
        : this.#native.ownerOfBytes(key);
    } catch (error) {
      throw fromNative(error, { keys: [key] });
    }
  }

  storedKey(key: string | Uint8Array): string | Uint8Array {
    try {
      const stored = this.#native.storedKey(toBytes(key), typeof key === "string");
      return like(key, stored);
    } catch (error) {
      throw fromNative(error, { keys: [key] });
    }
  }

  explain(key: string | Uint8Array): EngineExplanation {
    try {
      const { stored, tag, hashed, hash, hashName, hashBits, slot, point, owner } =
        this.#native.explain(toBytes(key), typeof key === "string");
      const number = hashBits <= 32 ? Number : BigInt;
      return {
        storedKey: like(key, stored),
        tag: tag === undefined ? null : like(key, tag),
        hashed: Buffer.from(hashed),
        hash: number(hash),
        hashName,
        ...(slot === undefined ? {} : { slot }),
        ...(point === undefined ? {} : { point: number(point) }),
        owner,
      };
    } catch (error) {
      throw fromNative(error, { keys: [key] });
    }
  }

  plan(keys: readonly Key[]): Plan {
    return this.#collect(keys.length, (owners, totals) => {
      for (let at = 0; at < keys.length; at += CHUNK) {
        const chunk = keys.length <= CHUNK ? keys : keys.slice(at, at + CHUNK);
        this.#planChunk(chunk, owners, at, totals);
      }
    });
  }

  planBuffer(bytes: Uint8Array, layout: CheckedLayout): Plan {
    const { text } = layout;
    try {
      if ("ends" in layout) {
        const { ends } = layout;
        return this.#collect(ends.length, (owners, totals) =>
          this.#native.planPacked(bytes, ends, text, owners, 0, totals),
        );
      }
      const { separator } = layout;
      return this.#collect(native.countSeparated(bytes, separator), (owners, totals) =>
        this.#native.planSeparated(bytes, separator, text, owners, totals),
      );
    } catch (error) {
      throw fromNative(error);
    }
  }

  #collect(length: number, plan: (owners: Uint16Array, totals: Float64Array) => void): Plan {
    const owners = new Uint16Array(length);
    const totals = new Float64Array(2 * this.#names.length);
    plan(owners, totals);
    return new Plan(this.#names, owners, totals);
  }

  #planChunk(keys: readonly Key[], owners: Uint16Array, at: number, totals: Float64Array): void {
    try {
      if (this.#planTexts(keys, owners, at, totals)) return;
      this.#planPacked(keys, owners, at, totals);
    } catch (error) {
      // The native side cannot name the key: the first one that fails alone is it.
      for (const key of keys) this.owner(checkKey(key));
      throw fromNative(error);
    }
  }

  /** One string crosses for all keys. False if not all of them are text. */
  #planTexts(keys: readonly Key[], owners: Uint16Array, at: number, totals: Float64Array): boolean {
    // One loop that adds and looks at each key is quicker than join.
    let joined = "";
    let count = 0;
    for (const key of keys) {
      if (typeof key !== "string") return false;
      joined += key;
      if (joined.length * 3 > MOST_CHUNK_BYTES) return false;
      chunkEnds[count++] = joined.length;
    }
    const memory = scratch(joined.length * 3);
    const length = memory.write(joined);
    if (length > joined.length && !joined.isWellFormed()) return false;
    const [bytes, ends] = [memory.subarray(0, length), chunkEnds.subarray(0, count)];
    return this.#native.planTexts(bytes, ends, owners, at, totals);
  }

  /** Keys are written one after another, with their ends beside them. */
  #planPacked(keys: readonly Key[], owners: Uint16Array, at: number, totals: Float64Array): void {
    const checked = keys.map(checkKey);
    const texts = checked.filter((key) => typeof key === "string").length;
    const alike = texts === 0 || texts === checked.length || this.#textIsBytes;
    const most = checked.reduce((sum, key) => sum + key.length * 3, 0);
    if (!alike || most > MOST_CHUNK_BYTES) {
      this.#planEach(checked, owners, at, totals);
      return;
    }
    const memory = scratch(most);
    const ends = new Uint32Array(checked.length);
    let end = 0;
    for (const [index, key] of checked.entries()) {
      if (typeof key === "string") {
        end += memory.write(key, end);
      } else {
        memory.set(key, end);
        end += key.length;
      }
      ends[index] = end;
    }
    this.#native.planPacked(memory.subarray(0, end), ends, texts > 0, owners, at, totals);
  }

  #planEach(
    keys: readonly (string | Uint8Array)[],
    owners: Uint16Array,
    at: number,
    totals: Float64Array,
  ): void {
    for (const [index, key] of keys.entries()) {
      const owner = this.owner(key);
      owners[at + index] = owner;
      addTo(totals, owner, key);
    }
  }
}

/** One more key of an owner in the totals of a plan. */
function addTo(totals: Float64Array, owner: number, key: string | Uint8Array): void {
  const bytes = typeof key === "string" ? Buffer.byteLength(key) : key.length;
  totals[2 * owner] = (totals[2 * owner] ?? 0) + 1;
  totals[2 * owner + 1] = (totals[2 * owner + 1] ?? 0) + bytes;
}

/** As many as the native side holds: the owners in a plan have 16 bits. */
const MOST_NODES = 16384;

/** A function of the user's own: the name of the node of a key. */
export class FunctionEngine implements Engine {
  readonly warnings: readonly string[] = [];
  readonly rewritesKeys = false;
  readonly native = undefined;
  readonly #names: readonly string[];
  readonly #indexes: ReadonlyMap<string, number>;
  readonly #nodeFor: PlacementFunction;

  constructor(names: readonly string[], nodeFor: PlacementFunction) {
    this.#names = names;
    this.#indexes = new Map(names.map((name, index) => [name, index]));
    this.#nodeFor = nodeFor;
    if (names.length === 0 || this.#indexes.size < names.length) {
      throw new ShardisError("BAD_PLACEMENT", "the nodes need names that differ, at least one");
    }
    if (names.length > MOST_NODES) {
      const reason = `${names.length} nodes are more than the ${MOST_NODES} that a placement holds`;
      throw new ShardisError("BAD_PLACEMENT", reason);
    }
  }

  owner(key: string | Uint8Array): number {
    const name = this.#nodeFor(Buffer.from(key));
    const index = this.#indexes.get(name);
    if (index === undefined) {
      const reason = `the placement function answers ${describe(name)}, which names no node`;
      throw new ShardisError("BAD_PLACEMENT", reason, { keys: [key] });
    }
    return index;
  }

  storedKey(key: string | Uint8Array): string | Uint8Array {
    return key;
  }

  explain(key: string | Uint8Array): EngineExplanation {
    const bytes = Buffer.from(key);
    return { storedKey: like(key, bytes), tag: null, hashed: bytes, owner: this.owner(key) };
  }

  plan(keys: readonly Key[]): Plan {
    const owners = new Uint16Array(keys.length);
    const totals = new Float64Array(2 * this.#names.length);
    for (const [index, key] of keys.entries()) {
      const bytes = toBytes(checkKey(key));
      const owner = this.owner(bytes);
      owners[index] = owner;
      addTo(totals, owner, bytes);
    }
    return new Plan(this.#names, owners, totals);
  }

  planBuffer(bytes: Uint8Array, layout: CheckedLayout): Plan {
    return this.plan(cut(bytes, layout));
  }
}

/** The keys of a buffer, one by one: for functions, which take them so. */
function cut(bytes: Uint8Array, layout: CheckedLayout): Uint8Array[] {
  const keys: Uint8Array[] = [];
  let start = 0;
  if ("ends" in layout) {
    for (const end of layout.ends) {
      if (end < start || end > bytes.length) break;
      keys.push(bytes.subarray(start, end));
      start = end;
    }
    if (keys.length < layout.ends.length || start !== bytes.length) {
      throw new ShardisError(
        "BAD_OFFSETS",
        "ends must ascend, and the last one must be where the bytes end",
      );
    }
    return keys;
  }
  while (start < bytes.length) {
    const found = bytes.indexOf(layout.separator, start);
    const end = found === -1 ? bytes.length : found;
    keys.push(bytes.subarray(start, end));
    start = end + 1;
  }
  return keys;
}

function toBytes(key: string | Uint8Array): Uint8Array {
  return typeof key === "string" ? Buffer.from(key) : key;
}

/** Bytes as a string if the key they belong to is one. */
function like(key: string | Uint8Array, bytes: Uint8Array): string | Buffer {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return typeof key === "string" ? buffer.toString() : buffer;
}

interface ReadOptions {
  scheme: string;
  parameters: Record<string, string>;
  table: number[] | undefined;
}

/** Options as the native side takes them: parameters as strings, owners as numbers. */
function readOptions(options: SchemeOptions, names: readonly string[]): ReadOptions {
  if (typeof options !== "object" || options === null || typeof options.scheme !== "string") {
    throw new ShardisError(
      "BAD_OPTION",
      `a placement is { scheme: "…" } with its parameters, or a function, not ${describe(options)}`,
    );
  }
  const { scheme, ...rest } = options;
  const parameters: Record<string, string> = {};
  let table: number[] | undefined;
  for (const [name, value] of Object.entries<unknown>(rest)) {
    if (value === undefined) continue;
    if (name === "table") {
      table = readTable(value, names);
    } else if (name === "version" && typeof value === "number" && !Number.isInteger(value)) {
      // 2.10 is 2.1 to JavaScript, and another version.
      throw new ShardisError("BAD_OPTION", `a version such as "${value}" is given as a string`);
    } else if (["string", "number", "boolean"].includes(typeof value)) {
      parameters[name] = String(value);
    } else {
      throw new ShardisError(
        "BAD_OPTION",
        `the parameter ${name} of a placement is a string, a number or a boolean, ` +
          `not ${describe(value)}`,
      );
    }
  }
  return { scheme, parameters, table };
}

/** No node has this index: the native side says which slot has it. */
const NO_OWNER = 0xffff;

const MOST_SLOTS = 16384;

function readTable(table: unknown, names: readonly string[]): number[] {
  const indexOf = (name: unknown): number => {
    const index = typeof name === "string" ? names.indexOf(name) : -1;
    if (index === -1) throw badTable(`it names ${describe(name)}, which is no node`);
    return index;
  };
  // Not map, which would skip the holes of a sparse array.
  if (Array.isArray(table)) return Array.from<unknown, number>(table, indexOf);
  if (typeof table !== "object" || table === null) throw badTable("it is an object or an array");
  const owners: number[] = [];
  for (const [name, ranges] of Object.entries<unknown>({ ...table })) {
    const owner = indexOf(name);
    if (!Array.isArray(ranges)) throw badTable(`${name} has no list of ranges`);
    for (const range of ranges) {
      const [first, last] = Array.isArray(range) ? range : [];
      if (!isSlot(first) || !isSlot(last) || first > last) {
        throw badTable(`a range is [first, last], each from 0 to ${MOST_SLOTS - 1}`);
      }
      while (owners.length <= last) owners.push(NO_OWNER);
      for (let slot = first; slot <= last; slot++) {
        if (owners[slot] !== NO_OWNER) throw badTable(`slot ${slot} has two owners`);
        owners[slot] = owner;
      }
    }
  }
  return owners;
}

function isSlot(value: unknown): value is number {
  return Number.isInteger(value) && Number(value) >= 0 && Number(value) < MOST_SLOTS;
}

function badTable(reason: string): ShardisError {
  return new ShardisError("BAD_PLACEMENT", `the table of slots cannot be used: ${reason}`);
}
