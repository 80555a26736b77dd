/** Keys as users give them, and as the native side takes them. */
import { ShardisError } from "./errors.ts";

/**
 * A key: a string stands for its UTF-8, a number for its digits. Some schemes
 * place a string otherwise than the same bytes in a Buffer.
 */
export type Key = string | Uint8Array | number;

/** The keys of a buffer: with a separator between two, or by where each ends. */
export type BufferLayout =
  | {
      /** One character of ASCII, or the value of a byte; `"\n"` for lines. */
      readonly separator: string | number;
      /** Whether the keys are text rather than bytes, for schemes that tell them apart. */
      readonly text?: boolean;
    }
  | {
      /** For each key the offset at which it ends and the next begins, in bytes. */
      readonly ends: Uint32Array;
      readonly text?: boolean;
    };

/** The largest key that Redis takes: 512 MB. */
const MOST_KEY_BYTES = 512 * 1024 * 1024;

/**
 * A key that is a string or bytes, checked.
 *
 * @throws ShardisError `BAD_KEY`
 */
export function checkKey(key: unknown): string | Uint8Array {
  if (typeof key === "string") {
    // In such a string no two keys would differ: UTF-8 has one replacement for all.
    if (!key.isWellFormed()) {
      throw badKey(key, "it has half of a surrogate pair, which UTF-8 cannot carry; use a Buffer");
    }
    if (key.length * 3 > MOST_KEY_BYTES && Buffer.byteLength(key) > MOST_KEY_BYTES) {
      throw badKey(key.slice(0, 20), "it is larger than the 512 MB that Redis takes");
    }
    return key;
  }
  if (key instanceof Uint8Array) {
    if (key.length > MOST_KEY_BYTES) {
      throw badKey("", "it is larger than the 512 MB that Redis takes");
    }
    if (isDetached(key)) throw badKey("", "its buffer has been transferred away");
    return key;
  }
  if (typeof key === "number" && Number.isFinite(key)) {
    // All digits of large ones, as ioredis sends them, and no exponent.
    return Number.isInteger(key) ? BigInt(key).toString() : String(key);
  }
  throw badKey(key, "a key is a string, a Buffer or a number");
}

/**
 * Bytes with keys in them and their layout, checked as far as types go; whether
 * the ends fit the bytes is checked where they are used.
 *
 * @returns the layout, its separator as the value of a byte
 * @throws ShardisError `BAD_ARGUMENT`
 */
export function checkLayout(bytes: unknown, layout: BufferLayout): CheckedLayout {
  if (!(bytes instanceof Uint8Array)) {
    throw badArgument("planBuffer takes a Buffer or another Uint8Array");
  }
  if (isDetached(bytes)) throw badArgument("the buffer has been transferred away");
  if (!(bytes.buffer instanceof ArrayBuffer)) {
    throw badArgument("memory that other threads may write cannot be planned: copy it first");
  }
  const text = layout?.text === true;
  if (layout !== null && typeof layout === "object" && "ends" in layout) {
    if (!(layout.ends instanceof Uint32Array)) throw badArgument("ends are a Uint32Array");
    if (!(layout.ends.buffer instanceof ArrayBuffer)) {
      throw badArgument("ends that other threads may write cannot be trusted: copy them first");
    }
    if (isDetached(layout.ends)) throw badArgument("the ends have been transferred away");
    return { ends: layout.ends, text };
  }
  const separator = layout?.separator;
  const code = typeof separator === "string" ? separator.charCodeAt(0) : separator;
  const isCharacter = typeof separator !== "string" || (separator.length === 1 && code <= 0x7f);
  if (!Number.isInteger(code) || code < 0 || code > 255 || !isCharacter) {
    throw badArgument("a separator is one character of ASCII, or the value of a byte");
  }
  return { separator: code, text };
}

/** A {@link BufferLayout} whose separator is the value of a byte. */
export type CheckedLayout =
  | { readonly separator: number; readonly text: boolean }
  | { readonly ends: Uint32Array; readonly text: boolean };

function badArgument(message: string): ShardisError {
  return new ShardisError("BAD_ARGUMENT", message);
}

/** Whether the memory of an array has been taken away from it. */
export function isDetached(array: Uint8Array | Uint32Array): boolean {
  const { buffer } = array;
  if (array.length > 0 || !(buffer instanceof ArrayBuffer) || buffer.byteLength > 0) return false;
  try {
    new Uint8Array(buffer);
    return false;
  } catch {
    return true;
  }
}

function badKey(key: unknown, reason: string): ShardisError {
  return new ShardisError("BAD_KEY", `${describe(key)} cannot be a key: ${reason}`, {
    keys: [key],
  });
}

/** A value in few words. */
export function describe(value: unknown): string {
  if (typeof value === "string") {
    return JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}…` : value);
  }
  if (value instanceof Uint8Array) return "bytes";
  if (value === null || value === undefined || typeof value === "number") return String(value);
  if (typeof value === "bigint" || typeof value === "boolean") return String(value);
  if (Array.isArray(value)) return "an array";
  return typeof value === "object" ? "an object" : `a ${typeof value}`;
}
