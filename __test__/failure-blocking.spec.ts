/** Commands that block wait on connections of their own, and settle when their node fails. */
import test from "ava";
import { type ShardedRedis, ShardisError } from "../src/index.ts";
import {
  at,
  failure,
  held,
  newClient,
  settle,
  setUp,
  until,
  watchRejections,
} from "./helpers/setup.ts";

watchRejections(test);

const SHORT = 1000;

test("a command that blocks does not hold up others on its node", async (t) => {
  const { redis } = await setUp(t, 1, { commandTimeout: SHORT });
  let isOver = false;
  const popped = held(redis.blpop("list", 20)).finally(() => {
    isOver = true;
  });
  await blocked(redis, 1);
  for (let round = 0; round < 50; round++) await redis.incr("counter");
  t.is(await redis.rpush("other", "element"), 1);
  t.false(isOver);
  await redis.rpush("list", "element");
  t.deepEqual(await popped, ["list", "element"]);
});

test("a command that blocks does not overtake what was sent before it", async (t) => {
  const { redis, proxies } = await setUp(t, 1);
  await redis.rpush("list", "a", "b");
  // From here on there is an idle connection, which would be quicker.
  t.deepEqual(await redis.blpop("list", 1), ["list", "a"]);
  for (const [pop, nothing] of [
    [() => redis.blpop("list", 0.05), null],
    [() => redis.pipeline().blpop("list", 0.05).exec(), [[null, null]]],
  ] as const) {
    at(proxies).bytesPerSecond = 5_000_000;
    const before = [redis.set("big", "x".repeat(1_000_000)), redis.del("list")];
    const popped: Promise<unknown> = pop();
    await Promise.all(before);
    at(proxies).bytesPerSecond = Number.POSITIVE_INFINITY;
    t.deepEqual(await popped, nothing);
    await redis.rpush("list", "a", "b");
  }
});

test("a command that blocks waits no longer than its bound for what was sent before it", async (t) => {
  const { redis, servers } = await setUp(t, 1, { commandTimeout: SHORT });
  at(servers).pause();
  const before = held(redis.get("key"));
  const error = await failure(t, redis.blpop("list", 0), SHORT);
  t.is((await failure(t, before, SHORT)).code, "TIMEOUT");
  t.like(error, { code: "TIMEOUT", node: "node1", command: "blpop", keys: ["list"], sent: false });
  t.regex(error.message, /blpop was not sent/);
});

test("blocking for longer than commandTimeout, and in vain, is no failure", async (t) => {
  const { redis } = await setUp(t, 1, { commandTimeout: SHORT });
  const start = performance.now();
  t.is(await redis.blpop("list", 2), null);
  t.true(performance.now() - start >= 1900);
});

test("a command that blocks for ever is woken by a push", async (t) => {
  const { redis } = await setUp(t, 1, { commandTimeout: SHORT });
  const popped = Array.from({ length: 3 }, () => redis.blpop("list", 0));
  const moved = redis.blmove("from", "from", "LEFT", "RIGHT", 0);
  const read = redis.xread("BLOCK", 0, "STREAMS", "stream", "$");
  await blocked(redis, 5);
  // Longer than commandTimeout, by the server's own clock.
  const begun = await serverTime(redis);
  await until(async () => (await serverTime(redis)) - begun > 1.5 * SHORT);
  await redis.rpush("list", "1", "2", "3");
  await redis.rpush("from", "x");
  await redis.xadd("stream", "1-1", "field", "value");
  const values = (await Promise.all(popped)).map((reply) => reply?.[1]);
  t.deepEqual(values.sort(), ["1", "2", "3"]);
  t.is(await moved, "x");
  t.deepEqual(await read, [["stream", [["1-1", ["field", "value"]]]]]);
});

test("redisOptions.commandTimeout does not shorten what blocks for ever", async (t) => {
  const { redis } = await setUp(t, 1, { redisOptions: { commandTimeout: SHORT } });
  const popped = held(redis.blpop("list", 0));
  await blocked(redis, 1);
  const begun = await serverTime(redis);
  await until(async () => (await serverTime(redis)) - begun > 1.5 * SHORT);
  await redis.rpush("list", "element");
  t.deepEqual(await popped, ["list", "element"]);
});

