/** XREAD BLOCK and XREADGROUP over streams on several nodes: what is delivered arrives. */
import test from "ava";
import { PartialFailureError, type ShardedRedis, ShardisError } from "../src/index.ts";
import type { Call } from "./helpers/beside-plain.ts";
import {
  agree,
  noneIsBlocked,
  openPlain,
  openTrio,
  REPLY_SHAPES,
  untilWaiting,
} from "./helpers/blocking.ts";
import { recorded } from "./helpers/sent.ts";
import { at, held, keyOn, keysOn, newClient, until, watchRejections } from "./helpers/setup.ts";

watchRejections(test);

const bytes = Buffer.from([0xff, 0x00, 0x0d, 0x0a, 0xc3]);

/** Where the streams lie; `x…` do not exist. */
const NODES: Readonly<Record<string, string>> = {
  s1: "node1",
  s2: "node2",
  s3: "node3",
  x1: "node2",
  text: "node1",
};

const SEED: readonly Call[] = [
  ["xadd", "s1", "1-0", "f", bytes],
  ["xadd", "s1", "2-0", "f", "v"],
  ["xadd", "s2", "1-0", "f", "v"],
  ["xadd", "s3", "5-0", "f", "v", "g", ""],
  ["xadd", bytes, "5-0", "f", "v"],
  ["set", "text", "text"],
  ["xgroup", "CREATE", "s1", "g", "0"],
  ["xgroup", "CREATE", "s2", "g", "0"],
  ["xgroup", "CREATE", "s3", "g", "$"],
  ["xgroup", "CREATE", bytes, "g", "0"],
];

const CALLS: readonly Call[] = [
  ["xread", "BLOCK", 1000, "STREAMS", "s1", "s2", "s3", "0", "0", "0"],
  ["xread", "block", 0, "COUNT", 1, "streams", "s3", "x1", "s1", bytes, "0", "0", "1-0", "0"],
  ["xread", "BLOCK", 10, "STREAMS", "s1", "s2", "s3", "2-0", "1-0", "5-0"],
  ["xread", "BLOCK", 10, "STREAMS", "s1", "s2", "x1", "$", "$", "$"],
  ["xread", "BLOCK", 10, "STREAMS", "s1", "s2", "s3", "$", "0", "$"],
  ["xread", "STREAMS", "s1", "s2", "$", "$"],
  ["xread", "COUNT", 1, "STREAMS", "s3", "s1", "x1", "0", "1-0", "0"],
  ["xread", "BLOCK", 10, "STREAMS", "s1", "text", "s2", "$", "$", "$"],
  ["xread", "BLOCK", 10, "STREAMS", "s1", "text", "s2", "0", "0", "0"],
  ["xread", "BLOCK", "soon", "STREAMS", "s1", "s2", "0", "0"],
  ["xread", "BLOCK", -1, "STREAMS", "s1", "s2", "0", "0"],
  ["xread", "BLOCK", 10, "STREAMS", "s1", "s2", "0", "never"],
  ["xread", "BLOCK", 10, "COUNT", "few", "STREAMS", "s1", "s2", "0", "0"],
  // A stream that is named more than once comes where it has something.
  ["xread", "STREAMS", "s1", "s2", "s1", "2-0", "0", "0"],
  ["xread", "STREAMS", "s1", "s2", "s1", "s3", "s1", "1-5", "0", "2", "0", "1"],
  ["xread", "BLOCK", 10, "STREAMS", "s1", "s2", "s1", "$", "0", "1-0"],
  ["xreadgroup", "GROUP", "g", "c", "STREAMS", "s1", "s2", "s1", ">", ">", ">"],
  ["xreadgroup", "GROUP", "g", "c", "COUNT", 1, "STREAMS", "s1", "s2", "s1", ">", ">", ">"],
  ["xreadgroup", "GROUP", "g", "c", "STREAMS", "s3", "s1", "s3", ">", ">", "0"],
  ["xreadgroup", "GROUP", "g", "c", "STREAMS", "s1", "s2", "s3", bytes, ">", ">", ">", ">"],
  ["xreadgroup", "GROUP", "g", "c", "COUNT", 1, "NOACK", "STREAMS", "s2", "s1", ">", ">"],
  ["xreadgroup", "BLOCK", 1000, "group", "g", "c", "STREAMS", "s1", "s2", "s3", ">", ">", ">"],
  ["xreadgroup", "GROUP", "g", "c", "BLOCK", 10, "STREAMS", "s1", "s3", "0", ">"],
  ["xreadgroup", "GROUP", "g", "c", "STREAMS", "s1", "s2", "0", ">"],
  // One Redis delivers nothing if any stream lacks the group, or anything else is wrong.
  ["xreadgroup", "GROUP", "g", "c", "STREAMS", "s1", "x1", "s2", ">", ">", ">"],
  ["xreadgroup", "GROUP", "other", "c", "STREAMS", "s1", "s2", ">", ">"],
  ["xreadgroup", "GROUP", "g", "c", "STREAMS", "s1", "text", ">", ">"],
  ["xreadgroup", "GROUP", "g", "c", "STREAMS", "s1", "s2", ">", "$"],
  ["xreadgroup", "GROUP", "g", "c", "STREAMS", "s1", "s2", ">", "never"],
  ["xreadgroup", "GROUP", "g", "c", "COUNT", "few", "STREAMS", "s1", "s2", ">", ">"],
  ["xreadgroup", "GROUP", "g", "c", "BLOCK", -1, "STREAMS", "s1", "s2", ">", ">"],
  ["xreadgroup", "COUNT", 1, "BLOCK", 10, "STREAMS", "s1", "s2", ">", ">"],
];

