/** Libraries written for ioredis run on shardis: the real packages, on real servers. */
import rateLimit from "@fastify/rate-limit";
import test from "ava";
import { Queue, QueueEvents, Worker } from "bullmq";
import fastify from "fastify";
import { Redis } from "ioredis";
import { RedisStore } from "rate-limit-redis";
import { RateLimiterRedis } from "rate-limiter-flexible";
import Redlock from "redlock";
import { createStorage } from "unstorage";
import redisDriver from "unstorage/drivers/redis";
import { ShardedRedis } from "../../src/index.ts";
import { startNodes } from "../../src/testing/index.ts";

/** A client of three servers, and the servers. */
async function started(t) {
  const servers = await startNodes(3);
  const redis = new ShardedRedis(servers.nodes);
  t.teardown(async () => {
    redis.disconnect();
    await servers.stop();
  });
  await redis.connect();
  return { redis, servers };
}

/** Keys that are spread over nodes show that it was not one of them that did it all. */
async function isSpread(t, redis) {
  const sizes = Object.values(await redis.each.dbsize());
  t.true(sizes.filter((size) => size > 0).length > 1, `${sizes}`);
}

test("rate-limiter-flexible counts each key on its node", async (t) => {
  const { redis } = await started(t);
  const limiter = new RateLimiterRedis({
    storeClient: redis,
    points: 2,
    duration: 60,
    rejectIfRedisNotReady: true,
  });
  for (let user = 0; user < 20; user++) {
    t.is((await limiter.consume(`user:${user}`)).remainingPoints, 1);
  }
  t.is((await limiter.consume("user:1")).remainingPoints, 0);
  const refused = await limiter.consume("user:1").catch((reason) => reason);
  t.is(refused.remainingPoints, 0);
  t.true(refused.msBeforeNext > 0);
  t.is((await limiter.penalty("user:2", 1)).consumedPoints, 2);
  await limiter.set("user:3", 7, 60);
  t.is((await limiter.get("user:3")).consumedPoints, 7);
  await limiter.block("user:4", 60);
  t.is((await limiter.get("user:4")).remainingPoints, 0);
  t.true(await limiter.delete("user:5"));
  await isSpread(t, redis);
});

test("@fastify/rate-limit, which takes callbacks", async (t) => {
  const { redis } = await started(t);
  const server = fastify();
  await server.register(rateLimit, { max: 2, timeWindow: "1 minute", redis });
  server.get("/", async () => "hello");
  const statuses = async (remoteAddress) => {
    const codes = [];
    for (let call = 0; call < 3; call++) {
      codes.push((await server.inject({ url: "/", remoteAddress })).statusCode);
    }
    return codes;
  };
  for (let host = 1; host <= 8; host++) {
    t.deepEqual(await statuses(`10.0.0.${host}`), [200, 200, 429]);
  }
  await server.close();
  await isSpread(t, redis);
});

test("rate-limit-redis, which loads its scripts by itself", async (t) => {
  const { redis } = await started(t);
  const store = new RedisStore({ sendCommand: (...args) => redis.call(...args) });
  await store.init({ windowMs: 60_000 });
  for (let user = 0; user < 20; user++) {
    t.is((await store.increment(`user:${user}`)).totalHits, 1);
  }
  t.is((await store.increment("user:1")).totalHits, 2);
  t.is((await store.get("user:1")).totalHits, 2);
  await store.decrement("user:1");
  t.is((await store.get("user:1")).totalHits, 1);
  await store.resetKey("user:1");
  t.is(await redis.exists("rl:user:1"), 0);
  await isSpread(t, redis);
});

test.serial("unstorage's redis driver, where it would make a Cluster", async (t) => {
  const { redis, servers } = await started(t);
  const cluster = Object.getOwnPropertyDescriptor(Redis, "Cluster");
  // The driver makes its client itself: this is the one place where it can be given another.
  Object.defineProperty(Redis, "Cluster", { value: ShardedRedis, configurable: true });
  t.teardown(() => Object.defineProperty(Redis, "Cluster", cluster));
  const storage = createStorage({
    driver: redisDriver({ base: "app", cluster: servers.nodes, clusterOptions: {} }),
  });
  for (let item = 0; item < 30; item++) await storage.setItem(`item:${item}`, { item });
  t.deepEqual(await storage.getItem("item:7"), { item: 7 });
  t.true(await storage.hasItem("item:8"));
  t.is((await storage.getKeys()).length, 30);
  const items = await storage.getItems(["item:1", "item:2", "item:none"]);
  t.deepEqual(
    items.map(({ value }) => value),
    [{ item: 1 }, { item: 2 }, null],
  );
  await isSpread(t, redis);
  await storage.removeItem("item:7");
  t.false(await storage.hasItem("item:7"));
  await storage.clear();
  t.deepEqual(await storage.getKeys(), []);
  await storage.dispose();
});

test("BullMQ through the node of a queue", async (t) => {
  const { redis } = await started(t);
  const { name } = redis.nodeFor("bull:mails");
  // As BullMQ asks of its connections: blocking ones must not give up.
  const connection = redis.node(name).duplicate({ maxRetriesPerRequest: null });
  const queue = new Queue("mails", { connection });
  const events = new QueueEvents("mails", { connection });
  const worker = new Worker("mails", async (job) => job.data.n * 2, { connection });
  t.teardown(async () => {
    await Promise.all([worker.close(), events.close(), queue.close()]);
    connection.disconnect();
  });
  await events.waitUntilReady();
  const jobs = await Promise.all([1, 2, 3].map((n) => queue.add("double", { n })));
  t.deepEqual(await Promise.all(jobs.map((job) => job.waitUntilFinished(events))), [2, 4, 6]);
  const sizes = await redis.each.dbsize();
  t.true((sizes[name] ?? 0) > 0);
  t.is(Object.values(sizes).filter((size) => size > 0).length, 1, "all of a queue lies together");
});

test("redlock over nodes(), each an independent server", async (t) => {
  const { redis } = await started(t);
  const redlock = new Redlock(redis.nodes(), { retryCount: 0 });
  const lock = await redlock.acquire(["lock:a"], 60_000);
  // It has the lock once most have answered; the others are still to come.
  const holds = async () => Object.values(await redis.each.exists("lock:a"));
  while ((await holds()).includes(0));
  await t.throwsAsync(redlock.acquire(["lock:a"], 60_000));
  await lock.release();
  const again = await redlock.acquire(["lock:a"], 60_000);
  await again.release();
  while ((await holds()).includes(1));
  t.deepEqual(await holds(), [0, 0, 0]);
});