test("a time-out longer than a timer can be", async (t) => {
  const { redis } = await setUp(t, 1, { commandTimeout: SHORT });
  // 2^31 ms are 24.8 days.
  const popped = held(redis.blpop("list", 3_000_000));
  await blocked(redis, 1);
  await redis.rpush("list", "element");
  t.deepEqual(await popped, ["list", "element"]);
});

test("XREAD without BLOCK takes the node's own connection", async (t) => {
  const { redis, proxies } = await setUp(t, 1, { commandTimeout: SHORT });
  t.is(await redis.xread("STREAMS", "stream", "0"), null);
  t.is(at(proxies).connections, 1);
});

for (const fault of ["killed", "cut", "reset"] as const) {
  test(`what blocks settles when its node is ${fault}`, async (t) => {
    const { redis, servers, proxies } = await setUp(t, 1, { commandTimeout: SHORT });
    const pops = [redis.blpop("list", 0), redis.blpop("list", 100), redis.bzpopmin("set", 0)];
    const settled = settle(t, pops, 30_000);
    await blocked(redis, pops.length);
    if (fault === "killed") await at(servers).kill();
    else at(proxies)[fault]();
    for (const { error } of await settled) {
      if (!(error instanceof ShardisError)) throw error;
      t.is(error.code, "CONNECTION_LOST");
      t.is(error.node, "node1");
      t.true(error.sent);
      t.regex(error.message, /node1 broke \(.*it may have run/);
    }
  });
}

test("what blocks on a node that falls silent settles when its time is up", async (t) => {
  const { redis, servers } = await setUp(t, 1, { commandTimeout: SHORT });
  const popped = held(redis.blpop("list", 1));
  await blocked(redis, 1);
  at(servers).pause();
  const error = await failure(t, popped, 1000 + SHORT);
  t.is(error.code, "TIMEOUT");
  t.true(error.sent);
});

test("a blocking command for a node that is down, or silent, settles within the bound", async (t) => {
  const { redis, servers } = await setUp(t, 2, { commandTimeout: SHORT });
  await at(servers).kill();
  at(servers, 1).pause();
  for (const name of ["node1", "node2"]) {
    const key = Array.from({ length: 100 }, (_, number) => `list:${number}`).find(
      (key) => redis.nodeFor(key).name === name,
    );
    for (const wait of [0, 100]) {
      const error = await failure(t, redis.blpop(key ?? "", wait), SHORT);
      t.regex(error.code, /NODE_DOWN|TIMEOUT/);
      t.false(error.sent);
      t.is(error.node, name);
      t.is(error.command, "blpop");
      t.deepEqual(error.keys, [key]);
    }
  }
});

test("an element that is popped while the connection breaks is gone at most once", async (t) => {
  const { redis, proxies } = await setUp(t, 1, { commandTimeout: SHORT });
  const elements = Array.from({ length: 20 }, (_, number) => String(number));
  await redis.rpush("list", ...elements);
  const got: unknown[] = [];
  let unknown = 0;
  for (const [round] of elements.entries()) {
    const cut = round % 3 === 0 ? at(proxies).cutReplies() : undefined;
    const [ending] = await settle(t, [redis.blpop("list", 1)], 1000 + SHORT);
    if (ending?.error === undefined) got.push(Array.isArray(ending?.value) && ending?.value[1]);
    else if (ending.error instanceof ShardisError && ending.error.sent) unknown++;
    else t.true(ending.error instanceof ShardisError);
    await at(proxies).heal();
    if (cut !== undefined) await until(() => redis.node("node1").status === "ready");
  }
  const left = await redis.llen("list");
  t.is(new Set(got).size, got.length);
  t.true(got.length + left <= elements.length);
  t.true(got.length + left + unknown >= elements.length);
});

test("connections for blocking commands are used again", async (t) => {
  const { redis, proxies } = await setUp(t, 1);
  for (let round = 0; round < 20; round++) {
    await redis.rpush("list", round);
    t.deepEqual(await redis.blpop("list", 1), ["list", String(round)]);
  }
  t.is(at(proxies).connections, 2);
  await redis.set("text", "value");
  for (let round = 0; round < 3; round++) {
    await t.throwsAsync(redis.blpop("text", 1), { message: /^WRONGTYPE/ });
  }
  t.is(at(proxies).connections, 2);
});

test("at most four idle connections are kept", async (t) => {
  const { redis, proxies } = await setUp(t, 1);
  const pops = Array.from({ length: 20 }, () => redis.blpop("list", 0));
  await blocked(redis, 20);
  t.is(at(proxies).open, 21);
  await redis.rpush("list", ...Array.from({ length: 20 }, String));
  await Promise.all(pops);
  await until(() => at(proxies).open <= 5, "only four idle connections are open");
  t.is(at(proxies).open, 5);
});

test("an idle connection that broke is not used, nor kept open", async (t) => {
  const { redis, servers, proxies } = await setUp(t, 1, { commandTimeout: SHORT });
  for (const how of ["cut", "reset"] as const) {
    await redis.rpush("list", "a");
    await redis.blpop("list", 1);
    at(proxies)[how]();
    await until(() => redis.node("node1").status === "ready" && at(proxies).open === 1);
  }
  await redis.rpush("list", "a");
  t.deepEqual(await redis.blpop("list", 1), ["list", "a"]);
  await at(servers).restart();
  await until(() => redis.status === "ready");
  // Only the node's own connection comes back by itself.
  await until(() => at(proxies).open === 1);
  await redis.rpush("list", "a");
  t.deepEqual(await redis.blpop("list", 1), ["list", "a"]);
});

test("an idle connection that broke is replaced, whatever the user's retryStrategy", async (t) => {
  const { redis, proxies } = await setUp(t, 1, {
    commandTimeout: SHORT,
    redisOptions: { retryStrategy: (times) => (times > 3 ? null : 10) },
  });
  for (let round = 0; round < 3; round++) {
    await redis.rpush("list", "a");
    t.deepEqual(await redis.blpop("list", 1), ["list", "a"]);
    at(proxies).cut();
    await until(() => redis.node("node1").status === "ready" && at(proxies).open === 1);
  }
});

test("disconnect() rejects what blocks, and what would block later", async (t) => {
  const { redis, proxies } = await setUp(t, 1, { commandTimeout: SHORT });
  const pops = [redis.blpop("list", 0), redis.blpop("list", 100)].map(held);
  await blocked(redis, 2);
  const connecting = held(redis.brpop("list", 0));
  redis.disconnect();
  const later = held(redis.blpop("list", 0));
  const endings = await settle(t, [...pops, connecting, later], SHORT);
  const codes = endings.map(({ error }) => error instanceof ShardisError && error.code);
  t.deepEqual(codes, ["CONNECTION_LOST", "CONNECTION_LOST", "CLOSED", "CLOSED"]);
  await until(() => at(proxies).open === 0);
  t.is((await failure(t, redis.blpop("list", 0), SHORT)).code, "CLOSED");
  t.is(at(proxies).open, 0);
});

test("quit() does not wait for what blocks", async (t) => {
  const { redis, proxies } = await setUp(t, 1, { commandTimeout: SHORT });
  const popped = held(redis.blpop("list", 0));
  await blocked(redis, 1);
  await settle(t, [redis.quit()], SHORT);
  t.regex((await failure(t, popped, SHORT)).code, /CONNECTION_LOST|CLOSED/);
  t.is((await failure(t, redis.blpop("list", 0), SHORT)).code, "CLOSED");
  await until(() => at(proxies).open === 0);
});

test("a client that connects with its first command, which blocks", async (t) => {
  const { servers } = await setUp(t, 1, { lazyConnect: true });
  const redis = newClient(
    t,
    servers.map(({ url }) => url),
    { lazyConnect: true },
  );
  const popped = held(redis.blpop("list", 0));
  await redis.rpush("list", "element");
  t.deepEqual(await popped, ["list", "element"]);
});

// --- Helpers ------------------------------------------------------------------------------------

/** Waits until so many clients of the first node are blocked. */
async function blocked(redis: ShardedRedis, count: number): Promise<void> {
  await until(async () =>
    (await redis.node("node1").info("clients")).includes(`blocked_clients:${count}\r`),
  );
}

async function serverTime(redis: ShardedRedis): Promise<number> {
  const [seconds = 0, microseconds = 0] = await redis.node("node1").time();
  return Number(seconds) * 1000 + Number(microseconds) / 1000;
}
