/** Transactions: on one node as in one plain ioredis, and never begun on two. */
import test, { type ExecutionContext } from "ava";
import { type ShardedRedis, ShardisError } from "../src/index.ts";
import { type Call, comparable, fill, plainClient, sharded } from "./helpers/pipelines.ts";
import { eventually, failure, keyOn } from "./helpers/setup.ts";

const binary = Buffer.from([0xff, 0, 0x0d, 0x0a]);

const CALLS: readonly Call[] = [
  ["set", "{t}a", binary],
  ["getBuffer", "{t}a"],
  ["get", "{t}a"],
  ["incr", "{t}n"],
  ["incr", "{t}n"],
  ["mset", { "{t}b": "1", "{t}c": "2" }],
  ["mget", "{t}b", "{t}c", "{t}none"],
  ["mgetBuffer", "{t}b", "{t}a"],
  ["lpush", "{t}a", "not a list"],
  ["rpush", "{t}l", "x", "y"],
  ["blpop", "{t}l", 0],
  ["lrange", "{t}l", 0, -1],
  ["hset", "{t}h", { f: "v" }],
  ["hgetall", "{t}h"],
  ["hgetallBuffer", "{t}h"],
  ["sadd", "{t}s", "m"],
  ["sinterstore", "{t}s2", "{t}s", "{t}s"],
  ["smembers", "{t}s2"],
  ["echo", "text"],
  ["call", "GET", "{t}n"],
  ["eval", "return redis.call('INCR', KEYS[1])", 1, "{t}n"],
  ["del", "{t}a", "{t}b"],
];

test("results are those of one plain ioredis, of each command in its place", async (t) => {
  const { redis } = await sharded(t);
  const plain = await plainClient(t);
  const [ours, theirs] = await Promise.all([
    fill(redis.multi(), CALLS).exec(),
    fill(plain.multi(), CALLS).exec(),
  ]);
  t.is(ours?.length, CALLS.length);
  for (const [index, call] of CALLS.entries()) {
    t.deepEqual(comparable(ours?.[index]), comparable(theirs?.[index]), call.map(String).join(" "));
  }
});

test("it is one MULTI and one EXEC, on the node of its keys, with nothing between", async (t) => {
  const { redis } = await sharded(t);
  const { name } = redis.nodeFor("{t}");
  const monitor = await redis.node(name).monitor();
  const seen: string[] = [];
  const ended = new Promise<void>((resolve) => {
    monitor.on("monitor", (_time: string, [command = ""]: string[]) => {
      seen.push(command);
      if (command === "echo") resolve();
    });
  });
  const others = Array.from({ length: 50 }, (_, n) => redis.set(`{t}${n}`, n));
  const results = redis.multi().incr("{t}n").incr("{t}n").get("{t}n").exec();
  others.push(...Array.from({ length: 50 }, (_, n) => redis.set(`{t}${n}`, n)));
  t.deepEqual(await results, [
    [null, 1],
    [null, 2],
    [null, "2"],
  ]);
  await Promise.all(others);
  await redis.node(name).echo("end");
  await ended;
  monitor.disconnect();
  const from = seen.indexOf("multi");
  t.deepEqual(seen.slice(from, from + 5), ["multi", "incr", "incr", "get", "exec"]);
  t.is(seen.filter((command) => command === "multi").length, 1);
  await sentTo(t, redis, { [name]: ["exec", "get", "multi"] }, () =>
    redis.multi().get("{t}n").exec(),
  );
});

test("a key of another node is named, and nothing is sent", async (t) => {
  const { redis } = await sharded(t);
  const [a, b, c] = ["node1", "node2", "node3"].map((name) => keyOn(redis, name));
  const strays: [calls: readonly Call[], keys: unknown[]][] = [
    [
      [
        ["set", a, "1"],
        ["incr", b],
      ],
      [b],
    ],
    [
      [
        ["echo", "text"],
        ["get", b],
        ["get", b],
        ["get", a],
      ],
      [a],
    ],
    [[["mget", a, b]], [a, b]],
    [
      [
        ["set", a, "1"],
        ["sinterstore", a, b, c],
      ],
      [a, b, c],
    ],
    [[["eval", "return 1", 2, a, b]], [a, b]],
  ];
  await sentTo(t, redis, {}, async () => {
    for (const [calls, keys] of strays) {
      const error = await t.throwsAsync(fill(redis.multi(), calls).exec(), {
        instanceOf: ShardisError,
        code: "CROSS_NODE",
      });
      t.deepEqual(error.keys, keys);
    }
    const error = await t.throwsAsync(
      redis
        .multi()
        .set(a ?? "", "1")
        .incr(b ?? "")
        .exec(),
    );
    for (const word of [`"${a}"`, `"${b}"`, "node1", "node2", "nothing was sent", "hash tag"]) {
      t.true(error.message.includes(word), `${word} in: ${error.message}`);
    }
  });
});

