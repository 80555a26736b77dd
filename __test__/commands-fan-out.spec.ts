/** Commands for all nodes: how their replies become one, and what is known when a node is down. */
import test, { type ExecutionContext } from "ava";
import { type ShardedRedis, ShardisError } from "../src/index.ts";
import { at, failure, keysOn, newClient, partialFailure, start, until } from "./helpers/setup.ts";

const binary = Buffer.from([0xff, 0, 0x7b, 0xc3, 0x0d, 0x0a]);

test("dbsize is the sum", async (t) => {
  const { redis } = await sharded(t);
  t.is(await redis.dbsize(), 0);
  await fill(redis, 100);
  t.is(await redis.dbsize(), 100);
});

test("keys are those of all nodes that match, as text or bytes", async (t) => {
  const { redis } = await sharded(t);
  t.deepEqual(await redis.keys("*"), []);
  const keys = await fill(redis, 100);
  t.deepEqual((await redis.keys("*")).sort(), keys);
  t.deepEqual((await redis.keys("key:1?")).sort(), keysLike(keys, /^key:1\d$/));
  await redis.set(binary, "value");
  const bytes = await redis.keysBuffer("[^k]*");
  t.deepEqual(bytes, [binary]);
});

test("flushdb and flushall empty every node", async (t) => {
  const { redis } = await sharded(t);
  await fill(redis, 20);
  t.is(await redis.flushdb(), "OK");
  t.deepEqual(await redis.each.dbsize(), { node1: 0, node2: 0, node3: 0 });
  await fill(redis, 20);
  t.is(await redis.flushall("ASYNC"), "OK");
  t.is(await redis.dbsize(), 0);
});

test("ping is answered when all nodes have answered", async (t) => {
  const { redis } = await sharded(t);
  t.is(await redis.ping(), "PONG");
  t.is(await redis.ping("text"), "text");
  t.deepEqual(await redis.pingBuffer(binary), binary);
});

