/** Commands reach a node in the order in which they were issued, in batches or not. */
import { setImmediate as turn } from "node:timers/promises";
import test from "ava";
import fc from "fast-check";
import { Redis } from "ioredis";
import type { ShardedRedis } from "../src/index.ts";
import { adminOf, all, inOneTick, inPipeline, type Outcome } from "./helpers/lane.ts";
import type { Call } from "./helpers/pipelines.ts";
import {
  at,
  keyOn,
  keysOn,
  newClient,
  setUp,
  start,
  until,
  watchRejections,
} from "./helpers/setup.ts";

watchRejections(test);

/** A busy machine takes its time for small pieces. */
const LONG = { commandTimeout: 60_000 };

// --- Any commands in any order ------------------------------------------------------------------

/** Commands that are issued one after another, and what is waited for after them. */
interface Step {
  readonly way:
    | "client"
    | "by"
    | "strict"
    | "node"
    | "pipeline"
    | "node pipeline"
    | "multi"
    | "each";
  readonly calls: readonly Call[];
  readonly pause: "nothing" | "microtask" | "tick" | "turn" | "replies";
}

const KEYS = ["a", "b", "c", "{a}d", "e", "f"];

const key = fc.constantFrom(...KEYS);
const value = fc.oneof(fc.nat(99).map(String), fc.string({ unit: "grapheme", maxLength: 30 }));

/** Commands of one key, which get an error where another has left a key of another type. */
const keyed: fc.Arbitrary<Call> = fc.oneof(
  fc.tuple(fc.constantFrom("get", "getBuffer", "strlen", "incr", "type", "del", "exists"), key),
  fc.tuple(fc.constantFrom("set", "append", "getset", "setnx"), key, value),
  fc.tuple(fc.constantFrom("lpush", "rpush", "sadd"), key, value),
  fc.tuple(fc.constantFrom("lpop", "llen", "hgetall", "ttl", "mget"), key),
  fc.tuple(fc.constant("lrange"), key, fc.constant("0"), fc.constant("-1")),
  // These are in no batch.
  fc.tuple(fc.constant("hset"), key, fc.record({ field: value })),
  fc.tuple(
    fc.constant("set"),
    key,
    value.map((text) => text.padEnd(70_000, "long ")),
  ),
);

const script: fc.Arbitrary<Call> = fc.tuple(fc.constant("appendAndGet"), key, value);

/** Commands of several keys, which are cut by node. */
const split: fc.Arbitrary<Call> = fc.oneof(
  fc
    .tuple(fc.constantFrom("mget", "del", "exists"), fc.uniqueArray(key, { minLength: 1 }))
    .map(([name, keys]) => [name, ...keys]),
  fc
    .array(fc.tuple(key, value), { minLength: 1, maxLength: 4 })
    .map((pairs) => ["mset", ...pairs.flat()]),
);

/** Calls, all with the same key. */
const ofOneKey = fc
  .tuple(key, fc.array(keyed, { minLength: 1, maxLength: 5 }))
  .map(([key, calls]) => calls.map(([name, , ...args]): Call => [name, key, ...args]));

const pause = fc.constantFrom(
  ...(["nothing", "nothing", "nothing", "microtask", "tick", "turn", "replies"] as const),
);

function steps(calls: fc.Arbitrary<readonly Call[]>, ...ways: Step["way"][]): fc.Arbitrary<Step> {
  return fc.record({ way: fc.constantFrom(...ways), calls, pause });
}

const program = fc.array(
  fc.oneof(
    { weight: 8, arbitrary: steps(fc.array(keyed, { minLength: 1, maxLength: 6 }), "client") },
    { weight: 3, arbitrary: steps(fc.tuple(split), "client", "pipeline") },
    { weight: 2, arbitrary: steps(fc.tuple(script), "client", "pipeline", "by") },
    { weight: 3, arbitrary: steps(fc.tuple(keyed), "by", "strict", "node") },
    {
      weight: 2,
      arbitrary: steps(
        fc.array(fc.oneof(keyed, split, script), { minLength: 1, maxLength: 8 }),
        "pipeline",
      ),
    },
    { weight: 3, arbitrary: steps(ofOneKey, "node pipeline", "multi") },
    { weight: 1, arbitrary: steps(fc.constant([["dbsize"]]), "each", "client") },
  ),
  { minLength: 5, maxLength: 40 },
);

