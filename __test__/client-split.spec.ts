/** MGET, MSET, DEL, UNLINK, EXISTS and TOUCH: cut by node, and answered as by one server. */
import test, { type ExecutionContext } from "ava";
import fc from "fast-check";
import { PartialFailureError, ShardedRedis, type ShardedRedisOptions } from "../src/index.ts";
import { startNodes } from "../src/testing/index.ts";

const binary = Buffer.from([0xff, 0, 0x7b, 0xc3, 0x7d, 0x0d, 0x0a]);

test("mget answers in the order of the keys, wherever they lie", async (t) => {
  const redis = await sharded(t, 3);
  const keys = Array.from({ length: 200 }, (_, n) => `key:${n}`);
  for (const key of keys) await redis.set(key, `value of ${key}`);
  t.is(new Set(keys.map((key) => redis.nodeFor(key).name)).size, 3);
  const shuffled = [...keys].sort((a, b) => hash(a) - hash(b));
  t.deepEqual(
    await redis.mget(shuffled),
    shuffled.map((key) => `value of ${key}`),
  );
});

test("mget repeats a key that is asked for again", async (t) => {
  const redis = await sharded(t, 3);
  await redis.mset({ a: "1", b: "2" });
  t.deepEqual(await redis.mget("a", "b", "a", "missing", "a", "missing"), [
    "1",
    "2",
    "1",
    null,
    "1",
    null,
  ]);
});

test("mget has null for a missing key and for one of another type, and empty text for that", async (t) => {
  const redis = await sharded(t, 3);
  await redis.mset("full", "text", "empty", "");
  await redis.rpush("list", "element");
  await redis.hset("hash", { a: "1" });
  t.deepEqual(await redis.mget("full", "list", "missing", "empty", "hash"), [
    "text",
    null,
    null,
    "",
    null,
  ]);
});

test("keys come as several arguments or as an array", async (t) => {
  const redis = await sharded(t, 3);
  await redis.mset({ a: "1", b: "2", c: "3" });
  t.deepEqual(await redis.mget("a", "b", "c"), ["1", "2", "3"]);
  t.deepEqual(await redis.mget(["a", "b", "c"]), ["1", "2", "3"]);
  t.deepEqual(await redis.call("MGET", ["a", "b", "c"]), ["1", "2", "3"]);
  t.is(await redis.exists(["a", "b", "zzz"]), 2);
  t.is(await redis.touch("a", "b"), 2);
  t.is(await redis.unlink(["a"]), 1);
  t.is(await redis.del("a", "b", "c"), 2);
});

test("a callback gets what the promise does", async (t) => {
  const redis = await sharded(t, 3);
  await new Promise<void>((resolve) => {
    redis.mset({ a: "1", b: "2", c: "3" }, (error, reply) => {
      t.deepEqual([error, reply], [null, "OK"]);
      resolve();
    });
  });
  const values = await new Promise((resolve) => {
    redis.mget(["a", "b", "c"], (_, values) => resolve(values));
  });
  t.deepEqual(values, ["1", "2", "3"]);
});

test("mset takes pairs, an array, an object or a Map", async (t) => {
  const redis = await sharded(t, 3);
  t.is(await redis.mset("a", "1", "b", "2", "c", "3"), "OK");
  t.is(await redis.mset(["d", "4", "e", "5"]), "OK");
  t.is(await redis.mset({ f: "6", g: 7, 8: "number" }), "OK");
  t.is(
    await redis.mset(
      new Map<string | Buffer | number, string | Buffer | number>([
        ["h", "8"],
        [binary, binary],
        [9, 9],
      ]),
    ),
    "OK",
  );
  t.deepEqual(await redis.mget("a", "b", "c", "d", "e", "f", "g", "8", "h", "9"), [
    ..."1234567".split(""),
    "number",
    "8",
    "9",
  ]);
  t.deepEqual(await redis.getBuffer(binary), binary);
  await everyKeyIsAtHome(t, redis);
});

test("an array among the values of mset is text, and none of it a key", async (t) => {
  const redis = await sharded(t, 3);
  const entries: unknown = { a: ["x", "y", "z"], b: "2", c: ["v", "w"] };
  t.is(await redis.call("mset", Object(entries)), "OK");
  t.deepEqual(await redis.mget("a", "b", "c", "y", "x"), ["x,y,z", "2", "v,w", null, null]);
});

