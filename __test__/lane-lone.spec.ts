/** A reply that comes alone is read without the scanner, and is what the scanner would make of it. */
import test from "ava";
import fc from "fast-check";
import { readLone, UNREAD } from "../src/lane/lone.ts";
import { check } from "./helpers/arbitraries.ts";
import { LaneDecoder } from "./helpers/lane-decoder.ts";
import { comparable, mustEqual } from "./helpers/outcomes.ts";
import { reply, write } from "./helpers/replies.ts";

/** The replies that the scanner finds in bytes; none if it refuses any of them. */
function scan(bytes: Buffer, isText: boolean): unknown[] {
  const replies: unknown[] = [];
  try {
    new LaneDecoder({ isText, take: (reply) => void replies.push(reply) }).feed(bytes);
    return replies;
  } catch {
    return [];
  }
}

/** Bytes that look like the replies which are read so, right and wrong. */
const nearly = fc
  .array(
    fc.oneof(
      fc.constantFrom("$", ":", "+", "-", "*1\r\n", "\r\n", "\r", "\n", "+OK\r\n", "$-1\r\n"),
      fc.constantFrom("$3\r\nabc\r\n", "$0\r\n\r\n", "$03\r\nabc\r\n", "$1\r\nabc\r\n", ":1\r\n"),
      fc.constantFrom("0", "1", "9", "4294967297", "999999999", "2147483648", "a", "é", "\0"),
    ),
    { minLength: 1, maxLength: 6 },
  )
  .map((pieces) => Buffer.from(pieces.join("")));

const written = fc.oneof(reply(2), reply(3)).map((value) => write(value));

test("it is read as the scanner reads it, or left to the scanner", (t) => {
  let read = 0;
  const arbitrary = fc.oneof(nearly, written, fc.uint8Array().map(Buffer.from));
  check(
    fc.property(arbitrary, fc.boolean(), (bytes, isText) => {
      const lone = readLone(bytes, isText);
      if (lone === UNREAD) return;
      read++;
      mustEqual([comparable(lone)], scan(bytes, isText).map(comparable));
    }),
    20_000,
  );
  t.true(read > 500, `${read} were read`);
});

for (const [bytes, value] of [
  ["$5\r\nvalue\r\n", "value"],
  ["$0\r\n\r\n", ""],
  ["$4\r\n\r\n\r\n\r\n", "\r\n\r\n"],
  ["$2\r\né\r\n", "é"],
  ["$-1\r\n", null],
  ["+OK\r\n", "OK"],
  [":0\r\n", 0],
  [":999999999\r\n", 999_999_999],
] as const) {
  test(`${JSON.stringify(bytes)} is read`, (t) => {
    t.is(readLone(Buffer.from(bytes), true), value);
    const asBytes = typeof value === "string" ? Buffer.from(value) : value;
    // Status replies in bytes are rare.
    if (!bytes.startsWith("+")) t.deepEqual(readLone(Buffer.from(bytes), false), asBytes);
  });
}

for (const bytes of [
  "",
  "\r\n",
  "$\r\n\r\n",
  "$5\r\nval",
  "$5\r\nvalue",
  "$5\r\nvalue\r",
  "$5\r\nvalue\r\n:1\r\n",
  "$5\r\nvalues\r\n",
  "$05\r\nvalue\r\n",
  "$-2\r\n",
  "$5000000000\r\n",
  ":\r\n",
  ":-1\r\n",
  ":+1\r\n",
  ":1000000000\r\n",
  "+QUEUED\r\n",
  "-ERR no\r\n",
  "*1\r\n:1\r\n",
  "_\r\n",
]) {
  test(`${JSON.stringify(bytes)} is left to the scanner`, (t) => {
    t.is(readLone(Buffer.from(bytes), true), UNREAD);
  });
}