const LOOKS: readonly Call[] = ["s1", "s2", "s3", bytes].flatMap((stream): Call[] => [
  ["xinfo", "GROUPS", stream],
  ["xpending", stream, "g"],
]);

for (const redisOptions of REPLY_SHAPES) {
  test.serial(
    `replies, errors and groups are those of one Redis, with ${JSON.stringify(redisOptions)}`,
    async (t) => {
      const { redis } = await openTrio(t, { redisOptions });
      const keys = new Map(
        Object.entries(NODES).map(([name, node]) => [name, keyOn(redis, node, name)]),
      );
      const plain = await openPlain(t, redisOptions);
      await agree(t, redis, plain, { keys, seed: SEED, calls: CALLS, looks: LOOKS });
      await noneIsBlocked(t, redis);
    },
  );
}

test("an entry of any stream wakes it; $ is what was last when it began", async (t) => {
  const { redis, a, b, c } = await openTrio(t);
  await redis.xadd(a, "1-1", "f", "old");
  await redis.xadd(b, "9-1", "f", "old");
  await redis.xadd(b, "9-2", "f", "deleted");
  await redis.xdel(b, "9-2");
  let id = 10;
  for (const stream of [a, b, c, a]) {
    id++;
    const read = redis.xread("BLOCK", 0, "STREAMS", a, b, c, "$", "$", "$");
    await untilWaiting(redis, "node3", "xread");
    await redis.xadd(stream, `${id}-1`, "f", "v");
    t.deepEqual(await read, [[stream, [[`${id}-1`, ["f", "v"]]]]]);
    await redis.each.config("RESETSTAT");
  }
});

test("entries that come to two streams at once all arrive, now or by the next read", async (t) => {
  const { redis, a, b, c } = await openTrio(t);
  const seen: string[] = [];
  const last = new Map([a, b, c].map((stream) => [stream, "0"]));
  for (let round = 1; round <= 40; round++) {
    const read = redis.xread("BLOCK", 0, "STREAMS", ...last.keys(), ...last.values());
    await Promise.all([
      redis.xadd(c, `${round}-1`, "f", "c"),
      redis.xadd(b, `${round}-1`, "f", "b"),
    ]);
    for (const [stream, entries] of (await read) ?? []) {
      for (const [id] of entries) seen.push(`${stream} ${id}`);
      last.set(stream, entries.at(-1)?.[0] ?? "");
    }
  }
  const rest = await redis.xread("STREAMS", ...last.keys(), ...last.values());
  for (const [stream, entries] of rest ?? [])
    for (const [id] of entries) seen.push(`${stream} ${id}`);
  t.is(seen.length, 80);
  t.is(new Set(seen).size, 80);
});