/** What all keys hold, in the end. */
const LAST: Step = {
  way: "client",
  calls: KEYS.flatMap((key) =>
    ["type", "getBuffer", "llen", "hgetall", "scard"].map((name) => [name, key]),
  ),
  pause: "replies",
};

for (const protocol of [2, 3] as const) {
  // Serial, as it keeps the event loop busy.
  test.serial(
    `commands in any order do what they do on one server, in RESP${protocol}`,
    async (t) => {
      const options = { redisOptions: { protocol }, ...LONG };
      const { redis: batching, proxies } = await setUp(t, 3, options);
      const others = await start(t, 3);
      const ordinary = newClient(t, others.nodes, { ...options, autoBatch: false });
      await ordinary.connect();
      const [single] = (await start(t, 1)).nodes;
      if (single === undefined) throw new RangeError("there is no server");
      const plain = new Redis({ ...single, protocol });
      t.teardown(() => plain.disconnect());
      const lua = "redis.call('append', KEYS[1], ARGV[1]) return redis.call('get', KEYS[1])";
      // Where a script is not known, it takes two steps.
      await Promise.all([batching.each, ordinary.each, plain].map((on) => on.script("LOAD", lua)));
      for (const client of [batching, ordinary, plain]) {
        client.defineCommand("appendAndGet", { lua, numberOfKeys: 1 });
      }
      const clients = [subjectOf(batching), subjectOf(ordinary), plainSubject(plain)];
      const pieces = fc.constantFrom(Number.POSITIVE_INFINITY, 1001, 61);
      await fc.assert(
        fc.asyncProperty(program, pieces, async (steps, bytesPerPiece) => {
          await Promise.all([batching, ordinary, plain].map((client) => client.flushall()));
          for (const proxy of proxies) proxy.bytesPerPiece = bytesPerPiece;
          const [ours, without, theirs] = await Promise.all(
            clients.map((send) => run(send, [...steps, LAST])),
          );
          t.deepEqual(without, theirs);
          t.deepEqual(ours, theirs);
        }),
        { seed: Number(process.env.FC_SEED ?? 1), numRuns: Number(process.env.FC_RUNS ?? 60) },
      );
    },
  );
}

test("more commands than one batch holds stay in their order", async (t) => {
  const { redis } = await setUp(t, 2, LONG);
  const lists = [keyOn(redis, "node1"), keyOn(redis, "node2")];
  const numbers = Array.from({ length: 12_001 }, (_, number) => number);
  const elements = numbers.map(String);
  const pushed = numbers.map((number) => redis.rpush(at(lists, number % 2), number));
  const lengths = await Promise.all(pushed);
  t.deepEqual(
    lengths,
    numbers.map((number) => Math.floor(number / 2) + 1),
  );
  const pipeline = redis.pipeline();
  for (const number of numbers) pipeline.lindex(at(lists, number % 2), Math.floor(number / 2));
  t.deepEqual(
    (await pipeline.exec())?.map(([, element]) => element),
    elements,
  );
  for (const [index, list] of lists.entries()) {
    t.deepEqual(
      await redis.lrange(list, 0, -1),
      elements.filter((_, at) => at % 2 === index),
    );
  }
});

// --- Messages, pushes, and others on the connection ---------------------------------------------

test("what a user sends to a node by itself comes behind what was issued before", async (t) => {
  const { redis } = await setUp(t, 2, LONG);
  const key = keyOn(redis, "node1");
  const node = redis.node("node1");
  const replies = await Promise.all([
    redis.rpush(key, "1"),
    node.rpush(key, "2"),
    redis.rpush(key, "3"),
    redis.mget(key, keyOn(redis, "node2")),
    redis.node("node1").pipeline().rpush(key, "4").rpush(key, "5").exec(),
    redis.rpush(key, "6"),
    redis.nodes()[0]?.multi().rpush(key, "7").exec(),
    redis.rpush(key, "8"),
  ]);
  t.deepEqual(replies.flat(2).filter(Number), [1, 2, 3, 4, 5, 6, 7, 8]);
  t.deepEqual(await redis.lrange(key, 0, -1), ["1", "2", "3", "4", "5", "6", "7", "8"]);
});