test("info is the text of every node, below its name", async (t) => {
  const { redis, servers } = await sharded(t);
  const text = await redis.info("server");
  const places = servers.nodes.map(({ name, port }) => [
    text.indexOf(`# Node ${name}\r\n# Server\r\n`),
    text.indexOf(`tcp_port:${port}\r\n`),
  ]);
  t.deepEqual(
    places.flat(),
    places.flat().sort((a, b) => a - b),
  );
  t.is(places[0]?.[0], 0);
  t.false(places.flat().includes(-1));
  const bytes = await redis.callBuffer("info", "server");
  t.true(Buffer.isBuffer(bytes));
  t.is(String(bytes).match(/^# Node /gm)?.length, 3);
});

test("config set is for every node; config get, and what else is alike, asks the first", async (t) => {
  const { redis } = await sharded(t);
  t.is(await redis.config("SET", "maxmemory-samples", "7"), "OK");
  for (const reply of Object.values(await redis.each.config("GET", "maxmemory-samples"))) {
    t.deepEqual(reply, await redis.config("GET", "maxmemory-samples"));
  }
  t.deepEqual(await redis.config("GET", "maxmemory-samples"), ["maxmemory-samples", "7"]);
  t.is(await redis.echo("text"), "text");
  t.is((await redis.time()).length, 2);
});

test("a script is loaded, known and flushed everywhere", async (t) => {
  const { redis } = await sharded(t);
  const sha = String(await redis.script("LOAD", "return KEYS[1]"));
  t.deepEqual(await redis.script("EXISTS", sha, "0".repeat(40)), [1, 0]);
  for (const key of await fill(redis, 10)) t.is(await redis.evalsha(sha, 1, key), key);
  // Known on all but one is not known.
  await redis.node("node2").script("FLUSH");
  t.deepEqual(await redis.script("EXISTS", sha), [0]);
  t.is(await redis.script("LOAD", "return KEYS[1]"), sha);
  t.is(await redis.script("FLUSH"), "OK");
  t.deepEqual(await redis.each.script("EXISTS", sha), { node1: [0], node2: [0], node3: [0] });
});

test("a script that one node runs is killed there, and none is an error", async (t) => {
  const { redis } = await sharded(t);
  await redis.config("SET", "busy-reply-threshold", "1");
  const idle = await t.throwsAsync(redis.script("KILL"));
  t.regex(String(idle), /NOTBUSY/);
  const busy = redis.node("node2").duplicate();
  t.teardown(() => busy.disconnect());
  const running = busy.eval("while true do end", 0);
  await Promise.all([
    t.throwsAsync(running, { message: /killed by user/ }),
    (async () => {
      for (let killed: unknown; killed !== "OK"; ) {
        killed = await redis.script("KILL").catch(() => {});
      }
    })(),
  ]);
  t.is(await redis.ping(), "PONG");
});

test("a library of functions is loaded and deleted everywhere", async (t) => {
  const { redis } = await sharded(t);
  const code =
    "#!lua name=lib\nredis.register_function('first', function(keys) return keys[1] end)";
  t.is(await redis.function("LOAD", code), "lib");
  for (const key of await fill(redis, 10)) t.is(await redis.fcall("first", 1, key), key);
  t.like(await redis.function("LIST"), { length: 1 });
  t.is(await redis.function("DELETE", "lib"), "OK");
  t.deepEqual(await redis.each.function("LIST"), { node1: [], node2: [], node3: [] });
});

test("the slow log of all nodes is one", async (t) => {
  const { redis } = await sharded(t);
  await redis.config("SET", "slowlog-log-slower-than", "0");
  await redis.slowlog("RESET");
  const keys = Array.from({ length: 30 }, (_, n) => `slow:${n}`);
  for (const key of keys) await redis.get(key);
  const entries = await redis.slowlog("GET", 128);
  const length = Number(await redis.slowlog("LEN"));
  t.true(length >= keys.length, String(length));
  const seen = JSON.stringify(entries);
  for (const key of keys) t.true(seen.includes(`"${key}"`), key);
});

test("randomkey has every key as likely as any other, on nodes of any size", async (t) => {
  const { redis } = await sharded(t);
  t.is(await redis.randomkey(), null);
  const sizes = { node1: 2, node2: 20, node3: 60 };
  for (const [node, size] of Object.entries(sizes)) {
    for (const key of keysOn(redis, node, size)) await redis.set(key, "value");
  }
  const draws = 8200;
  const counts = new Map<string, number>();
  for (const key of await Promise.all(Array.from({ length: draws }, () => redis.randomkey()))) {
    const { name } = redis.nodeFor(key ?? "");
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  const squares = Object.entries(sizes).map(([node, size]) => {
    const expected = (draws * size) / 82;
    return ((counts.get(node) ?? 0) - expected) ** 2 / expected;
  });
  const chiSquare = squares.reduce((sum, square) => sum + square, 0);
  // Two degrees of freedom: by chance above 32 once in ten million runs.
  t.true(chiSquare < 32, `${chiSquare}, ${JSON.stringify([...counts])}`);
  const drawn = await redis.randomkeyBuffer();
  t.true(Buffer.isBuffer(drawn));
});

for (const nodes of [1, 2, 3, 5]) {
  test(`scan over ${nodes} nodes finds every key once, and ends`, async (t) => {
    const { redis } = await sharded(t, nodes);
    t.deepEqual(await scanAll(redis), []);
    const keys = await fill(redis, 2000);
    t.deepEqual((await scanAll(redis)).sort(), keys);
    t.deepEqual((await scanAll(redis, "COUNT", 333)).sort(), keys);
    const some = keysLike(keys, /^key:11\d+$/);
    t.deepEqual((await scanAll(redis, "MATCH", "key:11?*", "COUNT", 50)).sort(), some);
    await redis.sadd("a set", 1);
    await redis.sadd("another set", 1);
    const sets = await scanAll(redis, "TYPE", "set", "COUNT", 100);
    t.deepEqual(sets.sort(), ["a set", "another set"]);
  });
}

test("scanBuffer has cursor and keys as bytes, and takes them so", async (t) => {
  const { redis } = await sharded(t);
  await redis.set(binary, "value");
  await fill(redis, 50);
  const found: Buffer[] = [];
  let cursor: Buffer = Buffer.from("0");
  do {
    const [next, keys] = await redis.scanBuffer(cursor as never);
    t.true(Buffer.isBuffer(next) && keys.every(Buffer.isBuffer));
    found.push(...keys);
    cursor = next;
  } while (String(cursor) !== "0");
  t.is(found.length, 51);
  t.true(found.some((key) => key.equals(binary)));
});

test("the cursor is text, also as a number where it fits one", async (t) => {
  const { redis } = await sharded(t);
  const keys = await fill(redis, 30);
  const [cursor, first] = await redis.scan(0, "COUNT", 1000);
  t.is(cursor, "1", "of the second node");
  const [, second] = await redis.scan(Number(cursor), "COUNT", 1000);
  t.true(first.length + second.length < keys.length);
});

test("what is no cursor is refused before anything is sent", async (t) => {
  const { redis } = await sharded(t);
  const bad: unknown[] = ["-1", "", "a", "1.5", " 1", "0x1", Number.NaN, -1, 1.5, 1e30];
  for (const cursor of [...bad, null, undefined, {}, "9".repeat(41), Buffer.from("x")]) {
    await t.throwsAsync(
      redis.call("scan", cursor as string),
      { instanceOf: ShardisError, code: "BAD_ARGUMENT" },
      String(cursor),
    );
  }
  await t.throwsAsync(redis.call("scan"), { code: "BAD_ARGUMENT" });
  await t.throwsAsync(redis.call("scan", 0, "NONSENSE"), { message: /syntax error/ });
});

test("scanStream is a stream, and can be iterated", async (t) => {
  const { redis } = await sharded(t);
  const keys = await fill(redis, 500);
  const streamed = await new Promise<string[]>((resolve, reject) => {
    const found: string[] = [];
    redis
      .scanStream({ count: 50 })
      .on("data", (chunk: string[]) => found.push(...chunk))
      .on("end", () => resolve(found))
      .on("error", reject);
  });
  t.deepEqual(streamed.sort(), keys);
  const iterated: string[] = [];
  for await (const chunk of redis.scanStream({ match: "key:4*", count: 50 })) {
    iterated.push(...chunk);
  }
  t.deepEqual(iterated.sort(), keysLike(keys, /^key:4/));
  const bytes: Buffer[] = [];
  for await (const chunk of redis.scanBufferStream({ type: "string" })) bytes.push(...chunk);
  t.deepEqual(bytes.map(String).sort(), keys);
});

test("a stream that is left early ends, and a node that is down is its error", async (t) => {
  const { redis, servers } = await sharded(t);
  await fill(redis, 500);
  for await (const chunk of redis.scanStream({ count: 10 })) {
    t.true(chunk.length > 0);
    break;
  }
  await servers.node("node2").kill();
  await until(() => redis.node("node2").status !== "ready");
  const read = async () => {
    for await (const _ of redis.scanStream({ count: 100 }));
  };
  t.like(await failure(t, read(), 5000), { code: "NODE_DOWN", node: "node2", command: "scan" });
});

test("what all nodes refuse alike is the server's own error", async (t) => {
  const { redis } = await sharded(t);
  const own = { name: "ReplyError", message: /^ERR/ };
  await t.throwsAsync(redis.config("SET", "nonsense", "1"), own);
  await t.throwsAsync(redis.call("keys"), own);
  await t.throwsAsync(redis.function("LOAD", "nonsense"), own);
  await t.throwsAsync(redis.function("DELETE", "nonsense"), own);
});

test("with a node down the answers of the others are in the error", async (t) => {
  const { redis, servers } = await sharded(t);
  const keys = await fill(redis, 60);
  const groups = redis.groupByNode(keys);
  const others = [...(groups.get("node1") ?? []), ...(groups.get("node3") ?? [])];
  await servers.node("node2").kill();
  await until(() => redis.node("node2").status !== "ready");
  const sha = "0".repeat(40);
  for (const [run, results] of [
    [() => redis.dbsize(), others.length],
    [() => redis.keys("*"), others],
    [() => redis.ping(), "PONG"],
    [() => redis.config("SET", "maxmemory-samples", "7"), "OK"],
    [() => redis.script("EXISTS", sha), [0]],
    [() => redis.touch(keys), others.length],
    [() => redis.exists(keys), others.length],
    [() => redis.flushdb(), "OK"],
  ] as const) {
    const error = await partialFailure(t, run(), 5000);
    if (Array.isArray(error.results)) error.results.sort();
    t.deepEqual(error.results, Array.isArray(results) ? [...results].sort() : results);
    t.deepEqual([...error.failures.keys()], ["node2"], error.message);
    t.like(error.failures.get("node2"), { outcome: "not applied" });
    t.like(error, { code: "PARTIAL_FAILURE", node: "node2" });
  }
  const { results } = await partialFailure(t, redis.info("server"), 5000);
  t.deepEqual(String(results).match(/(?<=^# Node )\w+/gm), ["node1", "node3"]);
  t.true(String(results).startsWith("# Node node1\r\n# Server\r\n"));
  t.is((await failure(t, redis.randomkey(), 5000)).code, "NODE_DOWN");
  t.deepEqual((await redis.scan(0))[0], "1", "the first node is there");
  t.is((await failure(t, redis.scan(1), 5000)).node, "node2");
  // What asks the first node only needs no other.
  t.is(await redis.echo("text"), "text");
});

test("with every node down nothing has arrived, and the error says so", async (t) => {
  const { redis, servers } = await sharded(t, 2);
  await Promise.all(servers.nodes.map((node) => node.kill()));
  await until(() => redis.nodes().every(({ status }) => status !== "ready"));
  for (const [run, results] of [
    [() => redis.dbsize(), 0],
    [() => redis.keys("*"), []],
    [() => redis.ping(), undefined],
    [() => redis.script("EXISTS", "0".repeat(40)), undefined],
    [() => redis.info(), ""],
  ] as const) {
    const error = await partialFailure(t, run(), 5000);
    t.is(error.failures.size, 2);
    t.deepEqual(error.results, results, error.message);
  }
});

// --- Helpers ------------------------------------------------------------------------------------

async function sharded(t: ExecutionContext, count = 3) {
  const servers = await start(t, count);
  const redis = newClient(t, servers.nodes);
  await redis.connect();
  return { redis, servers };
}

/** Writes that many keys, and has them in order. */
async function fill(redis: ShardedRedis, count: number): Promise<string[]> {
  const keys = Array.from({ length: count }, (_, n) => `key:${n}`);
  await redis.mset(keys.flatMap((key) => [key, "value"]));
  return keys.sort();
}

function keysLike(keys: readonly string[], pattern: RegExp): string[] {
  return keys.filter((key) => pattern.test(key));
}

async function scanAll(
  redis: ShardedRedis,
  ...options: readonly (string | number)[]
): Promise<string[]> {
  const found: string[] = [];
  let cursor = "0";
  do {
    const reply = await redis.call("scan", cursor, ...options);
    const [next, keys]: unknown[] = Array.isArray(reply) ? reply : [];
    if (Array.isArray(keys)) found.push(...keys.map(String));
    cursor = at([String(next)]);
  } while (cursor !== "0");
  return found;
}
