/** Pipelines over nodes: they answer as those of one plain ioredis, with one write for each node. */
import test from "ava";
import { PartialFailureError, type ShardedRedis, ShardisError } from "../src/index.ts";
import { type Call, comparable, fill, plainClient, sharded } from "./helpers/pipelines.ts";
import { at, eventually, keyOn, keysOn, settle, until } from "./helpers/setup.ts";

const binary = Buffer.from([0xff, 0, 0x0d, 0x0a]);

/** Every kind of command, whose keys lie anywhere; later ones see what earlier ones wrote. */
const CALLS: readonly Call[] = [
  ["set", "a", "1"],
  ["incr", "a"],
  ["get", "a"],
  ["getBuffer", "a"],
  ["mset", { b: "2", c: "3", d: binary }],
  ["mget", "a", "b", "c", "missing"],
  ["mgetBuffer", ["d", "a"]],
  ["exists", "a", "b", "c", "nothing"],
  ["get", "b", "one too many"],
  ["rpush", "list", 1, 2, 3],
  ["incr", "list"],
  ["lrange", "list", 0, -1],
  ["hset", "hash", { x: "1", y: "2" }],
  ["hgetall", "hash"],
  ["hgetallBuffer", "hash"],
  ["sadd", "s1", "x", "y"],
  ["sadd", "s2", "y", "z"],
  ["sinter", "s1", "s2"],
  ["sinterstore", "s3", "s1", "s2"],
  ["smembers", "s3"],
  ["srem", "s2", "y"],
  ["sinter", "s1", "s2"],
  ["sinterstore", "s3", "s1", "s2"],
  ["exists", "s3"],
  ["sinter", "s1", "list"],
  ["zadd", "z1", 1, "m"],
  ["zunionstore", "z2", 2, "z1", "z3"],
  ["zrange", "z2", 0, -1, "WITHSCORES"],
  ["dbsize"],
  ["blpop", "list", 1],
  ["blpop", "none", 0.01],
  ["llen", "list"],
  ["call", "GET", "a"],
  ["callBuffer", "get", "d"],
  ["del", "a", "b", "c", "d", "e"],
  ["ping", "text"],
  ["dbsize"],
  ["flushall"],
  ["keys", "*"],
];

test("results come in the order of the calls, as from one plain ioredis", async (t) => {
  const { redis } = await sharded(t);
  const plain = await plainClient(t);
  const [ours, theirs] = await Promise.all([
    fill(redis.pipeline(), CALLS).exec(),
    fill(plain.pipeline(), CALLS).exec(),
  ]);
  t.is(ours?.length, CALLS.length);
  for (const [index, call] of CALLS.entries()) {
    t.deepEqual(comparable(ours?.[index]), comparable(theirs?.[index]), call.map(String).join(" "));
  }
});

test("commands may be given as arrays", async (t) => {
  const { redis } = await sharded(t);
  t.deepEqual(
    await redis
      .pipeline([
        ["set", "a", "1"],
        ["mset", { b: "2", c: "3" }],
        ["mgetBuffer", "a", "b"],
      ])
      .get("c")
      .exec(),
    [
      [null, "OK"],
      [null, "OK"],
      [null, [Buffer.from("1"), Buffer.from("2")]],
      [null, "3"],
    ],
  );
});

test("each command has its own error, in its place, and no other fails for it", async (t) => {
  const { redis } = await sharded(t);
  const [a, b] = [keyOn(redis, "node1"), keyOn(redis, "node2")];
  const results = await fill(redis.pipeline(), [
    ["set", a, "text"],
    ["lpush", a, "element"],
    ["get", undefined],
    ["eval", "return 1", 2, a, b],
    ["monitor"],
    ["call", "no.such.command", a],
    ["multi"],
    ["set", a, Symbol("value")],
    ["scan", "no cursor"],
    ["get", a],
  ]).exec();
  const endings = results?.map(([error, result]) =>
    error instanceof ShardisError ? error.code : (error?.message.split(" ")[0] ?? result),
  );
  t.deepEqual(endings, [
    "OK",
    "WRONGTYPE",
    "BAD_KEY",
    "CROSS_NODE",
    "UNSUPPORTED",
    "UNSUPPORTED",
    "UNSUPPORTED",
    "BAD_ARGUMENT",
    "BAD_ARGUMENT",
    "text",
  ]);
});