test("messages of RESP3 come between batches, and to whom they should", async (t) => {
  const { redis, servers, proxies } = await setUp(t, 1, LONG);
  const node = redis.node("node1");
  const admin = adminOf(t, at(servers));
  const heard: string[] = [];
  node.on("message", (_, message) => {
    heard.push(message);
    // In the midst of what has come, more is sent.
    redis.incr("heard").catch(() => {});
    node.incr("heard").catch(() => {});
  });
  at(proxies).bytesPerPiece = 5;
  const replies: Promise<unknown>[] = [];
  const subscribed: Promise<unknown>[] = [];
  const numbers = Array.from({ length: 40 }, (_, number) => number);
  for (const number of numbers) {
    replies.push(redis.set(`key:${number}`, `value of ${number}`), redis.get(`key:${number}`));
    if (number === 3) subscribed.push(node.subscribe("first", "second", "third"));
    if (number === 20) subscribed.push(node.unsubscribe("third"));
    if (number === 30) subscribed.push(node.psubscribe("sec*"));
    await admin.publish("first", `message ${number}`);
    if (number % 3 === 0) await turn();
    replies.push(redis.get(`key:${number}`), node.get(`key:${number}`));
  }
  const texts = numbers.map((number) => `value of ${number}`);
  t.deepEqual(
    await Promise.all(replies),
    texts.flatMap((text) => ["OK", text, text, text]),
  );
  t.deepEqual(await Promise.all(subscribed), [3, 2, 3]);
  await admin.publish("first", "the last");
  await until(() => heard.at(-1) === "the last");
  const published = [...numbers.map((number) => `message ${number}`), "the last"];
  t.deepEqual(heard, published.slice(-heard.length));
  await until(async () => Number(await redis.get("heard")) === 2 * heard.length);
});

