/** What is really sent, to which node, for commands over several nodes. */
import test, { type ExecutionContext } from "ava";
import type { ShardedRedis, ShardedRedisOptions } from "../src/index.ts";
import { recorded } from "./helpers/sent.ts";
import { failure, keyOn, newClient, start } from "./helpers/setup.ts";

/** One key on each of three nodes. */
interface Keys {
  readonly a: string;
  readonly b: string;
  readonly c: string;
  /** On the node of `a`, too. */
  readonly a2: string;
}

type Call = readonly [command: string, ...args: (string | number)[]];

/** What each node gets: on every node the same, or by the name of the node. */
type Sent = readonly string[] | Readonly<Record<string, readonly string[]>>;

const LIBRARY = "#!lua name=l\nredis.register_function('f', function() return 1 end)";

const EVERY: readonly Call[] = [
  ["dbsize"],
  ["keys", "*"],
  ["flushdb"],
  ["flushall", "ASYNC"],
  ["ping"],
  ["ping", "text"],
  ["info"],
  ["info", "server"],
  ["save"],
  ["config", "SET", "maxmemory-samples", 5],
  ["config", "set", "maxmemory-samples", 5],
  ["script", "LOAD", "return 1"],
  ["script", "EXISTS", "0".repeat(40)],
  ["script", "FLUSH"],
  ["function", "LOAD", LIBRARY],
  ["function", "DELETE", "l"],
  ["function", "FLUSH"],
  ["slowlog", "LEN"],
  ["slowlog", "GET"],
  ["slowlog", "RESET"],
  ["latency", "RESET"],
  ["memory", "PURGE"],
  ["acl", "SETUSER", "someone"],
  ["acl", "DELUSER", "someone"],
  ["wait", 0, 1],
];

const ANY: readonly Call[] = [
  ["echo", "text"],
  ["time"],
  ["lolwut"],
  ["config", "GET", "maxmemory"],
  ["acl", "WHOAMI"],
  ["acl", "LIST"],
  ["command", "COUNT"],
  ["command", "GETKEYS", "get", "key"],
  ["function", "LIST"],
  ["module", "LIST"],
];

for (const [kind, calls] of Object.entries({ EVERY, ANY })) {
  const where = kind === "EVERY" ? "every node gets it once" : "the first node gets it, once";
  test(`what has no keys: ${where}`, async (t) => {
    const { redis } = await sharded(t);
    for (const call of calls) {
      const counted = await counts(redis, () => redis.call(...call));
      const [command, sub] = call;
      const isContainer = /^(config|script|function|slowlog|latency|memory|acl|command|module)$/;
      const name = isContainer.test(command) ? `${command}|${String(sub).toLowerCase()}` : command;
      const sent = { [name]: 1 };
      t.deepEqual(
        counted,
        { node1: sent, node2: kind === "EVERY" ? sent : {}, node3: kind === "EVERY" ? sent : {} },
        call.join(" "),
      );
    }
  });
}

/** Commands that are cut by node: with keys of all three, then of one. */
const SPLIT: readonly [over: (keys: Keys) => Call, sent: (keys: Keys) => Sent][] = [
  ...["mget", "del", "unlink", "exists", "touch"].map(
    (name): [(keys: Keys) => Call, (keys: Keys) => Sent] => [
      ({ a, b, c, a2 }) => [name, a2, c, a, b],
      ({ a, b, c, a2 }) => ({
        node1: [`${name} ${a2} ${a}`],
        node2: [`${name} ${b}`],
        node3: [`${name} ${c}`],
      }),
    ],
  ),
  [
    ({ a, b, a2 }) => ["mset", a2, 1, b, 2, a, 3],
    ({ a, b, a2 }) => ({ node1: [`mset ${a2} 1 ${a} 3`], node2: [`mset ${b} 2`], node3: [] }),
  ],
  [
    ({ a, a2 }) => ["mget", a, a2],
    ({ a, a2 }) => ({ node1: [`mget ${a} ${a2}`], node2: [], node3: [] }),
  ],
];

test("what is cut: one command for each node that owns any of the keys", async (t) => {
  const { redis, keys } = await sharded(t);
  for (const [over, expected] of SPLIT) {
    const call = over(keys);
    t.deepEqual(await recorded(redis, () => redis.call(...call)), expected(keys), call.join(" "));
  }
});

type Type = "string" | "set" | "zset" | "geo" | "list" | "log";