test("the callback of a command gets what is in its place, that of exec gets all", async (t) => {
  const { redis } = await sharded(t);
  const seen: unknown[] = [];
  const note = (error: Error | null | undefined, result: unknown) =>
    seen.push(error?.message.split(" ")[0] ?? result);
  const results = await new Promise((resolve, reject) => {
    const pipeline = redis.pipeline();
    pipeline.set("a", "text", note).lpush("a", "x", note).mget("a", "b", note);
    pipeline.sunion("a", "b", "c", note).dbsize(note);
    pipeline.exec((error, results) => (error ? reject(error) : resolve(results)));
  });
  t.true(Array.isArray(results) && results.length === 5);
  t.deepEqual(new Set(seen), new Set(["OK", "WRONGTYPE", ["text", null], 1]));
  t.is(seen.length, 5);
});

test("a pipeline knows its length, and an empty one sends nothing", async (t) => {
  const { redis } = await sharded(t);
  const pipeline = redis.pipeline();
  t.is(pipeline.length, 0);
  t.is(pipeline.get("a").mget("b", "c").length, 2);
  await redis.each.config("RESETSTAT");
  t.deepEqual(await redis.pipeline().exec(), []);
  t.deepEqual(await redis.pipeline([]).exec(), []);
  for (const info of Object.values(await redis.each.info("commandstats"))) {
    t.is(info.match(/^cmdstat_/gm)?.length, 1, "only RESETSTAT");
  }
});

test("what comes after a shipped command sees it, and it sees what came before", async (t) => {
  const { redis } = await sharded(t);
  const [a, b, c] = ["node1", "node2", "node3"].map((name) => keyOn(redis, name));
  for (let round = 0; round < 20; round++) {
    const pipeline = redis.pipeline();
    const expected: unknown[] = [];
    for (let member = 0; member < 10; member++) {
      pipeline.sadd(a ?? "", `${member}`).sadd(b ?? "", `${member}`);
      pipeline.sinterstore(c ?? "", a ?? "", b ?? "").scard(c ?? "");
      expected.push([null, 1], [null, 1], [null, member + 1], [null, member + 1]);
    }
    pipeline.del(a ?? "", b ?? "", c ?? "");
    expected.push([null, 3]);
    t.deepEqual(await pipeline.exec(), expected);
  }
});

test("a blocking command waits for what came before it, and holds up what comes after", async (t) => {
  const { redis } = await sharded(t);
  await redis.blpop("list", 0.01);
  const value = "x".repeat(1000);
  for (let round = 0; round < 20; round++) {
    await redis.rpush("list", "old");
    const pipeline = redis.pipeline();
    // More than a server reads at once.
    for (let n = 0; n < 1000; n++) pipeline.set("{list}", value);
    const results = await pipeline.del("list").blpop("list", 0.01).llen("list").exec();
    t.deepEqual(results?.slice(-3), [
      [null, 1],
      [null, null],
      [null, 0],
    ]);
  }
  const results = await redis.pipeline().rpush("list", "x").blpop("list", 1).llen("list").exec();
  t.deepEqual(results, [
    [null, 1],
    [null, ["list", "x"]],
    [null, 0],
  ]);
});

test("each node is sent its commands with one write", async (t) => {
  const { redis } = await sharded(t);
  const names = redis.placement.nodes;
  const pipeline = redis.pipeline();
  for (let n = 0; n < 90; n++) pipeline.get(`key:${n}`);
  pipeline.mget("a", "b", "c", "d", "e", "f").dbsize();
  const before = await reads(redis, names);
  await pipeline.exec();
  const after = await reads(redis, names);
  for (const name of names) {
    // Its own write, and that of the INFO which counts.
    const count = (after.get(name) ?? 0) - (before.get(name) ?? 0);
    t.true(count <= 3, `${name} read ${count} times`);
  }
  const stats = await redis.each.info("commandstats");
  const gets = Object.values(stats).map((info) => /cmdstat_get:calls=(\d+)/.exec(info)?.[1]);
  t.is(
    gets.reduce((sum, count) => sum + Number(count), 0),
    90,
  );
});

test("10,000 commands", async (t) => {
  const { redis } = await sharded(t);
  const pipeline = redis.pipeline();
  for (let n = 0; n < 5000; n++) pipeline.set(`key:${n}`, n).get(`key:${n}`);
  const results = await pipeline.exec();
  t.is(results?.length, 10_000);
  const wrong = results?.findIndex(
    ([error, result], index) =>
      error !== null || result !== (index % 2 === 0 ? "OK" : String((index - 1) / 2)),
  );
  t.is(wrong, -1);
});