test("a message of RESP2 is nobody's reply", async (t) => {
  const { redis, servers, proxies } = await setUp(t, 1, { ...LONG, redisOptions: { protocol: 2 } });
  const node = redis.node("node1");
  const admin = adminOf(t, at(servers));
  const heard: string[] = [];
  node.on("message", (_, message) => heard.push(message));
  await redis.set("key", "value");
  Object.assign(at(proxies), { delay: 700, bytesPerPiece: 7 });
  const subscribed = node.subscribe("channel");
  await until(async () => (await admin.pubsub("NUMSUB", "channel"))[1] === 1);
  // The server is in subscriber mode, and the client does not know yet.
  const batch = all([redis.get("key"), redis.lrange("key", 0, -1), redis.get("key")]);
  const alone = all([redis.mget("key"), redis.get("key")]);
  await admin.publish("channel", "first");
  t.is(await subscribed, 1);
  for (const { value, error } of [...(await batch), ...(await alone)]) {
    t.is(value, undefined);
    t.regex(String(error), /^ReplyError: ERR Can't execute '\w+': only \(P\|S\)SUBSCRIBE/);
  }
  await until(() => heard.length === 1);
  at(proxies).delay = 0;
  const calls = [
    ["get", "key"],
    ["mget", "key", "none"],
  ];
  const refused = [inOneTick(redis, calls), inPipeline(redis.pipeline(), calls)];
  for (const { error } of (await Promise.all(refused)).flat()) {
    t.like(error, { code: "UNSUPPORTED", node: "node1", sent: false });
    t.regex(String(error), /get was not sent: in RESP2 node node1 takes nothing but/);
  }
  t.is(await node.unsubscribe("channel"), 0);
  t.deepEqual(await Promise.all([redis.get("key"), redis.mget("key", "none")]), [
    "value",
    ["value", null],
  ]);
  t.deepEqual(heard, ["first"]);
});

test("what a server says unasked comes between the replies of a batch", async (t) => {
  const { redis, servers, proxies } = await setUp(t, 1, LONG);
  const admin = adminOf(t, at(servers));
  await redis.node("node1").call("CLIENT", "TRACKING", "ON", "BCAST");
  for (const bytesPerPiece of [Number.POSITIVE_INFINITY, 11, 1]) {
    at(proxies).bytesPerPiece = bytesPerPiece;
    const sets = Array.from({ length: 60 }, (_, number) => redis.set(`key:${number}`, number));
    const gets = Array.from({ length: 60 }, (_, number) => redis.get(`key:${number}`));
    const invalidated = admin.set("key:100", "x");
    t.deepEqual(await Promise.all(sets), new Array(60).fill("OK"));
    t.deepEqual(
      await Promise.all(gets),
      Array.from({ length: 60 }, (_, number) => String(number)),
    );
    await invalidated;
    t.deepEqual(await redis.mget("key:1", "none", "key:2"), ["1", null, "2"]);
  }
});

test("large ordinary replies hold up nothing but what comes behind them", async (t) => {
  const { redis } = await setUp(t, 1, LONG);
  const node = redis.node("node1");
  const [large, small] = keysOn(redis, "node1", 2);
  if (large === undefined || small === undefined) return t.fail();
  const text = "0123456789".repeat(300_000);
  await redis.set(large, text);
  const replies: Promise<unknown>[] = [];
  const wanted: unknown[] = [];
  for (let round = 0; round < 6; round++) {
    replies.push(redis.set(small, round), node.get(large), redis.get(small), redis.strlen(large));
    replies.push(redis.by(small).get(large), redis.incr(small), redis.get(large), node.get(small));
    wanted.push("OK", text, String(round), text.length);
    wanted.push(text, round + 1, text, String(round + 1));
    if (round % 2 === 1) await turn();
  }
  const got = await Promise.all(replies);
  t.is(got.length, wanted.length);
  for (const [index, reply] of got.entries()) t.true(reply === wanted[index], `reply ${index}`);
});

test("commands that block hold up nobody, and wake for what batches write", async (t) => {
  const { redis } = await setUp(t, 2, LONG);
  const lists = [keyOn(redis, "node1", "list"), keyOn(redis, "node2", "list")];
  const blocked = lists.map((list) => redis.blpop(list, 20));
  const gets = keysOn(redis, "node1", 50).map((key) => redis.get(key));
  t.deepEqual(await Promise.all(gets), new Array(50).fill(null));
  const pushed = lists.flatMap((list) => [redis.rpush(list, "1"), redis.rpush(list, "2")]);
  t.deepEqual(
    await Promise.all(blocked),
    lists.map((list) => [list, "1"]),
  );
  await Promise.all(pushed);
  t.deepEqual(await Promise.all(lists.map((list) => redis.lrange(list, 0, -1))), [["2"], ["2"]]);
});

// --- Helpers ------------------------------------------------------------------------------------

/** Does a step. */
type Send = (step: Step) => Promise<Outcome[]>;

async function run(send: Send, steps: readonly Step[]): Promise<unknown[]> {
  const outcomes: Promise<Outcome[]>[] = [];
  for (const step of steps) {
    outcomes.push(send(step));
    if (step.pause === "microtask") await undefined;
    else if (step.pause === "tick") await new Promise<void>((resolve) => process.nextTick(resolve));
    else if (step.pause === "turn") await turn();
    else if (step.pause === "replies") await Promise.all(outcomes);
  }
  const flat = (await Promise.all(outcomes)).flat();
  return flat.map(({ value, error }) => (error === undefined ? value : String(error)));
}

function subjectOf(redis: ShardedRedis): Send {
  return ({ way, calls }) => {
    const [, key] = at(calls);
    const node = () => redis.node(redis.nodeFor(String(key)).name);
    switch (way) {
      case "by":
        return inOneTick(redis.by(String(key)), calls);
      case "strict":
        return inOneTick(redis.strict, calls);
      case "node":
        return inOneTick(node(), calls);
      case "pipeline":
        return inPipeline(redis.pipeline(), calls);
      case "node pipeline":
        return inPipeline(node().pipeline(), calls);
      case "multi":
        return inPipeline(redis.multi(), calls);
      case "each":
        return all([sum(redis.each.dbsize())]);
      default:
        return inOneTick(redis, calls);
    }
  };
}

function plainSubject(redis: Redis): Send {
  return ({ way, calls }) => {
    if (way === "multi") return inPipeline(redis.multi(), calls);
    if (way === "pipeline" || way === "node pipeline") return inPipeline(redis.pipeline(), calls);
    return inOneTick(redis, calls);
  };
}

async function sum(counts: Promise<Record<string, number>>): Promise<number> {
  return Object.values(await counts).reduce((sum, count) => sum + count, 0);
}
