/** The views of a client, and what is between a key as it is given and as it is stored. */
import test, { type ExecutionContext } from "ava";
import { Redis } from "ioredis";
import {
  PartialFailureError,
  ShardedRedis,
  type ShardedRedisOptions,
  ShardisError,
} from "../src/index.ts";
import { startNodes, type TcpTestNode, type TestNodes } from "../src/testing/index.ts";
import { onDifferentNodes } from "./helpers/setup.ts";

// --- by, each, node -----------------------------------------------------------------------------

test("by(hashKey) runs every command on the owner of hashKey, whatever its keys", async (t) => {
  const { redis } = await sharded(t, 3);
  const [home = "", other = ""] = onDifferentNodes(redis, 2);
  const pinned = redis.by(home);
  t.is(await pinned.set(other, "value"), "OK");
  t.is(await pinned.get(other), "value");
  t.is(await redis.get(other), null, "its own node has nothing");
  t.is(await redis.node(redis.nodeFor(home).name).get(other), "value");
  t.deepEqual(await pinned.mget(home, other), [null, "value"]);
  t.deepEqual(await pinned.getBuffer(other), Buffer.from("value"));
  t.is(await pinned.mset({ [home]: "1", [other]: "2" }), "OK");
  t.is(await pinned.rename(other, home), "OK");
  t.is(await pinned.dbsize(), 1, "also what has no key");
  t.is(await pinned.call("DBSIZE"), 1);
  t.is(await pinned.eval("return #KEYS", 2, home, other), 2);
  t.is(await new Promise((resolve) => pinned.get(home, (_, value) => resolve(value))), "2");
});

test("by(hashKey) has the pipeline and the transaction of its node", async (t) => {
  const { redis } = await sharded(t, 3);
  t.deepEqual(await redis.by("cart:7").pipeline().set("a", "1").get("a").exec(), [
    [null, "OK"],
    [null, "1"],
  ]);
  t.deepEqual(await redis.by("cart:7").multi().incr("n").incr("n").exec(), [
    [null, 1],
    [null, 2],
  ]);
  t.deepEqual(
    await redis
      .by("cart:7")
      .pipeline([["get", "a"]])
      .exec(),
    [[null, "1"]],
  );
});

test("each runs a command on every node, and answers by their names", async (t) => {
  const { redis } = await sharded(t, 3);
  await redis.mset(Object.fromEntries(Array.from({ length: 50 }, (_, n) => [`key:${n}`, "1"])));
  const sizes = await redis.each.dbsize();
  t.deepEqual(Object.keys(sizes), ["node1", "node2", "node3"]);
  t.is(
    Object.values(sizes).reduce((sum, size) => sum + size),
    50,
  );
  t.deepEqual(await redis.each.ping(), { node1: "PONG", node2: "PONG", node3: "PONG" });
  t.is((await redis.each.echoBuffer("x")).node2?.toString(), "x");
  t.deepEqual(await new Promise((resolve) => redis.each.echo("x", (_, reply) => resolve(reply))), {
    node1: "x",
    node2: "x",
    node3: "x",
  });
  t.deepEqual(await redis.each.flushall(), { node1: "OK", node2: "OK", node3: "OK" });
});

test("each fails with what did arrive, and the failure of every node", async (t) => {
  const { redis, servers } = await sharded(t, 3);
  await redis.node("node2").set("key", "no list");
  const mixed = await t.throwsAsync(redis.each.llen("key"), { instanceOf: PartialFailureError });
  t.deepEqual(mixed.results, { node1: 0, node3: 0 });
  t.deepEqual([...mixed.failures.keys()], ["node2"]);
  t.like(mixed.failures.get("node2"), { outcome: "not applied" });
  t.regex(mixed.failures.get("node2")?.error.message ?? "", /^WRONGTYPE/);

  await servers.node("node3").kill();
  const down = await t.throwsAsync(redis.each.ping(), { instanceOf: PartialFailureError });
  t.like(down, { code: "PARTIAL_FAILURE", command: "ping", node: "node3" });
  t.deepEqual(down.results, { node1: "PONG", node2: "PONG" });

  await Promise.all([servers.node("node1").kill(), servers.node("node2").kill()]);
  const all = await t.throwsAsync(redis.each.ping(), { instanceOf: PartialFailureError });
  t.deepEqual(all.results, {});
  t.deepEqual([...all.failures.keys()], ["node1", "node2", "node3"]);
});