test.serial(
  "consumers of a group: every entry is delivered to one of them, and is pending there",
  async (t) => {
    const { redis, nodes, a, b, c } = await openTrio(t);
    const streams = [a, b, c];
    for (const stream of streams) await redis.xgroup("CREATE", stream, "g", "$", "MKSTREAM");
    const clients = Array.from({ length: 3 }, () => newClient(t, nodes));
    const got = new Map<string, string[]>();
    let count = 0;
    const consume = async (client: ShardedRedis, name: string) => {
      const mine: string[] = [];
      got.set(name, mine);
      for (;;) {
        const news = streams.map(() => ">");
        const reply: unknown = await client.call(
          "xreadgroup",
          ...["GROUP", "g", name, "COUNT", "2", "BLOCK", "0", "STREAMS", ...streams, ...news],
        );
        for (const [stream, entries] of Array.isArray(reply) ? reply : []) {
          for (const [id] of entries) mine.push(`${stream} ${id}`);
          count += entries.length;
        }
      }
    };
    const ends = clients.flatMap((client, index) =>
      Array.from({ length: 4 }, (_, number) => held(consume(client, `c${index}-${number}`))),
    );
    for (let number = 1; number <= 300; number++) {
      await redis.xadd(at(streams, number % 3), `${number}-1`, "f", "v");
    }
    await until(() => count >= 300);
    for (const client of clients) client.disconnect();
    await Promise.allSettled(ends);
    t.is(new Set([...got.values()].flat()).size, 300);
    t.is(count, 300);
    for (const [name, mine] of got) {
      const pending: string[] = [];
      for (const stream of streams) {
        const found = await redis.xpending(stream, "g", "-", "+", 1000, name);
        for (const entry of found) pending.push(`${stream} ${Object(entry)[0]}`);
      }
      t.deepEqual(pending.sort(), mine.sort(), name);
    }
  },
);

test("NOACK delivers without a trace", async (t) => {
  const { redis, a, b } = await openTrio(t);
  for (const stream of [a, b]) await redis.xgroup("CREATE", stream, "g", "$", "MKSTREAM");
  const read = redis.call(
    "xreadgroup",
    ...["GROUP", "g", "c", "BLOCK", "0", "NOACK", "STREAMS", a, b, ">", ">"],
  );
  await untilWaiting(redis, "node2", "xreadgroup");
  await redis.xadd(b, "1-1", "f", "v");
  t.deepEqual(await read, [[b, [["1-1", ["f", "v"]]]]]);
  t.is(Object(await redis.xpending(b, "g"))[0], 0);
});

test("a group that is destroyed ends the wait", async (t) => {
  const { redis, a, b } = await openTrio(t);
  for (const stream of [a, b]) await redis.xgroup("CREATE", stream, "g", "$", "MKSTREAM");
  const read = held(redis.xreadgroup("GROUP", "g", "c", "BLOCK", 0, "STREAMS", a, b, ">", ">"));
  await untilWaiting(redis, "node2", "xreadgroup");
  await redis.xgroup("DESTROY", b, "g");
  // Redis 7.0 does not count that as a change of the stream.
  await redis.xadd(b, "1-1", "f", "v");
  await t.throwsAsync(read, { message: /^NOGROUP/ });
});

test("if a node fails when others have delivered, what they delivered is in the error", async (t) => {
  const { redis, a, b, c } = await openTrio(t);
  for (const stream of [a, b, c]) {
    await redis.xgroup("CREATE", stream, "g", "$", "MKSTREAM");
    await redis.xadd(stream, "1-1", "f", "v");
  }
  await redis.node("node2").acl("SETUSER", "default", "-xreadgroup");
  const read = redis.xreadgroupBuffer("GROUP", "g", "me", "STREAMS", a, b, c, ">", ">", ">");
  const error = await t.throwsAsync(read, { instanceOf: PartialFailureError });
  const entries = [[Buffer.from("1-1"), [Buffer.from("f"), Buffer.from("v")]]];
  t.deepEqual(error.results, [
    [Buffer.from(a), entries],
    [Buffer.from(c), entries],
  ]);
  t.deepEqual(error.applied, [a, c]);
  t.like(error.failures.get("node2"), { keys: [b], outcome: "not applied" });
  t.regex(String(error.failures.get("node2")?.error), /NOPERM/);
  // Where nobody has anything to deliver, it is the error itself.
  await t.throwsAsync(redis.xreadgroup("GROUP", "g", "me", "STREAMS", a, b, c, ">", ">", ">"), {
    message: /^NOPERM/,
    name: "ReplyError",
  });
});