test("what is for all nodes, or for the connection, is no part of it", async (t) => {
  const { redis } = await sharded(t);
  await sentTo(t, redis, {}, async () => {
    for (const [name, code] of [
      ["dbsize", "CROSS_NODE"],
      ["flushall", "CROSS_NODE"],
      ["randomkey", "CROSS_NODE"],
      ["monitor", "UNSUPPORTED"],
      ["watch", "UNSUPPORTED"],
      ["multi", "UNSUPPORTED"],
    ]) {
      const transaction = redis.multi().get("a");
      await t.throwsAsync(fill(transaction, [[name, "a"]]).exec(), { code }, name);
    }
    await t.throwsAsync(redis.multi().get("a").scan(0).exec(), { code: "CROSS_NODE" });
    await t.throwsAsync(redis.multi().call("json.get", "a").exec(), { code: "UNSUPPORTED" });
    await t.throwsAsync(fill(redis.multi(), [["get", undefined]]).exec(), { code: "BAD_KEY" });
  });
});

test("a command that fails within has its error in its place, and the others have run", async (t) => {
  const { redis } = await sharded(t);
  const results = await redis.multi().set("{t}a", "text").lpush("{t}a", "x").get("{t}a").exec();
  const [first, second, third] = results ?? [];
  t.deepEqual(
    [first, third],
    [
      [null, "OK"],
      [null, "text"],
    ],
  );
  t.regex(String(second?.[0]?.message), /^WRONGTYPE/);
});

test("a command that the server does not take: EXECABORT, and nothing has run", async (t) => {
  const { redis } = await sharded(t);
  const calls = [
    ["set", "{t}a", "1"],
    ["call", "get", "{t}a", "one too many"],
  ];
  const error = await t.throwsAsync(fill(redis.multi(), calls).exec(), {
    name: "ReplyError",
    message: /^EXECABORT/,
  });
  const previous: unknown = Reflect.get(error, "previousErrors");
  t.regex(String(previous), /wrong number of arguments/);
  t.is(await redis.get("{t}a"), null);
  t.deepEqual(await redis.multi().get("{t}a").exec(), [[null, null]], "the next one is well");
});

test("commands may be given as arrays, and added to", async (t) => {
  const { redis } = await sharded(t);
  const transaction = redis.multi([
    ["set", "{t}a", "1"],
    ["getBuffer", "{t}a"],
  ]);
  t.is(transaction.incr("{t}a").length, 3);
  t.deepEqual(await transaction.exec(), [
    [null, "OK"],
    [null, Buffer.from("1")],
    [null, 2],
  ]);
});

test("callbacks of commands get their results, that of exec gets all", async (t) => {
  const { redis } = await sharded(t);
  const seen: unknown[] = [];
  const note = (error: Error | null | undefined, result: unknown) =>
    seen.push(error?.message.split(" ")[0] ?? result);
  const results = await new Promise((resolve, reject) => {
    redis
      .multi()
      .set("{t}a", "text", note)
      .lpush("{t}a", "x", note)
      .get("{t}a", note)
      .exec((error, results) => (error ? reject(error) : resolve(results)));
  });
  t.true(Array.isArray(results) && results.length === 3);
  await new Promise(setImmediate);
  t.deepEqual(seen, ["OK", "WRONGTYPE", "text"]);
});

test("where it fails as a whole every callback gets the error", async (t) => {
  const { redis } = await sharded(t);
  const [a, b] = [keyOn(redis, "node1"), keyOn(redis, "node2")];
  const seen: unknown[] = [];
  const note = (error: Error | null | undefined) => seen.push(Reflect.get(Object(error), "code"));
  await new Promise<void>((resolve) => {
    redis
      .multi()
      .get(a, note)
      .get(b, note)
      .exec((error) => {
        note(error);
        resolve();
      })
      .catch(() => {});
  });
  await new Promise(setImmediate);
  t.deepEqual(seen, ["CROSS_NODE", "CROSS_NODE", "CROSS_NODE"]);
});

