/**
 * A process of its own that does some work again and again, and says after each round how
 * many bytes are in use: what nobody holds any more has been collected.
 *
 *     node --expose-gc memory-child.ts <work> <nodes as JSON>
 */
import { setImmediate } from "node:timers/promises";
import { ShardedRedis } from "../../src/index.ts";

/** How many keys a round is about: with their values, a megabyte. */
const KEYS = 5_000;

const VALUE = "v".repeat(200);

/** A large value, and a small one that comes with it. */
const LARGE = Buffer.alloc(50_000, "large");

const [, , name = "", nodes = "[]"] = process.argv;
const redis = new ShardedRedis(JSON.parse(nodes), { commandTimeout: 60_000 });
await redis.connect();
const keys = Array.from({ length: KEYS }, (_, index) => `key:${index}`);
await redis.mset(keys.flatMap((key) => [key, VALUE]));
await redis.mset("{a}large", LARGE, "{a}small", "small");
await redis.hset("{a}hash", "large", LARGE, "small", "small");

/** What has been taken of replies and is kept. */
const kept: unknown[] = [];

/** One round of each work. */
const WORKS: Readonly<Record<string, () => Promise<unknown>>> = {
  "mget of many keys": () => redis.mget(keys),
  "mget of many keys, as Buffers": () => redis.mgetBuffer(keys),
  "mset of many keys": () => redis.mset(keys.flatMap((key) => [key, VALUE])),
  "many commands at once": () => Promise.all(keys.map((key) => redis.get(key))),
  "many commands at once, in Buffers": () =>
    Promise.all(keys.map((key) => redis.getsetBuffer(Buffer.from(key), Buffer.from(VALUE)))),
  "a pipeline of many commands": () => {
    const pipeline = redis.pipeline();
    for (const key of keys) pipeline.get(key);
    return pipeline.exec();
  },
  "commands one after another": async () => {
    for (const key of keys.slice(0, 200)) await redis.get(key);
  },
  "very many commands at once": () =>
    Promise.all(keys.flatMap((key) => [redis.get(key), redis.get(key), redis.get(key)])),
  "commands that fail": () =>
    Promise.allSettled(keys.map((key) => redis.incrby(key, "x".repeat(200)))),
  "commands that are refused": () =>
    Promise.allSettled(keys.slice(0, 1000).map((key) => redis.get(`${key}\ud83d`))),
  "large values": async () => {
    for (let count = 0; count < 20; count++) await redis.getBuffer("{a}large");
  },
  // Of what is kept, a round has some kilobytes; of what comes with it, two megabytes.
  "small values kept of large replies": async () => {
    for (let count = 0; count < 20; count++) {
      const [, small] = await redis.mgetBuffer("{a}large", "{a}small");
      const [, fromHash] = await redis.hmgetBuffer("{a}hash", "large", "small");
      const [, atOnce] = await Promise.all([
        redis.getBuffer("{a}large"),
        redis.getBuffer("{a}small"),
        redis.get("{a}large"),
      ]);
      kept.push(small, fromHash, atOnce, (await redis.get("{a}small"))?.slice(1));
    }
  },
};

async function bytesInUse(): Promise<number> {
  // What a finalizer lets go is collected the next time.
  for (let count = 0; count < 3; count++) {
    globalThis.gc?.();
    await setImmediate();
  }
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

const work = WORKS[name];
if (work === undefined) throw new RangeError(`there is no work ${name}`);
process.on("message", async (rounds: number) => {
  for (let round = 0; round < rounds; round++) await work();
  process.send?.(await bytesInUse());
});
process.once("disconnect", () => process.exit());
process.send?.("ready");