/** Shipped commands, each with sources on a and b, and where it writes a destination on c. */
const SHIPPED: readonly [type: Type, call: (keys: Keys) => Call][] = [
  ["set", ({ a, b }) => ["sinter", a, b]],
  ["set", ({ a, b }) => ["sunion", a, b]],
  ["set", ({ a, b }) => ["sdiff", a, b]],
  ["set", ({ a, b }) => ["sintercard", 2, a, b]],
  ["zset", ({ a, b }) => ["zinter", 2, a, b]],
  ["zset", ({ a, b }) => ["zunion", 2, a, b, "WITHSCORES"]],
  ["zset", ({ a, b }) => ["zdiff", 2, a, b]],
  ["zset", ({ a, b }) => ["zintercard", 2, a, b, "LIMIT", 1]],
  ["string", ({ a, b }) => ["lcs", a, b]],
  ["log", ({ a, b }) => ["pfcount", a, b]],
  ["set", ({ a, b, c }) => ["sinterstore", c, a, b]],
  ["set", ({ a, b, c }) => ["sunionstore", c, a, b]],
  ["set", ({ a, b, c }) => ["sdiffstore", c, a, b]],
  ["zset", ({ a, b, c }) => ["zinterstore", c, 2, a, b]],
  ["zset", ({ a, b, c }) => ["zunionstore", c, 2, a, b, "WEIGHTS", 2, 3]],
  ["zset", ({ a, b, c }) => ["zdiffstore", c, 2, a, b]],
  ["string", ({ a, b, c }) => ["bitop", "XOR", c, a, b]],
  ["log", ({ a, b, c }) => ["pfmerge", c, a, b]],
  ["zset", ({ a, c }) => ["zrangestore", c, a, 0, -1]],
  ["geo", ({ a, c }) => ["geosearchstore", c, a, "FROMMEMBER", "x", "BYRADIUS", 9, "km"]],
  ["geo", ({ a, c }) => ["georadius", a, 13, 38, 9, "km", "STORE", c]],
  ["geo", ({ a, c }) => ["georadiusbymember", a, "x", 9, "km", "STOREDIST", c]],
  ["list", ({ a, c }) => ["sort", a, "ALPHA", "STORE", c]],
];

for (const [type, over] of SHIPPED) {
  const [name] = over({ a: "", b: "", c: "", a2: "" });
  test(`${name}: DUMP where its keys lie, RESTORE, command and UNLINK where it runs`, async (t) => {
    const { redis, keys } = await sharded(t);
    await seed(redis, type, [keys.a, keys.b]);
    const call = over(keys);
    const { a, b, c } = keys;
    const isWritten = call.includes(c);
    const target = isWritten ? c : a;
    const foreign = [a, b, c].filter((key) => call.includes(key) && key !== target);
    const copies = foreign.map((_, index) => `copy${index}`);
    const line = call.map((word) => copies[foreign.indexOf(String(word))] ?? word).join(" ");
    const expected: Record<string, string[]> = { node1: [], node2: [], node3: [] };
    for (const key of foreign) expected[redis.nodeFor(key).name] = [`dump ${key}`];
    expected[redis.nodeFor(target).name] = [
      ...copies.map((copy) => `restore ${copy} 60000 payload`),
      line,
      `unlink ${copies.join(" ")}`,
    ];
    t.deepEqual(await recorded(redis, () => redis.call(...call)), expected, line);
    await noCopyIsLeft(t, redis);
  });

  test(`${name}: with all keys on one node only the command itself is sent`, async (t) => {
    const { redis } = await sharded(t);
    const own = { a: "{t}a", b: "{t}b", c: "{t}c", a2: "{t}d" };
    await seed(redis, type, [own.a, own.b]);
    const call = over(own);
    const { name } = redis.nodeFor("{t}");
    t.deepEqual(await recorded(redis, () => redis.call(...call)), {
      node1: [],
      node2: [],
      node3: [],
      [name]: [call.join(" ")],
    });
  });
}

