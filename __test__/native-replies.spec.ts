/** The native scanner finds in the replies of a server what ioredis finds. */
import { once } from "node:events";
import { connect } from "node:net";
import test from "ava";
import fc from "fast-check";
import { native, Wait } from "../src/native.ts";
import { startNodes } from "../src/testing/index.ts";
import { check } from "./helpers/arbitraries.ts";
import { cut, decode, scan, skip } from "./helpers/native-replies.ts";

/** Commands whose replies are of every type that a server has. */
const commands = [
  "SET key value",
  "GET key",
  "GET missing",
  "MGET key missing key",
  "LPUSH list a b c d e f",
  "LRANGE list 0 -1",
  "LRANGE missing 0 -1",
  "LPUSH key a",
  "NOSUCHCOMMAND",
  "SET number 9007199254740991",
  "INCR number",
  "DECRBY counter 7",
  "SADD set a b c",
  "SMEMBERS set",
  "HSET hash field 1 other 2",
  "HGETALL hash",
  "ZADD sorted 1.5 a -inf b 1e300 c",
  "ZRANGE sorted 0 -1 WITHSCORES",
  "ZSCORE sorted a",
  "XADD stream 1-1 field value",
  "XRANGE stream - +",
  "CONFIG GET *",
  "CLIENT LIST",
  "COMMAND",
  `EVAL "return {1, {2, {3, {}}}, false, redis.status_reply('fine')}" 0`,
  `EVAL "return redis.status_reply(string.rep('x', 100000))" 0`,
  `EVAL "return redis.error_reply(string.rep('x', 100000))" 0`,
  `EVAL "return string.rep('x', 1000000)" 0`,
  "MULTI",
  "GET key",
  "EXEC",
  ...[
    "string",
    "integer",
    "double",
    "null",
    "array",
    "set",
    "map",
    "verbatim",
    "true",
    "false",
  ].map((type) => `DEBUG PROTOCOL ${type}`),
];

/** In RESP3 these are answered by a push. */
const pushes = ["DEBUG PROTOCOL push", "SUBSCRIBE channel", "UNSUBSCRIBE channel"];

/** Everything that a server sends in answer to commands. */
async function replies(port: number, commands: readonly string[]): Promise<Buffer> {
  const socket = connect(port, "127.0.0.1");
  await once(socket, "connect");
  const last = "the last reply";
  socket.write(`${commands.join("\r\n")}\r\nECHO "${last}"\r\n`);
  const chunks: Buffer[] = [];
  for await (const chunk of socket) {
    chunks.push(chunk);
    if (Buffer.concat(chunks.slice(-2)).includes(last)) break;
  }
  return Buffer.concat(chunks);
}

for (const protocol of [2, 3]) {
  test(`the replies of a server in RESP${protocol}`, async (t) => {
    const servers = await startNodes(1, { args: ["--enable-debug-command", "yes"] });
    t.teardown(() => servers.stop());
    const asked = [`HELLO ${protocol}`, ...commands, ...(protocol === 3 ? pushes : [])];
    const bytes = await replies(servers.node(0).port, asked);
    const expected = decode(bytes);
    // Of the commands with a push, only the first has a reply besides.
    t.is(expected.length, commands.length + (protocol === 3 ? 3 : 2));
    t.deepEqual(scan([bytes], 1_000_000), expected);
    const places = fc.array(fc.nat(bytes.length), { maxLength: 30 });
    const property = fc.property(places, fc.integer({ min: 1, max: 500 }), (places, room) => {
      const chunks = cut(bytes, places);
      t.deepEqual(scan(chunks, room), expected);
      t.is(skip(chunks), expected.length);
    });
    check(property, 8);
  });
}

test("attributes come before what they are about, and pushes are for whoever skips them", (t) => {
  const bytes = Buffer.from(
    "|1\r\n+ttl\r\n:5\r\n$1\r\nv\r\n>1\r\n+p\r\n*1\r\n|1\r\n+a\r\n+b\r\n:-1\r\n",
  );
  const everywhere = Array.from(bytes, (_, index) => index);
  for (const places of [[], everywhere]) {
    t.deepEqual(scan(cut(bytes, places), 3), ["v", [-1]]);
    t.is(skip(cut(bytes, places)), 2);
  }
});

test("what is no reply is refused, with what was found, and what came before it holds", (t) => {
  const [scanner, tokens, progress] = [
    new native.ReplyScanner(),
    new Uint32Array(30),
    new Uint32Array(6),
  ];
  const bytes = Buffer.from("+OK\r\nHTTP/1.1 400 Bad Request\r\n");
  const message = /"HTTP\/1.1 400 Bad Request…" on: no type/;
  const refused = { code: "PROTOCOL", message };
  t.throws(() => scanner.scan(bytes, 0, 9, tokens, progress), refused);
  t.deepEqual([...progress.subarray(0, 3)], [5, 1, 1]);
  t.throws(() => scanner.scan(bytes, 0, 9, tokens, progress), { code: "PROTOCOL" });
  t.throws(() => scanner.skip(bytes, 0, 9, progress), { code: "PROTOCOL" });
});

test("a line that does not end is given up when it is longer than any", (t) => {
  const progress = new Uint32Array(6);
  const bytes = Buffer.alloc(1 << 21, "+");
  const tokens = new Uint32Array(3);
  new native.ReplyScanner().scan(bytes.subarray(0, 100), 0, 9, tokens, progress);
  const [, , , wait, most = 0] = progress;
  t.is(wait, Wait.Line);
  const scan = (length: number) =>
    new native.ReplyScanner().scan(bytes.subarray(0, length), 0, 9, tokens, progress);
  t.notThrows(() => scan(most - 1));
  t.throws(() => scan(most), { code: "PROTOCOL", message: /too long/ });
});

test("a scanner that is used wrongly says so", (t) => {
  const [bytes, tokens, progress] = [
    Buffer.from("*2\r\n+a\r\n"),
    new Uint32Array(30),
    new Uint32Array(6),
  ];
  const scanned = new native.ReplyScanner();
  scanned.scan(bytes, 0, 9, tokens, progress);
  t.throws(() => scanned.skip(bytes, 0, 9, progress), { code: "INTERNAL" });
  const skipped = new native.ReplyScanner();
  skipped.skip(bytes, 0, 9, progress);
  t.throws(() => skipped.scan(bytes, 0, 9, tokens, progress), { code: "INTERNAL" });
  const scanner = new native.ReplyScanner();
  t.throws(() => scanner.scan(bytes, 0, 9, tokens, new Uint32Array(5)), { code: "INTERNAL" });
  t.throws(() => scanner.skip(bytes, 10, 9, progress), { code: "INTERNAL" });
  const wrong: unknown[] = [undefined, null, 5, "text", {}, [], new Float64Array(9)];
  for (const value of wrong) {
    const any = value as never;
    const scanner = new native.ReplyScanner();
    t.throws(() => scanner.scan(any, 0, 9, tokens, progress), undefined, String(value));
    t.throws(() => scanner.scan(bytes, 0, 9, any, progress));
    t.throws(() => scanner.scan(bytes, 0, 9, tokens, any));
    t.throws(() => scanner.skip(bytes, 0, 9, any));
  }
});