test("each node is asked for its own streams, once before it waits and once after", async (t) => {
  const { redis, a, b, c } = await openTrio(t);
  const a2 = at(keysOn(redis, "node1", 1, "other"));
  await redis.xadd(a, "1-1", "f", "v");
  const sent = await recorded(redis, async () => {
    t.truthy(await redis.xread("BLOCK", 0, "STREAMS", a, b, a2, c, "0", "$", "0", "5"));
  });
  t.deepEqual(sent, {
    node1: ["multi", `xread BLOCK 0 STREAMS ${a} ${a2} 0 0`, "exec"],
    node2: [`xrevrange ${b} + - COUNT 1`, "multi", `xread BLOCK 0 STREAMS ${b} 0`, "exec"],
    node3: ["multi", `xread BLOCK 0 STREAMS ${c} 5`, "exec"],
  });
  await redis.xgroup("CREATE", a, "g", "0");
  await redis.xgroup("CREATE", b, "g", "0", "MKSTREAM");
  const group = ["GROUP", "g", "c", "STREAMS"];
  t.deepEqual(await recorded(redis, () => redis.call("xreadgroup", ...group, a, b, ">", ">")), {
    node1: [`xpending ${a} g - + 1`, `xreadgroup GROUP g c STREAMS ${a} >`],
    node2: [`xpending ${b} g - + 1`, `xreadgroup GROUP g c STREAMS ${b} >`],
    node3: [],
  });
});

test("names are those on the wire, with a prefix too", async (t) => {
  const { nodes } = await openTrio(t);
  const redis = newClient(t, nodes, { keyPrefix: "app:" });
  const [a, b] = ["node1", "node2"].map((node) => at(keysOn(redis, node, 1)));
  await redis.xadd(b ?? "", "1-1", "f", "v");
  t.deepEqual(await redis.xread("BLOCK", 0, "STREAMS", a ?? "", b ?? "", "0", "0"), [
    [`app:${b}`, [["1-1", ["f", "v"]]]],
  ]);
});

test("explain, strict, transactions and pipelines know them", async (t) => {
  const { redis, a, b } = await openTrio(t);
  const read = ["BLOCK", 5, "STREAMS", a, b];
  const { hint, ...explained } = redis.explain("xread", [...read, "$", "0"]);
  t.deepEqual(explained, {
    command: "xread",
    strategy: "steps",
    nodes: ["node1", "node2"],
    roundTrips: 2,
    atomicity: "emulated",
  });
  t.is(redis.explain("xread", [...read, "0", "0"]).roundTrips, 1);
  t.is(redis.explain("xread", ["STREAMS", a, b, "$", "$"]).roundTrips, 1);
  t.is(redis.explain("xreadgroup", ["GROUP", "g", "c", ...read, ">", ">"]).roundTrips, 2);
  const error = await t.throwsAsync(redis.strict.xread("BLOCK", 5, "STREAMS", a, b, "0", "0"), {
    instanceOf: ShardisError,
  });
  t.is(error.code, "CROSS_NODE");
  await t.throwsAsync(redis.multi().xread("STREAMS", a, b, "0", "0").exec(), {
    code: "CROSS_NODE",
  });
  const results = await redis
    .pipeline()
    .xadd(b, "1-1", "f", "v")
    .xread("BLOCK", 0, "STREAMS", a, b, "0", "0")
    .xlen(b)
    .exec();
  t.deepEqual(results, [
    [null, "1-1"],
    [null, [[b, [["1-1", ["f", "v"]]]]]],
    [null, 1],
  ]);
});