test("in mset the last value of a key wins", async (t) => {
  const redis = await sharded(t, 3);
  await redis.mset("a", "1", "b", "2", "a", "3", "b", "4", "a", "5");
  t.deepEqual(await redis.mget("a", "b"), ["5", "4"]);
  await redis.mset("n", "text", Buffer.from("n"), "bytes");
  t.is(await redis.get("n"), "bytes");
});

test("mset clears what was there: the type and the time to live", async (t) => {
  const redis = await sharded(t, 3);
  await redis.rpush("list", "element");
  await redis.set("key", "old", "EX", 1000);
  await redis.mset({ list: "text", key: "new" });
  t.is(await redis.get("list"), "text");
  t.is(await redis.ttl("key"), -1);
});

test("exists and touch count a key each time, del and unlink once", async (t) => {
  const redis = await sharded(t, 3);
  const keys = ["a", "b", "c", "d"];
  await redis.mset(keys.flatMap((key) => [key, "1"]));
  t.is(await redis.exists("a", "b", "a", "missing", "a", "c"), 5);
  t.is(await redis.touch("a", "b", "a", "missing"), 3);
  t.is(await redis.del("a", "b", "a", "missing", "a"), 2);
  t.is(await redis.unlink("c", "d", "c"), 2);
  t.deepEqual(await redis.each.dbsize(), { node1: 0, node2: 0, node3: 0 });
});

test("keys are bytes or numbers too, and a key is the same in each form", async (t) => {
  const redis = await sharded(t, 3);
  await redis.mset(binary, "binary", "42", "number", "ü", "umlaut");
  const keys = [binary, 42, Buffer.from("ü")];
  t.deepEqual(await redis.call("mget", ...keys), ["binary", "number", "umlaut"]);
  t.deepEqual(await redis.call("mget", new Uint8Array(binary) as Buffer), ["binary"]);
  t.is(await redis.call("exists", ...keys), 3);
  t.is(await redis.call("del", ...keys), 3);
});

test("mgetBuffer answers in bytes", async (t) => {
  const redis = await sharded(t, 3);
  await redis.mset("a", binary, "b", "text", "c", "");
  t.deepEqual(await redis.mgetBuffer("c", "a", "missing", "b"), [
    Buffer.alloc(0),
    binary,
    null,
    Buffer.from("text"),
  ]);
  t.deepEqual(await redis.callBuffer("mget", "a"), [binary]);
});

test("each node gets one command, with its own keys in their order", async (t) => {
  const redis = await sharded(t, 3);
  const keys = Array.from({ length: 30 }, (_, n) => `key:${n}`);
  const groups = redis.groupByNode(keys);
  const sent = await recorded(redis, async () => {
    await redis.mset(keys.flatMap((key) => [key, "1"]));
    await redis.mget(keys);
    await redis.exists(keys);
    await redis.touch(keys);
    await redis.unlink(keys);
    await redis.del(keys);
  });
  t.is(groups.size, 3);
  for (const [node, own] of groups) {
    t.deepEqual(sent.get(node), [
      ["mset", ...own.flatMap((key) => [key, "1"])],
      ...["mget", "exists", "touch", "unlink", "del"].map((command) => [command, ...own]),
    ]);
  }
});

test("a node without any of the keys gets nothing", async (t) => {
  const redis = await sharded(t, 3);
  const sent = await recorded(redis, async () => {
    await redis.mget("{tag}:1", "{tag}:2");
    await redis.del("{tag}:1");
  });
  const { name } = redis.nodeFor("{tag}");
  t.deepEqual(Object.fromEntries(sent), {
    node1: [],
    node2: [],
    node3: [],
    [name]: [
      ["mget", "{tag}:1", "{tag}:2"],
      ["del", "{tag}:1"],
    ],
  });
});