test("node(name) and nodes() are the ioredis clients themselves", async (t) => {
  const { redis, servers } = await sharded(t, 3);
  const clients = redis.nodes();
  t.is(clients.length, 3);
  for (const [index, { name, port }] of servers.nodes.entries()) {
    const client = redis.node(name);
    t.true(client instanceof Redis);
    t.true(client === clients[index]);
    t.is(client.options.port, port);
  }
  t.deepEqual(await redis.node("node1").multi().set("a", "1").get("a").exec(), [
    [null, "OK"],
    [null, "1"],
  ]);
  const error = t.throws(() => redis.node("node9"), { instanceOf: ShardisError });
  t.like(error, {
    code: "BAD_ARGUMENT",
    message: 'there is no node "node9"; there are node1, node2, node3',
  });
});

// --- Asking where -------------------------------------------------------------------------------

test("nodeFor describes the owner", async (t) => {
  const servers = await startNodes(2);
  const [first, second] = servers.nodes;
  const redis = new ShardedRedis([
    { name: "a", host: first?.host, port: first?.port, weight: 3 },
    { name: "b", host: second?.host, port: second?.port, db: 5 },
  ]);
  t.teardown(async () => {
    redis.disconnect();
    await servers.stop();
  });
  const found = new Map(
    ["1", "2", "3", "4", "5", "6"].map((key) => [redis.nodeFor(key).name, key]),
  );
  const [inA = "", inB = ""] = [found.get("a"), found.get("b")];
  t.deepEqual(redis.nodeFor(inA), {
    name: "a",
    host: "127.0.0.1",
    port: first?.port,
    db: 0,
    weight: 3,
  });
  t.deepEqual(redis.nodeFor(inB), { name: "b", host: "127.0.0.1", port: second?.port, db: 5 });
  await redis.set(inB, "here");
  t.is(await redis.node("b").get(inB), "here");
});

test("groupByNode has the keys of each node in their order, in the form they were given", async (t) => {
  const { redis } = await sharded(t, 3);
  const bytes = Buffer.from([255, 1]);
  const keys = ["a", bytes, 3, "b", "a", "c", "d", "e", 3];
  const groups = redis.groupByNode(keys);
  t.is([...groups.values()].flat().length, keys.length);
  for (const [name, own] of groups) {
    t.deepEqual(
      own,
      keys.filter((key) => redis.nodeFor(key).name === name),
    );
  }
  t.is(redis.groupByNode([]).size, 0);
});

test("explain tells why a key lies where it lies", async (t) => {
  const { redis } = await sharded(t, 3);
  const explanation = redis.explain("cart:{7}:items");
  t.like(explanation, {
    key: "cart:{7}:items",
    storedKey: "cart:{7}:items",
    tag: "7",
    node: redis.nodeFor("7").name,
    scheme: "slots",
    slot: await redis
      .node("node1")
      .cluster("KEYSLOT", "7")
      .catch(() => 1716),
  });
  t.deepEqual(explanation.hashed, Buffer.from("7"));
});

// --- keyPrefix ----------------------------------------------------------------------------------

