/** Values large and small come through batches unharmed, and keep no more alive than themselves. */
import { setImmediate as turn } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import test from "ava";
import { textOf } from "./helpers/lane.ts";
import { keysOn, setUp, watchRejections } from "./helpers/setup.ts";

watchRejections(test);

const MB = 2 ** 20;

/** A busy machine takes its time for so many bytes. */
const LONG = { commandTimeout: 60_000 };

/** What Node gives small Buffers a place in, all together. */
const POOL = Buffer.poolSize;

test.serial("values of 50 MB, as text and as bytes, among small ones", async (t) => {
  const { redis } = await setUp(t, 2, LONG);
  const [large = "", small = ""] = keysOn(redis, "node1", 2);
  const [other = ""] = keysOn(redis, "node2", 1);
  const text = "0123456789abcdefg\n".repeat((50 * MB) / 18);
  const bytes = Buffer.from(text);
  await Promise.all([redis.set(large, bytes), redis.set(small, "small"), redis.set(other, text)]);
  const [first, read, second, both] = await Promise.all([
    redis.get(small),
    redis.get(large),
    redis.get(small),
    redis.mget(small, large, other, "none"),
  ]);
  t.deepEqual([first, second, both[0], both[3]], ["small", "small", "small", null]);
  for (const [index, value] of [read, both[1], both[2]].entries())
    t.true(value === text, `${index}`);
  const [buffer, results, again] = await Promise.all([
    redis.getBuffer(large),
    redis.pipeline().get(small).getBuffer(large).strlen(large).exec(),
    redis.mgetBuffer(large, small),
  ]);
  t.true(buffer?.equals(bytes));
  t.deepEqual(results?.[0], [null, "small"]);
  t.true(Buffer.isBuffer(results?.[1]?.[1]) && results[1][1].equals(bytes));
  t.deepEqual(results?.[2], [null, bytes.length]);
  t.true(again[0]?.equals(bytes));
  t.deepEqual(again[1], Buffer.from("small"));
});

test.serial("a batch of 60 MB, none of whose values goes by itself", async (t) => {
  const { redis } = await setUp(t, 2, LONG);
  const keys = Array.from({ length: 1000 }, (_, number) => `key:${number}`);
  const valueFor = (key: string) => Buffer.alloc(60_000, key);
  const sets = keys.map((key) => redis.set(key, valueFor(key)));
  t.deepEqual(new Set(await Promise.all(sets)), new Set(["OK"]));
  const values = await Promise.all(keys.map((key) => redis.getBuffer(key)));
  for (const [index, key] of keys.entries()) t.true(values[index]?.equals(valueFor(key)), key);
});

test.serial("bytes of every kind, of every length about the borders of a chunk", async (t) => {
  const { redis, proxies } = await setUp(t, 1, LONG);
  const lengths = [0, 1, 2, 3, 9, 10, 99, 100, 999, 1000, 4095, 9_999, 10_000, 65_535, 65_536];
  const keys = lengths.map((length) => `length:${length}`);
  const valueOfLength = (length: number) =>
    Buffer.alloc(length, "\r\n$-1\r\n\xff\0:1\r\n*2\r\n", "latin1");
  await Promise.all(lengths.map((length) => redis.set(`length:${length}`, valueOfLength(length))));
  for (const proxy of proxies) {
    for (const bytesPerPiece of [Number.POSITIVE_INFINITY, 1460, 101]) {
      proxy.bytesPerPiece = bytesPerPiece;
      const got = await Promise.all(keys.map((key) => redis.getBuffer(key)));
      t.deepEqual(got, lengths.map(valueOfLength));
      t.deepEqual(await redis.mgetBuffer(keys), lengths.map(valueOfLength));
    }
  }
});

test.serial("small Buffers have memory of their own, or a place in Node's pool", async (t) => {
  const { redis } = await setUp(t, 1);
  const keys = Array.from({ length: 3000 }, (_, number) => `key:${number}`);
  await redis.mset(keys.flatMap((key) => [key, textOf(key)]));
  await redis.rpush("list", ...keys);
  await redis.hset("hash", ...keys.flatMap((key) => [key, textOf(key)]));
  const [gets, mget, list, hash, results] = await Promise.all([
    Promise.all(keys.map((key) => redis.getBuffer(key))),
    redis.mgetBuffer(keys),
    redis.lrangeBuffer("list", 0, -1),
    redis.hgetallBuffer("hash"),
    redis.pipeline(keys.map((key) => ["getBuffer", key])).exec(),
  ]);
  const values = [gets, mget, list, Object.values(hash), results?.map(([, value]) => value)].flat();
  t.is(values.length, 5 * keys.length);
  for (const value of values) {
    if (!Buffer.isBuffer(value)) throw new TypeError(`no Buffer, but ${value}`);
    t.true(value.buffer.byteLength <= POOL, `${value.buffer.byteLength} bytes for ${value.length}`);
  }
});

test.serial("what is kept of a large reply keeps nothing else of it alive", async (t) => {
  const { redis } = await setUp(t, 1, LONG);
  await redis.rpush("list", "small", "x".repeat(MB), "end");
  await redis.set("large", "x".repeat(MB));
  const collect = collector();
  const before = await collect();
  const kept: unknown[] = [];
  for (let round = 0; round < 100; round++) {
    const [list, texts, mixed] = await Promise.all([
      redis.lrangeBuffer("list", 0, -1),
      redis.lrange("list", 0, -1),
      redis.mgetBuffer("large", "none"),
    ]);
    kept.push(list[0], list[2], texts[0], texts[2], mixed[1]);
  }
  const grown = (await collect()) - before;
  // Any reply that was kept alive 100 times would be 100 MB.
  t.true(grown < 30 * MB, `${grown} bytes are kept`);
  t.is(kept.length, 500);
});

test.serial("nothing is kept of a large value, once its user has dropped it", async (t) => {
  const { redis } = await setUp(t, 1, LONG);
  const collect = collector();
  await redis.get("none");
  const before = await collect();
  await redis.set("large", Buffer.alloc(50 * MB, "x"));
  for (let round = 0; round < 3; round++) {
    t.is((await redis.get("large"))?.length, 50 * MB);
    t.is((await redis.getBuffer("large"))?.length, 50 * MB);
    t.is((await redis.mget("large", "none"))[0]?.length, 50 * MB);
  }
  t.is(await redis.get("none"), null);
  const grown = (await collect()) - before;
  t.true(grown < 30 * MB, `${grown} bytes are kept`);
});

// --- Helpers ------------------------------------------------------------------------------------

/** What collects all garbage, and tells how many bytes are in use then. */
function collector(): () => Promise<number> {
  setFlagsFromString("--expose-gc");
  const gc: () => void = runInNewContext("gc");
  return async () => {
    for (let round = 0; round < 3; round++) {
      await turn();
      gc();
    }
    const { heapUsed, external } = process.memoryUsage();
    return heapUsed + external;
  };
}
