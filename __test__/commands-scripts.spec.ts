/** Lua scripts as methods: on the node of their keys, by their SHA-1, and as a whole where unknown. */
import test, { type ExecutionContext } from "ava";
import { type ShardedRedis, type ShardedRedisOptions, ShardisError } from "../src/index.ts";
import { fill } from "./helpers/pipelines.ts";
import { eventually, keyOn, newClient, start } from "./helpers/setup.ts";

const ECHO = "return { KEYS[1], KEYS[2], ARGV[1], ARGV[2] }";
const ADD = "return redis.call('INCRBY', KEYS[1], ARGV[1])";

test("numberOfKeys says how many arguments are keys; without it the first argument does", async (t) => {
  const { redis } = await sharded(t);
  redis.defineCommand("fixed", { numberOfKeys: 2, lua: ECHO });
  redis.defineCommand("counted", { lua: ECHO });
  t.deepEqual(await run(redis, "fixed", "{t}a", "{t}b", "x", 1), ["{t}a", "{t}b", "x", "1"]);
  t.deepEqual(await run(redis, "counted", 1, "a", "x", "y"), ["a"], "an array of Lua ends at nil");
  t.deepEqual(await run(redis, "counted", 2, "{t}a", "{t}b", "x", "y"), ["{t}a", "{t}b", "x", "y"]);
});

test("it runs on the node of its keys, wherever that is", async (t) => {
  const { redis } = await sharded(t);
  redis.defineCommand("add", { numberOfKeys: 1, lua: ADD });
  for (const name of redis.placement.nodes) {
    const key = keyOn(redis, name);
    t.is(await run(redis, "add", key, 5), 5);
    t.is(await redis.node(name).get(key), "5");
  }
});

test("arguments may be an array, and bytes are bytes", async (t) => {
  const { redis } = await sharded(t);
  const binary = Buffer.from([0xff, 0, 0x7b]);
  redis.defineCommand("fixed", { numberOfKeys: 1, lua: "return { KEYS[1], ARGV[1] }" });
  t.deepEqual(await run(redis, "fixed", ["a", "x"]), ["a", "x"]);
  t.deepEqual(await run(redis, "fixedBuffer", binary, binary), [binary, binary]);
  t.deepEqual(await run(redis, "fixedBuffer", ["a", binary]), [Buffer.from("a"), binary]);
});

test("a callback gets what the promise does", async (t) => {
  const { redis } = await sharded(t);
  redis.defineCommand("add", { numberOfKeys: 1, lua: ADD });
  const call = (...args: unknown[]) =>
    new Promise((resolve) => {
      run(redis, "add", ...args, (error: unknown, reply: unknown) => resolve([error, reply])).catch(
        () => {},
      );
    });
  t.deepEqual(await call("a", 2), [null, 2]);
  const [error] = Object(await call("a", "no number"));
  t.regex(String(error), /not an integer/);
});

test("the source is sent once to each node, then its SHA-1 only", async (t) => {
  const { redis } = await sharded(t);
  redis.defineCommand("add", { numberOfKeys: 1, lua: ADD });
  const [a, b] = [keyOn(redis, "node1"), keyOn(redis, "node2")];
  const counted = await counts(redis, async () => {
    for (let n = 0; n < 5; n++) {
      await run(redis, "add", a, 1);
      await run(redis, "add", b, 1);
    }
  });
  // A server counts what a script calls too.
  const each = { evalsha: 5, eval: 1, incrby: 5 };
  t.deepEqual(counted, { node1: each, node2: each, node3: {} });
});

test("a server that has forgotten it is told again, and it runs once", async (t) => {
  const { redis, servers } = await sharded(t);
  redis.defineCommand("add", { numberOfKeys: 1, lua: ADD });
  const key = keyOn(redis, "node2");
  t.is(await run(redis, "add", key, 1), 1);
  await redis.script("FLUSH");
  t.is(await run(redis, "add", key, 1), 2, "after SCRIPT FLUSH");
  await servers.node("node2").restart();
  t.is(await eventually(() => run(redis, "add", key, 1)), 1, "after a restart, without data");
  t.is(await run(redis, "add", key, 1), 2);
});

test("many at once on a server that does not know it each run once", async (t) => {
  const { redis } = await sharded(t);
  redis.defineCommand("add", { numberOfKeys: 1, lua: ADD });
  await Promise.all(Array.from({ length: 100 }, () => run(redis, "add", "n", 1)));
  t.is(await redis.get("n"), "100");
});

test("an error of the script is its own, and it is not run again", async (t) => {
  const { redis } = await sharded(t);
  const lua = "redis.call('INCR', KEYS[1]) return redis.error_reply('MINE no')";
  redis.defineCommand("fails", { numberOfKeys: 1, lua });
  await t.throwsAsync(run(redis, "fails", "n"), { name: "ReplyError", message: /^MINE no/ });
  t.is(await redis.get("n"), "1");
});