for (const where of ["keyPrefix", "redisOptions.keyPrefix"]) {
  test(`${where} is hashed with the key, and put before it once`, async (t) => {
    const prefix = "app:";
    const options =
      where === "keyPrefix" ? { keyPrefix: prefix } : { redisOptions: { keyPrefix: prefix } };
    const { redis } = await sharded(t, 3, options);
    const { redis: bare } = await sharded(t, 3);
    const keys = Array.from({ length: 30 }, (_, n) => `key:${n}`);
    t.true(
      keys.some((key) => redis.nodeFor(key).name !== bare.nodeFor(key).name),
      "the prefix counts",
    );
    for (const key of keys) {
      t.is(redis.nodeFor(key).name, bare.nodeFor(`app:${key}`).name);
      await redis.set(key, key);
    }
    await storedAre(
      t,
      redis,
      keys.map((key) => `app:${key}`),
    );
    t.is(await redis.get("key:1"), "key:1");
    t.is(await redis.node(redis.nodeFor("key:1").name).get("key:1"), "key:1");
    t.is(redis.explain("key:1").key, "key:1");
    t.is(redis.explain("key:1").storedKey, "app:key:1");
    t.deepEqual([...redis.groupByNode(["key:1"])], [[redis.nodeFor("key:1").name, ["key:1"]]]);
  });
}

test("keyPrefix is before the keys of split commands", async (t) => {
  const { redis } = await sharded(t, 3, { keyPrefix: "p:" });
  const bytes = Buffer.from([255]);
  await redis.mset(
    new Map<string | Buffer, string>([
      ["a", "1"],
      ["b", "2"],
      ["c", "3"],
      [bytes, "4"],
    ]),
  );
  await storedAre(t, redis, ["p:a", "p:b", "p:c", "p:\u00ff"]);
  t.deepEqual(await redis.mget("a", "b", "c", bytes, "p:a"), ["1", "2", "3", "4", null]);
  t.is(await redis.exists("a", "b", "c"), 3);
  t.is(await redis.del("a", "b", "c", bytes), 4);
  await storedAre(t, redis, []);
});

test("keyPrefix is before the keys of every command, wherever they stand", async (t) => {
  const { redis } = await sharded(t, 3, { keyPrefix: "p:" });
  await redis.eval("return redis.call('SET', KEYS[1], ARGV[1])", 1, "a", "a");
  await redis.xgroup("CREATE", "x", "group", "$", "MKSTREAM");
  await redis.msetnx({ "{t}1": "1", "{t}2": "2" });
  await redis.zadd("{t}z", 1, "m");
  await redis.zunionstore("{t}u", 2, "{t}z", "{t}none");
  await storedAre(t, redis, ["p:a", "p:x", "p:{t}1", "p:{t}2", "p:{t}u", "p:{t}z"]);
  t.is(await redis.object("ENCODING", "a"), "embstr");
  // A pattern is no key, and keys come back as they are stored, as in ioredis.
  t.deepEqual(await redis.keys("{t}*"), []);
  t.deepEqual((await redis.keys("p:{t}*")).sort(), ["p:{t}1", "p:{t}2", "p:{t}u", "p:{t}z"]);
});

test("keyPrefix is before the keys in by and each, and in what they hash", async (t) => {
  const { redis } = await sharded(t, 3, { keyPrefix: "p:" });
  await redis.by("home").set("a", "1");
  t.is(await redis.node(redis.nodeFor("home").name).call("get", "p:a"), null, "prefixed once more");
  t.is(await redis.by("home").get("a"), "1");
  await redis.by("home").mset({ b: "2" });
  t.deepEqual(await redis.by("home").pipeline().get("a").get("b").exec(), [
    [null, "1"],
    [null, "2"],
  ]);
  await storedAre(t, redis, ["p:a", "p:b"]);
  await redis.each.set("e", "1");
  await redis.each.mset({ f: "2" });
  const stored = await redis.each.keys("*");
  for (const keys of Object.values(stored)) t.true(keys.includes("p:e") && keys.includes("p:f"));
  t.deepEqual(await redis.each.get("e"), { node1: "1", node2: "1", node3: "1" });
});

// --- Placement ----------------------------------------------------------------------------------

