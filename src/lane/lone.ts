/** The reply to a lone command, for which the way into native code would cost more than it saves. */
import { copy } from "./reply.ts";

/** Stands for a reply that is not of those read here. */
export const UNREAD: unknown = Symbol("unread");

const DOLLAR = 0x24;
const PLUS = 0x2b;
const COLON = 0x3a;
const MINUS = 0x2d;
const ZERO = 0x30;
const NINE = 0x39;
const CARRIAGE_RETURN = 0x0d;
const LINE_FEED = 0x0a;

const OK = Buffer.from("+OK\r\n");
const NONE = Buffer.from("$-1\r\n");

/** As many digits as make no number that 32 bits could not hold. */
const MOST_DIGITS = 9;

/**
 * Reads bytes that are one whole reply, of those that most commands have: a string,
 * none, `OK` or a small integer. `UNREAD` for all others: those the scanner reads.
 *
 * @param isText whether strings are text, rather than Buffers
 */
export function readLone(bytes: Buffer, isText: boolean): unknown {
  const end = bytes.length - 2;
  if (!isLineEnd(bytes, end)) return UNREAD;
  switch (bytes[0]) {
    case DOLLAR: {
      if (bytes[1] === MINUS) return bytes.equals(NONE) ? null : UNREAD;
      const lineEnd = digitsEnd(bytes);
      const start = lineEnd + 2;
      if (!isLineEnd(bytes, lineEnd) || start + readDigits(bytes, lineEnd) !== end) return UNREAD;
      return isText ? bytes.utf8Slice(start, end) : copy(bytes, start, end);
    }
    case COLON:
      return digitsEnd(bytes) === end ? readDigits(bytes, end) : UNREAD;
    case PLUS:
      return isText && bytes.equals(OK) ? "OK" : UNREAD;
    default:
      return UNREAD;
  }
}

function isLineEnd(bytes: Buffer, at: number): boolean {
  return bytes[at] === CARRIAGE_RETURN && bytes[at + 1] === LINE_FEED;
}

/** Where the digits of a number end that stands in the first line; 0 if it is written otherwise. */
function digitsEnd(bytes: Buffer): number {
  let at = 1;
  for (let digit = bytes[at] ?? 0; digit >= ZERO && digit <= NINE; digit = bytes[at] ?? 0) {
    if (++at > MOST_DIGITS + 1) return 0;
  }
  const isPlain = at === 2 || (at > 2 && bytes[1] !== ZERO);
  return isPlain ? at : 0;
}

function readDigits(bytes: Buffer, end: number): number {
  let number = 0;
  for (let at = 1; at < end; at++) number = 10 * number + (bytes[at] ?? 0) - ZERO;
  return number;
}