test("sort with patterns: the values that they name are copied, once each, and not what is left out", async (t) => {
  const { redis, keys } = await sharded(t);
  const { a } = keys;
  const [near = "", far = ""] = ["node1", "node2"].map((node) => keyOn(redis, node, "w"));
  const [one = "", other = ""] = [near, far].map((key) => key.slice("w:".length));
  await redis.rpush(a, one, other, one);
  await redis.mset({ [near]: 1, [far]: 2 });
  const { node1, node2, node3 } = await recorded(redis, () =>
    redis.sort(a, "BY", "w:*", "LIMIT", 0, 1, "GET", "#"),
  );
  t.deepEqual(node1, [
    `dump ${a}`,
    "restore copy0 60000 payload",
    "sort copy0 LIMIT 0 1 BY nosort LIMIT 0 -1",
    `mget ${near}`,
    `set copy1:${one} 1 PX 60000`,
    `set copy1:${other} 2 PX 60000`,
    "sort copy0 BY copy1:* LIMIT 0 1 GET #",
    `unlink copy0 copy1:${one} copy1:${other}`,
  ]);
  t.deepEqual([node2, node3], [[`mget ${far}`], []]);
  await redis.del(far);
  await redis.lrem(a, 0, other);
  const here = await recorded(redis, () => redis.sort(a, "LIMIT", 0, 1, "GET", "w:*", "ALPHA"));
  t.deepEqual(here.node1?.slice(2), [
    "sort copy0 LIMIT 0 1 ALPHA",
    "sort copy0 LIMIT 0 1 GET w:* ALPHA",
    "unlink copy0",
  ]);
  t.deepEqual([here.node2, here.node3], [[], []]);
});

test("a key that is not there is no copy, and one that is asked for twice is one copy", async (t) => {
  const { redis, keys } = await sharded(t);
  const { a, b, c } = keys;
  await seed(redis, "set", [b]);
  t.deepEqual(await recorded(redis, () => redis.sunionstore(c, a, b, b, a)), {
    node1: [`dump ${a}`],
    node2: [`dump ${b}`],
    node3: [
      "restore copy0 60000 payload",
      "sunionstore copy1 copy0 copy0 copy1",
      "unlink copy0",
    ].map((line) => line.replace("sunionstore", `sunionstore ${c}`)),
  });
  await redis.del(b);
  t.deepEqual(await recorded(redis, () => redis.sinterstore(c, a, b)), {
    node1: [`dump ${a}`],
    node2: [`dump ${b}`],
    node3: [`sinterstore ${c} copy0 copy1`],
  });
});

test("a command runs where most of its keys lie, or where it writes", async (t) => {
  const { redis, keys } = await sharded(t);
  const { a, b, a2 } = keys;
  await seed(redis, "set", [a, b, a2]);
  const read = await recorded(redis, () => redis.sunion(b, a, a2));
  t.deepEqual(read.node2, [`dump ${b}`]);
  t.is(read.node1?.[1], `sunion copy0 ${a} ${a2}`);
  const written = await recorded(redis, () => redis.sunionstore(b, a, a2));
  t.deepEqual(written.node1, [`dump ${a}`, `dump ${a2}`]);
  t.is(written.node2?.[2], `sunionstore ${b} copy0 copy1`);
  const itself = await recorded(redis, () => redis.sunionstore(b, b, a));
  t.deepEqual(itself.node2?.[1], `sunionstore ${b} ${b} copy0`);
});

test("copies are in no answer of keys, scan and scanStream while they exist, and end by themselves", async (t) => {
  const { redis, keys } = await sharded(t);
  const { a, b, c } = keys;
  await seed(redis, "set", [a, b]);
  // What tidies up cannot: as if the client had died before it.
  await redis.each.acl("SETUSER", "default", "-unlink");
  t.is(await redis.sinterstore(c, a, b), 3);
  const stored = await redis.node("node3").keys("*");
  const copies = stored.filter((key) => key !== c);
  t.is(copies.length, 2);
  for (const copy of copies) {
    const life = await redis.node("node3").pttl(copy);
    t.true(life > 0 && life <= 60_000, `${copy} lives ${life} ms`);
  }
  const expected = [a, b, c].sort();
  t.deepEqual((await redis.keys("*")).sort(), expected);
  t.deepEqual((await redis.keysBuffer("*")).map(String).sort(), expected);
  const streamed: string[] = [];
  for await (const found of redis.scanStream()) streamed.push(...found);
  t.deepEqual(streamed.sort(), expected);
  const scanned: string[] = [];
  for (let cursor = "0"; ; ) {
    const [next, found] = await redis.scanBuffer(cursor);
    scanned.push(...found.map(String));
    cursor = String(next);
    if (cursor === "0") break;
  }
  t.deepEqual(scanned.sort(), expected);
});

test("a server's refusal comes as it is, and leaves no copy behind", async (t) => {
  const { redis, keys } = await sharded(t);
  const { a, b, c } = keys;
  await seed(redis, "set", [a]);
  await seed(redis, "string", [b, c]);
  const wrong = { name: "ReplyError", message: /^WRONGTYPE/ };
  await t.throwsAsync(redis.sinterstore(c, a, b), wrong);
  await t.throwsAsync(redis.sunion(a, b), wrong);
  await t.throwsAsync(redis.call("sintercard", 2, a, b, "LIMIT", "few"), {
    message: /^ERR LIMIT can't be negative/,
  });
  t.is(await redis.get(c), "string", "what was there still is");
  await noCopyIsLeft(t, redis);
});