test("a function of one's own places keys, as bytes with their prefix", async (t) => {
  const seen: Buffer[] = [];
  const { redis } = await sharded(t, 3, {
    keyPrefix: "p:",
    placement: (key) => {
      seen.push(key);
      return key.includes("3") ? "node3" : "node1";
    },
  });
  await redis.mset({ a: "1", a3: "2", b3: "3" });
  t.deepEqual((await redis.node("node3").keys("*")).sort(), ["p:a3", "p:b3"]);
  t.deepEqual(await redis.node("node1").keys("*"), ["p:a"]);
  t.deepEqual(await redis.mget("b3", "a", "a3"), ["3", "1", "2"]);
  t.true(seen.every((key) => Buffer.isBuffer(key) && key.toString().startsWith("p:")));
  t.is(redis.nodeFor("3").name, "node3");
});

test("a function that names no node fails the command, not the process", async (t) => {
  const { redis } = await sharded(t, 1, { placement: () => "elsewhere" });
  await t.throwsAsync(redis.get("key"), { code: "BAD_PLACEMENT", message: /"elsewhere"/ });
  await t.throwsAsync(redis.mget("a", "b"), { code: "BAD_PLACEMENT" });
  const throws = await sharded(t, 1, {
    placement: () => {
      throw new RangeError("out of range");
    },
  });
  await t.throwsAsync(throws.redis.get("key"), { instanceOf: RangeError });
});

test("scheme rediscluster cuts the tag off the key that is stored", async (t) => {
  const { redis } = await sharded(t, 3, { placement: { scheme: "rediscluster" } }, [
    "node_1",
    "node_2",
    "node_3",
  ]);
  await redis.set("bar{zap}", "1");
  t.deepEqual(await redis.node(redis.nodeFor("zap").name).keys("*"), ["bar"]);
  t.is(await redis.get("bar{zap}"), "1");
  t.is(await redis.by("zap").get("bar"), "1");
  t.is(redis.explain("bar{zap}").storedKey, "bar");

  // Each tag has its "foo", but those whose owner is one node share it.
  const tags = onDifferentNodes(redis, 3);
  await redis.mset(tags.flatMap((tag) => [`foo{${tag}}`, tag]));
  t.deepEqual(await redis.mget(tags.map((tag) => `foo{${tag}}`)), tags);
  for (const tag of tags) t.is(await redis.node(redis.nodeFor(tag).name).get("foo"), tag);
  t.is(await redis.rename("foo{zap}", "renamed{zap}"), "OK");
  t.is(await redis.by("zap").exists("renamed"), 1);
  t.is(await redis.eval("return KEYS[1]", 1, "x{zap}"), "x");
});

test("scheme redis-shard places a text by its tag, and the same bytes in a Buffer by all of them", async (t) => {
  const { redis } = await sharded(t, 3, { placement: { scheme: "redis-shard" } });
  const keys = Array.from({ length: 20 }, (_, n) => `tagged{one}:${n}`);
  t.is(redis.groupByNode(keys).size, 1);
  const asBytes = keys.map((key) => Buffer.from(key));
  t.is(redis.groupByNode(asBytes).size, 3);
  await redis.mset(asBytes.flatMap((key, n) => [key, n]));
  t.deepEqual(
    await redis.mget(asBytes),
    asBytes.map((_, n) => String(n)),
  );
  for (const key of asBytes) {
    t.is(await redis.node(redis.nodeFor(key).name).exists(key), 1);
  }
});

// --- Helpers ------------------------------------------------------------------------------------

async function sharded(
  t: ExecutionContext,
  count: number,
  options: ShardedRedisOptions = {},
  names?: readonly string[],
) {
  const servers: TestNodes<TcpTestNode> = await startNodes(count, { names });
  const redis = new ShardedRedis(servers.nodes, options);
  t.teardown(async () => {
    redis.disconnect();
    await servers.stop();
  });
  await redis.connect();
  return { redis, servers };
}

/** Asserts what keys the servers have, all together, read as Latin-1. */
async function storedAre(
  t: ExecutionContext,
  redis: ShardedRedis,
  keys: readonly string[],
): Promise<void> {
  const stored = Object.values(await redis.each.keysBuffer("*")).flat();
  t.deepEqual(stored.map((key) => key.toString("latin1")).sort(), [...keys].sort());
}
