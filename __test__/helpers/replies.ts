/** Replies as servers write them, all types of them, and how networks cut them. */
import fc from "fast-check";

/** A value on the wire: its line, with the string that follows; or that of an aggregate, and its values. */
export interface Value {
  readonly head: Buffer;
  readonly values: readonly Value[];
  /** Keys and values in turn that a server may tell about it. */
  readonly attributes?: readonly Value[];
}

export type Protocol = 2 | 3;

const CRLF = Buffer.from("\r\n");

const line = (kind: string, content: string | Buffer): Value => ({
  head: Buffer.concat([Buffer.from(kind), Buffer.from(content), CRLF]),
  values: [],
});

const blob = (kind: string, content: Buffer): Value => ({
  head: Buffer.concat([Buffer.from(`${kind}${content.length}\r\n`), content, CRLF]),
  values: [],
});

const aggregate = (kind: string, count: number, values: readonly Value[]): Value => ({
  head: Buffer.from(`${kind}${count}\r\n`),
  values,
});

/** Texts with what is special in lines, in UTF-8, and at its borders. */
const text = fc
  .oneof(
    fc.string({ maxLength: 20 }),
    fc.string({ unit: "binary", maxLength: 20 }),
    fc.string({ unit: fc.constantFrom(..."\r\n$*:-0é\ufeff\ufffd日😀\0"), maxLength: 8 }),
  )
  .map((string) => Buffer.from(string));

/** Bytes that are no UTF-8, mostly: ends of sequences cut off, surrogates, lone continuations. */
const broken = fc
  .array(fc.constantFrom(0xff, 0xc3, 0x28, 0xe2, 0x82, 0xf0, 0x9f, 0x98, 0xed, 0xa0, 0x80, 0x61), {
    maxLength: 12,
  })
  .map((bytes) => Buffer.from(bytes));

const long = fc
  .tuple(
    fc.oneof(fc.integer({ min: 90, max: 1_100 }), fc.integer({ min: 9_900, max: 70_000 })),
    text,
  )
  .map(([length, pattern]) => Buffer.alloc(length, pattern.length > 0 ? pattern : "\r"));

const content = fc.oneof(
  { weight: 6, arbitrary: text },
  { weight: 3, arbitrary: broken },
  { weight: 2, arbitrary: fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)) },
  { weight: 1, arbitrary: long },
);

/** What may stand in a line. */
const lineContent = fc
  .oneof(text, broken)
  .map((bytes) => Buffer.from(bytes.filter((byte) => byte !== 0x0d && byte !== 0x0a)));

const message = fc
  .tuple(fc.constantFrom("ERR", "WRONGTYPE", "-", ""), lineContent)
  .map(([code, rest]) => Buffer.concat([Buffer.from(`${code} `), rest]));

const BORDERS = [0n, 9n, 10n ** 9n, 2n ** 31n, 2n ** 32n, 2n ** 53n, 10n ** 18n, 2n ** 63n - 3n];

const wholeNumber = fc.oneof(
  fc.integer({ min: -20, max: 20_000 }).map(BigInt),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  fc
    .tuple(fc.constantFrom(...BORDERS), fc.integer({ min: -2, max: 2 }), fc.constantFrom(1n, -1n))
    .map(([border, more, sign]) => sign * (border + BigInt(more))),
);

const integer = fc
  .tuple(wholeNumber, fc.boolean())
  .map(([number, hasSign]) => line(":", `${hasSign && number > 0n ? "+" : ""}${number}`));

/** As Redis prints them (`%.17g`), and as others may. */
const double = fc
  .oneof(
    fc.constantFrom(
      "inf",
      "-inf",
      "nan",
      "-nan",
      "0",
      "-0",
      "1e400",
      "5e-324",
      "10.",
      ".5",
      "1E+3",
    ),
    fc.double({ noNaN: true, noDefaultInfinity: true }).map(String),
    fc.double({ noNaN: true, noDefaultInfinity: true }).map((number) => number.toExponential()),
    fc.integer().map(String),
  )
  .map((number) => line(",", number));

const bigNumber = fc
  .oneof(fc.bigInt(), fc.constantFrom(10n ** 40n, -(2n ** 200n)))
  .map((number) => line("(", String(number)));

const RESP2_LEAVES = [
  { weight: 8, arbitrary: content.map((bytes) => blob("$", bytes)) },
  { weight: 3, arbitrary: lineContent.map((bytes) => line("+", bytes)) },
  { weight: 5, arbitrary: integer },
  { weight: 2, arbitrary: message.map((bytes) => line("-", bytes)) },
  { weight: 2, arbitrary: fc.constantFrom(line("$", "-1"), line("*", "-1")) },
];