test("keys on several nodes are refused, and nothing is sent", async (t) => {
  const { redis } = await sharded(t);
  redis.defineCommand("fixed", { numberOfKeys: 2, lua: ECHO });
  redis.defineCommand("counted", { lua: ECHO });
  const [a, b] = [keyOn(redis, "node1"), keyOn(redis, "node2")];
  const counted = await counts(redis, async () => {
    for (const promise of [run(redis, "fixed", a, b), run(redis, "counted", 2, a, b)]) {
      const error = await t.throwsAsync(promise, { instanceOf: ShardisError, code: "CROSS_NODE" });
      t.deepEqual(error.keys, [a, b]);
    }
    await t.throwsAsync(run(redis, "counted", 0), { code: "UNSUPPORTED" });
    await t.throwsAsync(run(redis, "fixed", undefined, a), { code: "BAD_KEY" });
  });
  t.deepEqual(counted, { node1: {}, node2: {}, node3: {} });
});

test("keyPrefix is before its keys, and not before its other arguments", async (t) => {
  const { redis } = await sharded(t, { keyPrefix: "p:" });
  redis.defineCommand("echo2", { numberOfKeys: 1, lua: "return { KEYS[1], ARGV[1] }" });
  t.deepEqual(await run(redis, "echo2", "a", "b"), ["p:a", "b"]);
});

test("a script that writes nothing may say so, and is held to it", async (t) => {
  const { redis } = await sharded(t);
  redis.defineCommand("read", {
    numberOfKeys: 1,
    lua: "return redis.call('GET', KEYS[1])",
    readOnly: true,
  });
  redis.defineCommand("writes", { numberOfKeys: 1, lua: ADD, readOnly: true });
  await redis.set("a", "1");
  const counted = await counts(redis, async () => {
    t.is(await run(redis, "read", "a"), "1");
    t.is(await run(redis, "read", "a"), "1");
  });
  const { name } = redis.nodeFor("a");
  t.deepEqual(counted[name], { evalsha_ro: 2, eval_ro: 1, get: 2 });
  await t.throwsAsync(run(redis, "writes", "a", 1), { message: /read-only scripts/ });
});

test("a script may be defined anew, and is that of its client only", async (t) => {
  const { redis, servers } = await sharded(t);
  const other = newClient(t, servers.nodes);
  redis.defineCommand("mine", { numberOfKeys: 1, lua: "return 1" });
  redis.defineCommand("mine", { numberOfKeys: 1, lua: "return 2" });
  t.is(await run(redis, "mine", "a"), 2);
  t.is(Reflect.get(other, "mine"), undefined);
});

test("what is no script is refused", async (t) => {
  const { redis } = await sharded(t);
  const wrong: [name: unknown, definition: unknown][] = [
    ["", { lua: "return 1" }],
    [1, { lua: "return 1" }],
    ["name", {}],
    ["name", undefined],
    ["name", { lua: 1 }],
  ];
  for (const [name, definition] of wrong) {
    t.throws(() => redis.defineCommand(name as string, definition as { lua: string }), {
      instanceOf: ShardisError,
      code: "BAD_ARGUMENT",
    });
  }
});

test("pipelines and transactions have the scripts too, as ioredis' have", async (t) => {
  const { redis } = await sharded(t);
  redis.defineCommand("addTwice", {
    numberOfKeys: 1,
    lua: "redis.call('incrby', KEYS[1], ARGV[1]) return redis.call('incrby', KEYS[1], ARGV[1])",
  });
  const pipelined = redis.pipeline([
    ["addTwice", "a", "1"],
    ["addTwice", "b", "2"],
    ["addTwiceBuffer", "c", "3"],
    ["get", "a"],
  ]);
  t.deepEqual(await pipelined.exec(), [
    [null, 2],
    [null, 4],
    [null, 6],
    [null, "2"],
  ]);
  t.deepEqual(await redis.multi([["addTwice", "a", "1"]]).exec(), [[null, 4]]);
});

/** Returns the key, its stored value raised by the argument. */
const RAISE = "return { KEYS[1], redis.call('INCRBY', KEYS[1], ARGV[1]) }";

test("views have the scripts, whenever they were made, and so do their pipelines", async (t) => {
  const { redis } = await sharded(t);
  const [here, there] = [keyOn(redis, "node1"), keyOn(redis, "node2")];
  const { strict, tagged } = redis;
  const home = redis.by(here);
  const pipeline = home.pipeline();
  redis.defineCommand("raise", { numberOfKeys: 1, lua: RAISE });
  t.deepEqual(await run(home, "raise", there, 1), [there, 1], "on the node of the hash key");
  t.is(await redis.node("node1").get(there), "1");
  t.deepEqual(await run(redis.by(there), "raise", there, 5), [there, 5]);
  t.deepEqual(await run(strict, "raise", here, 1), [here, 1]);
  t.deepEqual(await run(tagged, "raise", here, 1), [here, 2]);
  t.deepEqual(await run(tagged, "raiseBuffer", here, 1), [Buffer.from(here), 3]);
  t.deepEqual(await fill(pipeline, [["raise", there, 1]]).exec(), [[null, [there, 2]]]);
  t.deepEqual(await home.multi([["raise", there, 1]]).exec(), [[null, [there, 3]]]);
  t.deepEqual(await strict.pipeline([["raise", here, 1]]).exec(), [[null, [here, 4]]]);
  t.deepEqual(await tagged.multi([["raise", here, 1]]).exec(), [[null, [here, 5]]]);
});