test("a node that is down fails its own commands, and no others", async (t) => {
  const { redis, servers } = await sharded(t);
  const keys = ["node1", "node2", "node3"].map((name) => keyOn(redis, name));
  const [a = "", b = "", c = ""] = keys;
  await servers.node("node2").kill();
  await until(() => redis.node("node2").status !== "ready");
  const promise = fill(redis.pipeline(), [
    ["set", a, "1"],
    ["set", b, "2"],
    ["set", c, "3"],
    ["mget", a, b, c],
    ["sinter", a, b],
    ["blpop", b, 1],
    ["dbsize"],
    ["get", a],
  ]).exec();
  const [ending] = await settle(t, [promise], 5000);
  const results = Array.isArray(ending?.value) ? ending.value : [];
  const codes = results.map(([error, result]) => error?.code ?? result);
  const [, , , partial] = results;
  t.deepEqual(codes, [
    "OK",
    "NODE_DOWN",
    "OK",
    "PARTIAL_FAILURE",
    "NODE_DOWN",
    "NODE_DOWN",
    "PARTIAL_FAILURE",
    "1",
  ]);
  const error: unknown = partial?.[0];
  if (!(error instanceof PartialFailureError)) return t.fail();
  t.deepEqual(error.results, ["1", undefined, "3"]);
  await servers.node("node2").restart();
  await eventually(() => redis.get(b));
  t.deepEqual(await redis.pipeline().get(a).get(b).exec(), [
    [null, "1"],
    [null, null],
  ]);
});

test("a node that is silent: its commands time out, all others are answered", async (t) => {
  const { redis, servers } = await sharded(t, { commandTimeout: 400 });
  const [a, b] = [keyOn(redis, "node1"), keyOn(redis, "node2")];
  servers.node("node2").pause();
  const promise = redis.pipeline().set(a, "1").set(b, "2").get(a).get(b).exec();
  const [ending] = await settle(t, [promise], 400);
  servers.node("node2").resume();
  const results = Array.isArray(ending?.value) ? ending.value : [];
  t.deepEqual(
    results.map(([error, result]) => error?.code ?? result),
    ["OK", "TIMEOUT", "1", "TIMEOUT"],
  );
  t.like(results[1]?.[0], { sent: true, node: "node2", keys: [b] });
});

test("a pipeline may come before the connection, and keeps its order", async (t) => {
  const { redis } = await sharded(t, { lazyConnect: true });
  const pipeline = redis.pipeline();
  for (let n = 1; n <= 100; n++) pipeline.incr("a").incr("b").incr("c").mget("a", "b", "c");
  const [results, later] = await Promise.all([pipeline.exec(), redis.get("a")]);
  for (let n = 1; n <= 100; n++) {
    t.deepEqual(results?.[4 * n - 1], [null, [`${n}`, `${n}`, `${n}`]]);
  }
  t.is(later, "100", "what is sent after it comes after it");
});

test("commands beside a pipeline keep their order with it", async (t) => {
  const { redis } = await sharded(t);
  const before = redis.incr("n");
  const within = redis.pipeline().incr("n").incr("n").exec();
  const after = redis.incr("n");
  t.deepEqual(await Promise.all([before, within, after]), [
    1,
    [
      [null, 2],
      [null, 3],
    ],
    4,
  ]);
});

test("keyPrefix is before the keys of a pipeline", async (t) => {
  const { redis } = await sharded(t, { keyPrefix: "p:" });
  const results = await redis.pipeline().set("a", "1").mget("a", "b").sunion("c", "d").exec();
  t.deepEqual(results, [
    [null, "OK"],
    [null, ["1", null]],
    [null, []],
  ]);
  t.deepEqual(await redis.keys("*"), ["p:a"]);
});

test("many pipelines at once do not mix", async (t) => {
  const { redis } = await sharded(t);
  const runs = Array.from({ length: 50 }, async (_, n) => {
    const keys = keysOn(redis, "node1", 2, `${n}`).concat(keysOn(redis, "node2", 2, `${n}`));
    const pipeline = redis.pipeline();
    for (const key of keys) pipeline.set(key, `${n}`).get(key);
    pipeline.mget(keys);
    return pipeline.exec();
  });
  for (const [n, results] of (await Promise.all(runs)).entries()) {
    t.deepEqual(at(results ?? [], 8), [null, Array.from({ length: 4 }, () => `${n}`)]);
  }
});

test("a client that is closed fails every command of a pipeline, and exec rejects for none", async (t) => {
  const { redis } = await sharded(t);
  redis.disconnect();
  const results = await redis.pipeline().get("a").mget("a", "b", "c", "d").sunion("a", "b").exec();
  t.is(results?.length, 3);
  for (const [error] of results ?? []) t.true(error instanceof ShardisError, String(error));
});

// --- Helpers ------------------------------------------------------------------------------------

/** How often each server has read from its connections. */
async function reads(redis: ShardedRedis, names: readonly string[]): Promise<Map<string, number>> {
  const infos = await redis.each.info("stats");
  return new Map(
    names.map((name) => [
      name,
      Number(/total_reads_processed:(\d+)/.exec(infos[name] ?? "")?.[1] ?? Number.NaN),
    ]),
  );
}
