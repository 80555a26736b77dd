/** Replies read twice: by the native scanner in any chunks, and by ioredis. */
import { Decoder, RESP_TYPES } from "ioredis/built/resp/decoder.js";
import { native, Token, Wait } from "../../src/native.ts";

/** A value, written so that two of them can be compared. */
export type Value = string | number | boolean | null | { error: string } | Value[];

/** What ioredis makes of replies; pushes are left out. */
export function decode(bytes: Uint8Array): Value[] {
  const replies: Value[] = [];
  const plain = (value: unknown): Value => {
    if (value instanceof Error) return { error: value.message };
    if (Array.isArray(value)) return value.map(plain);
    if (Buffer.isBuffer(value)) return value.toString("latin1");
    if (value === null || typeof value === "number" || typeof value === "boolean") return value;
    throw new TypeError(`ioredis makes ${typeof value} of a reply`);
  };
  const text = { [RESP_TYPES.BLOB_STRING]: Buffer, [RESP_TYPES.SIMPLE_STRING]: Buffer };
  const numbers = { [RESP_TYPES.DOUBLE]: Buffer, [RESP_TYPES.VERBATIM_STRING]: Buffer };
  const aggregates = { [RESP_TYPES.MAP]: Array, [RESP_TYPES.SET]: Array };
  new Decoder({
    onReply: (reply) => replies.push(plain(reply)),
    onErrorReply: (error) => replies.push(plain(error)),
    onPush: () => {},
    getTypeMapping: () => ({ ...text, ...numbers, ...aggregates }),
  }).write(bytes);
  return replies;
}

/** What the native scanner makes of them, with room for so many tokens at a time. */
export function scan(chunks: readonly Uint8Array[], room: number): Value[] {
  const scanner = new native.ReplyScanner();
  const tokens = new Uint32Array(3 * room);
  const progress = new Uint32Array(6);
  const replies = new Builder();
  let kept = Buffer.alloc(0);
  let skips = false;
  for (const chunk of chunks) {
    kept = Buffer.concat([kept, chunk]);
    let from = 0;
    for (;;) {
      if (skips) scanner.skip(kept, from, 0, progress);
      else scanner.scan(kept, from, 1000, tokens, progress);
      const [consumed = 0, written = 0, , wait = 0, , inside] = progress;
      for (let at = 0; at < 3 * written; at += 3) {
        const [kind = 0, a = 0, b = 0] = tokens.subarray(at, at + 3);
        replies.add(kind, a, b, kept);
      }
      from = consumed;
      skips = wait === Wait.Push || (skips && inside !== 0);
      if (skips ? from === kept.length : wait !== Wait.Nothing || from === kept.length) break;
    }
    kept = kept.subarray(from);
  }
  return replies.complete;
}

/** How many replies the native scanner walks over. */
export function skip(chunks: readonly Uint8Array[]): number {
  const scanner = new native.ReplyScanner();
  const progress = new Uint32Array(6);
  let replies = 0;
  for (const chunk of chunks) {
    scanner.skip(chunk, 0, 1000, progress);
    replies += progress[2] ?? 0;
  }
  return replies;
}

/** Makes replies of tokens; attributes are dropped. */
class Builder {
  readonly complete: Value[] = [];
  readonly #open: { values: Value[]; left: number; attribute: boolean }[] = [];

  add(kind: number, a: number, b: number, bytes: Buffer): void {
    const text = () => bytes.toString("latin1", a, b);
    if (kind === Token.Array || kind === Token.Set) this.#aggregate(a, false);
    else if (kind === Token.Map) this.#aggregate(2 * a, false);
    else if (kind === Token.Attribute) this.#aggregate(2 * a + 1, true);
    else if (kind === Token.Null) this.#value(null);
    else if (kind === Token.Integer) this.#value(a | 0);
    else if (kind === Token.LongInteger) this.#value(Number(text()));
    else if (kind === Token.Boolean) this.#value(a === 1);
    else if (kind === Token.Error) this.#value({ error: bytes.toString("utf8", a, b) });
    else this.#value(text());
  }

  #aggregate(left: number, attribute: boolean): void {
    if (left === 0) this.#value([]);
    else this.#open.push({ values: [], left, attribute });
  }

  #value(value: Value): void {
    const innermost = this.#open.at(-1);
    if (innermost === undefined) {
      this.complete.push(value);
      return;
    }
    innermost.values.push(value);
    if (innermost.values.length < innermost.left) return;
    this.#open.pop();
    // Of an attribute, what counts is the value that it is about.
    this.#value(innermost.attribute ? value : innermost.values);
  }
}

/** Bytes in pieces, cut where `random` says. */
export function cut(bytes: Uint8Array, places: readonly number[]): Uint8Array[] {
  const ends = [...places.map((place) => place % (bytes.length + 1)), bytes.length];
  ends.sort((a, b) => a - b);
  return ends.map((end, index) => bytes.subarray(ends[index - 1] ?? 0, end));
}