test("what views ask of keys, they ask of those of scripts", async (t) => {
  const { redis } = await sharded(t);
  redis.defineCommand("pair", { numberOfKeys: 2, lua: ECHO });
  const [here, there] = [keyOn(redis, "node1"), keyOn(redis, "node2")];
  const beside = keyOn(redis, "node1", "other");
  const counted = await counts(redis, async () => {
    await t.throwsAsync(run(redis.strict, "pair", here, there), { code: "CROSS_NODE" });
    await t.throwsAsync(run(redis.tagged, "pair", here, beside), { code: "CROSS_NODE" });
    const [result] = (await redis.strict.pipeline([["pair", here, there]]).exec()) ?? [];
    t.like(result?.[0], { code: "CROSS_NODE" });
  });
  t.deepEqual(counted, { node1: {}, node2: {}, node3: {} });
  t.deepEqual(await run(redis.by("home"), "pair", here, there), [here, there]);
});

test("each runs a script on every node, whether it knows it or not", async (t) => {
  const { redis } = await sharded(t);
  const { each } = redis;
  redis.defineCommand("raise", { numberOfKeys: 1, lua: RAISE });
  await run(redis, "raise", keyOn(redis, "node1"), 1);
  const everywhere = { node1: ["n", 1], node2: ["n", 1], node3: ["n", 1] };
  t.deepEqual(await run(each, "raise", "n", 1), everywhere);
});

test("a script may have the name of a command, or of what is within a pipeline", async (t) => {
  const { redis } = await sharded(t);
  for (const name of ["get", "add", "entries", "carrier"]) {
    redis.defineCommand(name, { numberOfKeys: 1, lua: "return 'a script'" });
    t.is(await run(redis, name, "a"), "a script");
    t.is(await run(redis.by("home"), name, "a"), "a script");
  }
  const results = await fill(redis.pipeline(), [
    ["set", "a", "1"],
    ["get", "a"],
    ["add", "a"],
  ]).exec();
  t.deepEqual(results, [
    [null, "OK"],
    [null, "a script"],
    [null, "a script"],
  ]);
});

test("the option scripts defines them from the beginning, as that of redisOptions does", async (t) => {
  const scripts = { add: { numberOfKeys: 1, lua: ADD } };
  for (const options of [{ scripts }, { redisOptions: { scripts } }]) {
    const { redis } = await sharded(t, options);
    t.is(await run(redis, "add", "n", 2), 2);
    t.is(await run(redis.by("home"), "add", "m", 3), 3);
    const copy = redis.duplicate();
    t.teardown(() => copy.disconnect());
    t.is(await run(copy, "add", "n", 2), 4);
  }
  const wrong: unknown[] = [
    "add",
    [],
    { add: {} },
    { add: ADD },
    { "": { lua: ADD } },
    { add: null },
  ];
  for (const scripts of wrong) {
    t.throws(() => newClient(t, ["localhost:1"], { scripts } as ShardedRedisOptions), {
      instanceOf: ShardisError,
      code: "BAD_OPTION",
    });
  }
});

// --- Helpers ------------------------------------------------------------------------------------

async function sharded(t: ExecutionContext, options: ShardedRedisOptions = {}) {
  const servers = await start(t, 3);
  const redis = newClient(t, servers.nodes, options);
  await redis.connect();
  return { redis, servers };
}

/** Calls a method that types know nothing of. */
async function run(redis: object, name: string, ...args: unknown[]): Promise<unknown> {
  const method: unknown = Reflect.get(redis, name);
  if (typeof method !== "function") throw new TypeError(`there is no method ${name}`);
  return Reflect.apply(method, redis, args);
}

/** How often each command came to each node while `action` ran. */
async function counts(
  redis: ShardedRedis,
  action: () => Promise<unknown>,
): Promise<Record<string, Record<string, number>>> {
  await redis.each.config("RESETSTAT");
  await action();
  const infos = await redis.each.info("commandstats");
  return Object.fromEntries(
    Object.entries(infos).map(([node, info]) => {
      const found = [...info.matchAll(/^cmdstat_([^:]+):calls=(\d+)/gm)]
        .filter(([, name]) => name !== "config|resetstat")
        .map(([, name, calls]) => [name, Number(calls)]);
      return [node, Object.fromEntries(found)];
    }),
  );
}