const RESP3_LEAVES = [
  { weight: 2, arbitrary: double },
  { weight: 2, arbitrary: fc.constantFrom(line("#", "t"), line("#", "f")) },
  { weight: 1, arbitrary: bigNumber },
  { weight: 2, arbitrary: fc.constant(line("_", "")) },
  { weight: 1, arbitrary: message.map((bytes) => blob("!", bytes)) },
  {
    weight: 2,
    arbitrary: fc
      .tuple(fc.constantFrom("txt:", "mkd:"), content)
      .map(([format, bytes]) => blob("=", Buffer.concat([Buffer.from(format), bytes]))),
  },
];

/** A reply of a protocol. Errors may be anywhere in it, and in RESP3 attributes before any value. */
export function reply(protocol: Protocol): fc.Arbitrary<Value> {
  const { value } = fc.letrec<Record<"value" | "leaf" | "array" | "set" | "map" | "any", Value>>(
    (tie) => {
      const some = (maxLength: number) => fc.array(tie("value"), { maxLength });
      const resp3 = [
        { weight: 1, arbitrary: tie("set") },
        { weight: 2, arbitrary: tie("map") },
        { weight: 1, arbitrary: fc.tuple(tie("any"), pairs(fc.array(tie("leaf")))).map(annotate) },
      ];
      return {
        value: fc.oneof(
          { maxDepth: 4, depthSize: "small" },
          { weight: 6, arbitrary: tie("leaf") },
          { weight: 3, arbitrary: tie("array") },
          ...(protocol === 3 ? resp3 : []),
        ),
        leaf: fc.oneof(...RESP2_LEAVES, ...(protocol === 3 ? RESP3_LEAVES : [])),
        any: fc.oneof(tie("leaf"), tie("array"), tie("map")),
        array: some(10).map((values) => aggregate("*", values.length, values)),
        set: some(6).map((values) => aggregate("~", values.length, values)),
        map: pairs(some(8)).map((values) => aggregate("%", values.length / 2, values)),
      };
    },
  );
  return value;
}

function annotate([value, attributes]: readonly [Value, readonly Value[]]): Value {
  return { ...value, attributes };
}

function pairs(values: fc.Arbitrary<Value[]>): fc.Arbitrary<Value[]> {
  return values.map((all) => all.slice(0, all.length - (all.length % 2)));
}

/** What a server says unasked; the first is what ioredis knows it by. */
export function push(kind: string, values: readonly Value[]): Value {
  return aggregate(">", values.length + 1, [blob("$", Buffer.from(kind)), ...values]);
}

/** Pushes that answer nothing: those of client-side caching, and messages to a subscriber. */
export const unasked: fc.Arbitrary<Value> = fc.oneof(
  fc.array(content, { maxLength: 3 }).map((keys) => {
    return push("invalidate", [
      aggregate(
        "*",
        keys.length,
        keys.map((key) => blob("$", key)),
      ),
    ]);
  }),
  fc.constant(push("invalidate", [line("_", "")])),
  fc.tuple(content, content).map((both) =>
    push(
      "message",
      both.map((bytes) => blob("$", bytes)),
    ),
  ),
);

/** The reply to a SUBSCRIBE of one channel, which in RESP3 is a push. */
export function subscribed(channel: string): Value {
  return push("subscribe", [blob("$", Buffer.from(channel)), line(":", "1")]);
}

/** A value as it goes on the wire, and where any are, with attributes or without. */
export function write(value: Value, hasAttributes = false): Buffer {
  const { head, values, attributes } = value;
  const told =
    attributes === undefined || !hasAttributes
      ? []
      : [Buffer.from(`|${attributes.length / 2}\r\n`), ...writeAll(attributes, hasAttributes)];
  return Buffer.concat([...told, head, ...writeAll(values, hasAttributes)]);
}

function writeAll(values: readonly Value[], hasAttributes: boolean): Buffer[] {
  return values.map((value) => write(value, hasAttributes));
}

/** Sizes of chunks, which come one after another, and then again. */
export const sizes = fc.array(
  fc.oneof(
    fc.integer({ min: 1, max: 3 }),
    fc.integer({ min: 1, max: 60 }),
    fc.integer({ min: 1, max: 80_000 }),
  ),
  { minLength: 1, maxLength: 8 },
);

/** After so many chunks they become twice as large, so that there are not too many of them. */
const MOST_OF_A_SIZE = 200;

/** Bytes in chunks of these sizes. */
export function cut(bytes: Buffer, sizes: readonly number[]): Buffer[] {
  const chunks: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const growth = 2 ** Math.floor(chunks.length / MOST_OF_A_SIZE);
    const size = growth * (sizes[chunks.length % sizes.length] ?? 1);
    // Memory of its own, as a socket's is.
    chunks.push(Buffer.from(bytes.subarray(at, at + size)));
    at += size;
  }
  return chunks;
}