test("a node that does not know a payload: nothing runs, and what was copied ends by itself", async (t) => {
  const { redis, keys } = await sharded(t);
  const { a, b, c } = keys;
  await seed(redis, "set", [a, b, c]);
  await redis.node("node3").acl("SETUSER", "default", "-restore");
  const counted = await counts(redis, () =>
    t.throwsAsync(redis.sinterstore(c, a, b), { message: /^NOPERM/ }),
  );
  t.is(counted.node3?.sinterstore, undefined);
  t.is(await redis.scard(c), 3);
});

test("a node that is down or silent: the command has not run, says the error of that command", async (t) => {
  const { redis, servers, keys } = await sharded(t, { commandTimeout: 400 });
  const { a, b, c } = keys;
  await seed(redis, "set", [a, b, c]);
  servers.node("node3").pause();
  const silent = await failure(t, redis.sinterstore(c, a, b), 400);
  t.like(silent, { code: "TIMEOUT", node: "node3", command: "sinterstore", sent: false });
  await servers.node("node3").kill();
  await servers.node("node2").kill();
  const down = await failure(t, redis.sunionstore(a, b), 5000);
  t.like(down, { node: "node2", command: "sunionstore", keys: [a, b], sent: false });
  t.regex(down.message, /^sunionstore has not run: /);
  t.is(await redis.scard(a), 3, "what was there still is");
});

test("many at a time get copies of their own", async (t) => {
  const { redis, keys } = await sharded(t);
  const { a, b } = keys;
  await seed(redis, "set", [a, b]);
  const runs = Array.from({ length: 200 }, (_, n) => redis.sunionstore(`to:${n}`, a, b));
  t.deepEqual(new Set(await Promise.all(runs)), new Set([3]));
  await noCopyIsLeft(t, redis);
});

test("a command with thousands of keys does not hold the process up", async (t) => {
  const { redis } = await sharded(t);
  const keys = Array.from({ length: 5000 }, (_, n) => `set:${n}`);
  const pipeline = redis.pipeline();
  for (const key of keys) pipeline.sadd(key, key);
  await pipeline.exec();
  const start = performance.now();
  t.is((await redis.sunion(keys)).length, 5000);
  const elapsed = performance.now() - start;
  t.true(elapsed < 3000, `${elapsed} ms`);
  await noCopyIsLeft(t, redis);
});

// --- Helpers ------------------------------------------------------------------------------------

async function sharded(t: ExecutionContext, options: ShardedRedisOptions = {}) {
  const servers = await start(t, 3);
  const redis = newClient(t, servers.nodes, options);
  await redis.connect();
  const [a, b, c] = ["node1", "node2", "node3"].map((name) => keyOn(redis, name));
  const keys: Keys = { a: a ?? "", b: b ?? "", c: c ?? "", a2: keyOn(redis, "node1", "other") };
  return { redis, servers, keys };
}

async function seed(redis: ShardedRedis, type: Type, keys: readonly string[]): Promise<void> {
  for (const key of keys) {
    await redis.del(key);
    if (type === "string") await redis.set(key, "string");
    if (type === "set") await redis.sadd(key, "x", "y", "z");
    if (type === "zset") await redis.zadd(key, 1, "x", 2, "y");
    if (type === "geo") await redis.geoadd(key, 13, 38, "x");
    if (type === "list") await redis.rpush(key, "x", "y");
    if (type === "log") await redis.pfadd(key, "x", "y");
  }
}

async function noCopyIsLeft(t: ExecutionContext, redis: ShardedRedis): Promise<void> {
  t.deepEqual(Object.values(await redis.each.keys("shardis:*")).flat(), []);
}

/** How often each command came to each node while `action` ran. */
async function counts(
  redis: ShardedRedis,
  action: () => Promise<unknown>,
): Promise<Record<string, Record<string, number>>> {
  await redis.each.config("RESETSTAT");
  await action();
  const infos = await redis.each.info("commandstats");
  const counted: Record<string, Record<string, number>> = {};
  for (const [node, info] of Object.entries(infos)) {
    const found = [...info.matchAll(/^cmdstat_([^:]+):calls=(\d+)/gm)];
    counted[node] = Object.fromEntries(
      found
        .filter(([, name]) => name !== "config|resetstat")
        .map(([, name, calls]) => [name, Number(calls)]),
    );
  }
  return counted;
}
