/** Makes values of replies, of where the native scanner says that they lie. */
import { ReplyError } from "ioredis";
import { Token } from "../native.ts";

declare global {
  // Undocumented, but in every Node: what toString does, without finding out again what it is to do.
  interface Buffer {
    utf8Slice(start: number, end: number): string;
    latin1Slice(start: number, end: number): string;
  }
}

/** Takes replies. */
export interface ReplyTaker {
  /** Whether strings of the next reply are text. */
  readonly isText: boolean;
  take(reply: unknown): void;
}

/** An array whose elements are still coming. */
interface Open {
  /** None for an attribute, which nobody wants. */
  readonly values: unknown[] | undefined;
  left: number;
  readonly parent: Open | undefined;
}

const PLUS = 0x2b;
const MINUS = 0x2d;
const ZERO = 0x30;

/** Stands for a value of which more is to come. */
const UNFINISHED: unknown = Symbol("unfinished");

// ioredis gives it no type.
const ErrorReply: new (message: string) => Error = ReplyError;

/**
 * Builds replies of tokens, which may come in several runs. Values have the
 * shapes of ioredis' "legacy" mapping, those of RESP2: maps and sets are
 * arrays, doubles text, and truths 1 and 0.
 */
export class ReplyBuilder {
  #open: Open | undefined;

  /** Whether it has all of what it has been given, rather than an array that is still coming. */
  get isIdle(): boolean {
    return this.#open === undefined;
  }

  /**
   * @param tokens three words each, up to `end`
   * @param bytes what the offsets of tokens point into
   */
  build(tokens: Uint32Array, end: number, bytes: Buffer, taker: ReplyTaker): void {
    let open = this.#open;
    let isText = taker.isText;
    for (let at = 0; at < end; at += 3) {
      const kind = tokens[at];
      const from = tokens[at + 1] ?? 0;
      let value: unknown;
      if (kind === Token.String) {
        const to = tokens[at + 2] ?? 0;
        value = isText ? bytes.utf8Slice(from, to) : copy(bytes, from, to);
      } else if (kind === Token.Integer) {
        value = from | 0;
      } else if (kind === Token.Null) {
        value = null;
      } else if (kind === Token.Array || kind === Token.Set || kind === Token.Map) {
        const left = kind === Token.Map ? 2 * from : from;
        if (left > 0) {
          open = { values: [], left, parent: open };
          continue;
        }
        value = [];
      } else if (kind === Token.Attribute) {
        if (from > 0) open = { values: undefined, left: 2 * from, parent: open };
        continue;
      } else {
        value = rareValue(kind, bytes, from, tokens[at + 2] ?? 0, isText);
      }
      while (open !== undefined) {
        open.values?.push(value);
        if (--open.left > 0) {
          value = UNFINISHED;
          break;
        }
        value = open.values ?? UNFINISHED;
        open = open.parent;
        if (value === UNFINISHED) break;
      }
      if (value === UNFINISHED) continue;
      taker.take(value);
      isText = taker.isText;
    }
    this.#open = open;
  }
}

function rareValue(
  kind: number | undefined,
  bytes: Buffer,
  from: number,
  to: number,
  isText: boolean,
): unknown {
  switch (kind) {
    case Token.Boolean:
      return from;
    case Token.LongInteger:
      return readInteger(bytes, from, to);
    case Token.BigNumber:
      return bytes.latin1Slice(from, to);
    case Token.Double:
      return isText ? bytes.latin1Slice(from, to) : copy(bytes, from, to);
    case Token.Error:
      return new ErrorReply(bytes.utf8Slice(from, to));
    default:
      throw new RangeError(`there is no token ${kind}`);
  }
}

/** In ioredis' way, digit by digit: beyond 2^53 that does not always round as `Number` does. */
function readInteger(bytes: Buffer, from: number, to: number): number {
  const sign = bytes[from];
  let number = 0;
  for (let at = sign === PLUS || sign === MINUS ? from + 1 : from; at < to; at++) {
    number = number * 10 + (bytes[at] ?? 0) - ZERO;
  }
  return sign === MINUS ? -number : number;
}

/**
 * Bytes of their own, unless they are most of what they lie in: a small value
 * is not to keep a large reply alive.
 */
export function copy(bytes: Buffer, from: number, to: number): Buffer {
  const part = bytes.subarray(from, to);
  return 2 * part.length > bytes.buffer.byteLength ? part : Buffer.from(part);
}