test("an empty one has no results", async (t) => {
  const { redis } = await sharded(t);
  t.deepEqual(await redis.multi().exec(), []);
  t.deepEqual(await redis.multi([]).exec(), []);
  t.is(await redis.ping(), "PONG");
});

test("keyPrefix is before its keys, and decides where it runs", async (t) => {
  const { redis } = await sharded(t, { keyPrefix: "{p}:" });
  t.deepEqual(await redis.multi().set("a", "1").mget("a", "b").exec(), [
    [null, "OK"],
    [null, ["1", null]],
  ]);
  t.deepEqual(await redis.keys("*"), ["{p}:a"]);
});

test("one that comes before the connection waits for it, in its order", async (t) => {
  const { redis } = await sharded(t, { lazyConnect: true });
  const before = redis.incr("{t}n");
  const within = redis.multi().incr("{t}n").incr("{t}n").exec();
  t.deepEqual(await Promise.all([before, within]), [
    1,
    [
      [null, 2],
      [null, 3],
    ],
  ]);
});

test("its node is down: it is refused, and another's is not", async (t) => {
  const { redis, servers } = await sharded(t);
  const [a, b] = [keyOn(redis, "node1"), keyOn(redis, "node2")];
  await servers.node("node2").kill();
  const error = await failure(t, redis.multi().set(b, "1").get(b).exec(), 5000);
  t.is(error.node, "node2");
  t.true(["NODE_DOWN", "CONNECTION_LOST"].includes(error.code), error.code);
  t.is((await failure(t, redis.multi().get(b).exec(), 5000)).code, "NODE_DOWN");
  t.deepEqual(await redis.multi().set(a, "1").exec(), [[null, "OK"]]);
});

test("its node dies while it runs: it may have run, says the error", async (t) => {
  const { redis, servers } = await sharded(t);
  const a = keyOn(redis, "node1");
  servers.node("node1").pause();
  const running = redis.multi().incr(a).incr(a).exec();
  const [error] = await Promise.all([failure(t, running, 5000), servers.node("node1").kill()]);
  t.like(error, { code: "CONNECTION_LOST", node: "node1", sent: true });
  t.deepEqual(error.keys, [a, a]);
});

test("its node is silent: it settles in time", async (t) => {
  const { redis, servers } = await sharded(t, { commandTimeout: 300 });
  const a = keyOn(redis, "node1");
  servers.node("node1").pause();
  const error = await failure(t, redis.multi().incr(a).exec(), 300);
  t.like(error, { code: "TIMEOUT", node: "node1", sent: true, keys: [a] });
  await servers.node("node1").restart();
  t.deepEqual(await eventually(() => redis.multi().echo("text").exec()), [[null, "text"]]);
});

// Connection.transact leaves a promise that then rejects, and nobody handles it.
test("a reply that comes after the time was up is nobody's", async (t) => {
  const { redis, servers } = await sharded(t, { commandTimeout: 300 });
  const a = keyOn(redis, "node1");
  servers.node("node1").pause();
  t.is((await failure(t, redis.multi().incr(a).exec(), 300)).code, "TIMEOUT");
  servers.node("node1").resume();
  t.deepEqual(await redis.multi().echo("text").exec(), [[null, "text"]]);
});

test("many at once do not mix", async (t) => {
  const { redis } = await sharded(t);
  const runs = Array.from({ length: 200 }, (_, n) =>
    redis.multi().incr("{t}n").set(`{t}${n}`, n).get(`{t}${n}`).incr("{t}n").exec(),
  );
  for (const [n, results] of (await Promise.all(runs)).entries()) {
    t.deepEqual(results, [
      [null, 2 * n + 1],
      [null, "OK"],
      [null, `${n}`],
      [null, 2 * n + 2],
    ]);
  }
});

// --- Helpers ------------------------------------------------------------------------------------

/** Asserts which commands each node gets while `action` runs; those not named get none. */
async function sentTo(
  t: ExecutionContext,
  redis: ShardedRedis,
  expected: Readonly<Record<string, readonly string[]>>,
  action: () => Promise<unknown>,
): Promise<void> {
  await redis.each.config("RESETSTAT");
  await action();
  for (const [name, info] of Object.entries(await redis.each.info("commandstats"))) {
    const commands = [...info.matchAll(/^cmdstat_([^:]+)/gm)].map(([, command = ""]) => command);
    const sent = commands.filter((command) => command !== "config|resetstat").sort();
    t.deepEqual(sent, expected[name] ?? [], name);
  }
}