test("what a server refuses is its own error on one node, and a partial failure on several", async (t) => {
  const redis = await sharded(t, 2);
  const [own = "", other = ""] = [...redis.groupByNode(["a", "b", "c", "d"]).values()].flatMap(
    (keys) => keys.slice(0, 1),
  );
  await redis.mset({ [own]: "1", [other]: "2" });
  const { name } = redis.nodeFor(own);
  await redis.node(name).acl("SETUSER", "default", "-mget", "-mset");
  await t.throwsAsync(redis.mget(own), { name: "ReplyError", message: /^NOPERM/ });
  const error = await t.throwsAsync(redis.mget(other, own), { instanceOf: PartialFailureError });
  t.deepEqual(error.results, ["2", undefined]);
  t.deepEqual([...error.failures.keys()], [name]);
  t.like(error.failures.get(name), { keys: [own], outcome: "not applied" });
  const written = await t.throwsAsync(redis.mset({ [own]: "3", [other]: "4" }), {
    instanceOf: PartialFailureError,
  });
  t.deepEqual(written.applied, [other]);
  t.is(await redis.get(own), "1");
});

for (const count of [1, 3, 5]) {
  test(`what mset writes to ${count} nodes, mget reads back`, async (t) => {
    const redis = await sharded(t, count);
    const bytes = fc.uint8Array({ maxLength: 40 }).map((array) => Buffer.from(array));
    const text = fc.string({ unit: "grapheme", maxLength: 20 });
    const pairs = fc.array(fc.tuple(fc.oneof(text, bytes), fc.oneof(text, bytes)), {
      minLength: 1,
      maxLength: 60,
    });
    await fc.assert(
      fc.asyncProperty(pairs, async (pairs) => {
        const last = new Map(pairs.map(([key, value]) => [identity(key), Buffer.from(value)]));
        const keys = pairs.map(([key]) => key);
        await redis.mset(pairs.flat());
        t.deepEqual(
          await redis.mgetBuffer(keys),
          keys.map((key) => last.get(identity(key))),
        );
        t.is(await redis.exists(keys), keys.length);
        t.is(await redis.del(keys), last.size);
        t.true((await redis.mget(keys)).every((value) => value === null));
      }),
      { numRuns: 60 },
    );
  });
}

test("100,000 keys go in one call, and come back in order", async (t) => {
  const redis = await sharded(t, 3);
  const keys = Array.from({ length: 100_000 }, (_, n) => `user:${n}:name`);
  t.is(await redis.mset(keys.flatMap((key, n) => [key, n])), "OK");
  const values = await redis.mget(keys);
  t.is(values.length, keys.length);
  t.is(
    values.findIndex((value, n) => value !== String(n)),
    -1,
  );
  t.is(await redis.exists(keys), 100_000);
  t.is(await redis.unlink(keys), 100_000);
});

// --- Helpers ------------------------------------------------------------------------------------

async function sharded(
  t: ExecutionContext,
  count: number,
  options: ShardedRedisOptions = {},
): Promise<ShardedRedis> {
  const servers = await startNodes(count);
  const redis = new ShardedRedis(servers.nodes, options);
  t.teardown(async () => {
    redis.disconnect();
    await servers.stop();
  });
  await redis.connect();
  return redis;
}

/** What each node is sent while `action` runs, as its MONITOR tells. */
async function recorded(
  redis: ShardedRedis,
  action: () => Promise<void>,
): Promise<Map<string, string[][]>> {
  const end = "end of the recording";
  const recordings = await Promise.all(
    redis.placement.nodes.map(async (name) => {
      const monitor = await redis.node(name).monitor();
      const commands: string[][] = [];
      const ended = new Promise<void>((resolve) => {
        monitor.on("monitor", (_time: string, command: string[]) => {
          if (command[0] === "echo" && command[1] === end) resolve();
          else commands.push(command);
        });
      });
      return { name, monitor, commands, ended };
    }),
  );
  await action();
  await redis.each.echo(end);
  await Promise.all(recordings.map(({ ended }) => ended));
  for (const { monitor } of recordings) monitor.disconnect();
  return new Map(recordings.map(({ name, commands }) => [name, commands]));
}

async function everyKeyIsAtHome(t: ExecutionContext, redis: ShardedRedis): Promise<void> {
  for (const [name, keys] of Object.entries(await redis.each.keysBuffer("*"))) {
    for (const key of keys) t.is(redis.nodeFor(key).name, name);
  }
}

/** The same for a text and for its bytes. */
function identity(key: string | Buffer): string {
  return Buffer.from(key).toString("latin1");
}

/** Some order that is not that of the keys. */
function hash(key: string): number {
  return Buffer.from(key).reduce((hash, byte) => (hash * 31 + byte) % 1009, 7);
}
