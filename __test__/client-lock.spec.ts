/** A lock has one holder at a time, who alone gives it back, and a number that only grows. */
import test, { type ExecutionContext } from "ava";
import { ShardedRedis, ShardisError } from "../src/index.ts";
import { startNodes } from "../src/testing/index.ts";

async function started(t: ExecutionContext) {
  const servers = await startNodes(3);
  const redis = new ShardedRedis(servers.nodes, { keyPrefix: "app:" });
  t.teardown(async () => {
    redis.disconnect();
    await servers.stop();
  });
  return { redis, servers };
}

test("a lock that is held is refused to others, and can be had once it is released", async (t) => {
  const { redis } = await started(t);
  const lock = await redis.lock("report", { ttl: 60_000 });
  const refused = await t.throwsAsync(redis.lock("report", { ttl: 60_000 }), {
    instanceOf: ShardisError,
  });
  t.like(refused, { code: "LOCKED", keys: ["report"] });
  await lock.release();
  await (await redis.lock("report", { ttl: 60_000 })).release();
  t.is(await redis.exists("report"), 0);
});

test("whoever waits gets the lock when its holder gives it back", async (t) => {
  const { redis } = await started(t);
  const lock = await redis.lock("report", { ttl: 60_000 });
  const next = redis.lock("report", { ttl: 60_000, wait: 30_000 });
  await lock.release();
  t.true((await next).fence > lock.fence);
});

test("a lock whose holder has died can be had, and its holder learns of it", async (t) => {
  const { redis } = await started(t);
  const lost = await redis.lock("report", { ttl: 1 });
  const lock = await redis.lock("report", { ttl: 60_000, wait: 30_000 });
  t.is((await t.throwsAsync(lost.release(), { instanceOf: ShardisError })).code, "LOCK_LOST");
  t.is((await t.throwsAsync(lost.extend(1000), { instanceOf: ShardisError })).code, "LOCK_LOST");
  await lock.extend(120_000);
  t.true((await redis.pttl("report")) > 60_000);
});

test("many who compete hold it one after another, with numbers that grow", async (t) => {
  const { redis } = await started(t);
  const fences: number[] = [];
  let holders = 0;
  const work = async () => {
    await using lock = await redis.lock("report", { ttl: 60_000, wait: 60_000 });
    t.is(++holders, 1);
    await redis.incr("work");
    fences.push(lock.fence);
    holders--;
  };
  await Promise.all(Array.from({ length: 20 }, work));
  t.deepEqual(
    fences,
    Array.from({ length: 20 }, (_, index) => index + 1),
  );
});

test("a life that is none is refused", async (t) => {
  const { redis } = await started(t);
  for (const ttl of [0, -1, 1.5, Number.NaN]) {
    const error = await t.throwsAsync(redis.lock("report", { ttl }), { instanceOf: ShardisError });
    t.is(error.code, "BAD_ARGUMENT");
  }
});
