/** No command is ever applied twice, nor after its caller has been told that it was not sent. */
import test from "ava";
import { type ShardedRedis, ShardisError } from "../src/index.ts";
import {
  at,
  callsOf,
  eventually,
  failure,
  keyOn,
  newClient,
  type Rig,
  settle,
  setUp,
  start,
  until,
  watchRejections,
} from "./helpers/setup.ts";

watchRejections(test);

const SHORT = 600;

test("an INCR whose reply is lost is applied once, and nobody claims to know", async (t) => {
  const { redis, proxies } = await setUp(t, 1);
  const cut = at(proxies).cutReplies();
  const error = await failure(t, redis.incr("counter"), 5000);
  await cut;
  t.is(error.code, "CONNECTION_LOST");
  t.is(error.node, "node1");
  t.is(error.command, "incr");
  t.deepEqual(error.keys, ["counter"]);
  t.true(error.sent);
  t.regex(error.message, /node1 broke \(the connection was closed\).*it may have run/);
  await until(() => redis.status === "ready");
  t.is(await redis.get("counter"), "1");
  t.is(await callsOf(redis, "node1", "incr"), 1);
});

test("an INCR whose reply breaks off is applied once", async (t) => {
  const { redis, proxies } = await setUp(t, 1);
  await redis.set("counter", "123456789");
  const cut = at(proxies).truncateReplyAfter(5);
  const error = await failure(t, redis.incr("counter"), 5000);
  await cut;
  t.is(error.code, "CONNECTION_LOST");
  t.true(error.sent);
  t.is(await redis.get("counter"), "123456790");
});

/** What is done to a connection again and again while commands are in flight. */
const STRIKES: Record<string, (rig: Rig, admin: ShardedRedis) => unknown> = {
  cut: ({ proxies }) => at(proxies).cut(),
  reset: ({ proxies }) => at(proxies).reset(),
  "killed by CLIENT KILL": (_, admin) =>
    admin.node("node1").call("client", "kill", "type", "normal", "skipme", "yes"),
  "broken off within a reply": ({ proxies }) =>
    at(proxies).truncateReplyAfter(1 + Math.floor(Math.random() * 500)),
  "fed with garbage": ({ proxies }) => at(proxies).inject("?garbage\r\n"),
};

for (const [name, strike] of Object.entries(STRIKES)) {
  // Serial, as it keeps the event loop busy.
  test.serial(`INCRs on a connection that is ${name} again and again`, async (t) => {
    const rig = await setUp(t, 1, { commandTimeout: 2000 });
    const { redis, servers, proxies } = rig;
    const admin = newClient(
      t,
      servers.map(({ url }) => url),
    );
    at(proxies).delay = 1;
    const attempts: Promise<unknown>[] = [];
    let isOver = false;
    const hammer = async () => {
      while (!isOver) {
        const some = Array.from({ length: 20 }, () => redis.incr("counter"));
        attempts.push(...some);
        await Promise.race(some.map((promise) => promise.catch(() => {})));
      }
    };
    const hammering = Promise.all([hammer(), hammer(), hammer()]);
    for (let round = 0; round < 12; round++) {
      const { connections } = at(proxies);
      const wanted = attempts.length + 100 + Math.floor(Math.random() * 200);
      await until(() => attempts.length > wanted && redis.node("node1").status === "ready");
      await strike(rig, admin);
      await until(() => at(proxies).connections > connections);
    }
    isOver = true;
    await hammering;
    const endings = await settle(t, attempts, 2000);
    await at(proxies).heal();
    const { acknowledged, unknown, values } = count(endings);
    const counter = Number(await admin.get("counter"));
    t.true(counter >= acknowledged, `${counter} is less than ${acknowledged} acknowledged`);
    t.true(counter <= acknowledged + unknown, `${counter} > ${acknowledged} + ${unknown}`);
    t.is(await callsOf(admin, "node1", "incr"), counter);
    t.is(new Set(values).size, values.length, "no two commands got the same reply");
    t.true(unknown > 0);
  });
}

test("commands that timed out while they waited for the connection are never sent", async (t) => {
  const { redis, servers } = await setUp(t, 1, { commandTimeout: SHORT });
  at(servers).pause();
  await settle(t, [redis.get("sent before")], SHORT);
  const waiting = Array.from({ length: 200 }, (_, number) => redis.incr(`late:${number}`));
  for (const { error } of await settle(t, waiting, SHORT)) {
    if (!(error instanceof ShardisError)) throw error;
    t.regex(error.code, /TIMEOUT|NODE_DOWN/);
    t.false(error.sent);
    t.regex(error.message, /incr.*not sent/);
  }
  at(servers).resume();
  // Once this is answered, what had been sent before it would have run.
  await eventually(() => redis.set("now", "value"));
  t.is(await callsOf(redis, "node1", "incr"), 0);
  t.is(await redis.node("node1").dbsize(), 1);
});

test("commands for a node that was down are not sent when it comes", async (t) => {
  const servers = await start(t, 1);
  await servers.node(0).kill();
  const redis = newClient(t, servers.urls, { commandTimeout: SHORT });
  const waiting = Array.from({ length: 200 }, (_, number) => redis.incr(`late:${number}`));
  for (const { error } of await settle(t, waiting, SHORT)) {
    if (!(error instanceof ShardisError)) throw error;
    t.false(error.sent);
  }
  await servers.node(0).restart();
  await eventually(() => redis.set("now", "value"));
  t.is(await callsOf(redis, "node1", "incr"), 0);
});

test("blocking pops that timed out while they waited take nothing later", async (t) => {
  const { redis, servers } = await setUp(t, 1, { commandTimeout: SHORT });
  at(servers).pause();
  const pops = [redis.blpop("list", 0), redis.brpop("list", 1), redis.lpop("list")];
  const [forever, second] = await settle(t, pops, SHORT + 1000);
  for (const ending of [forever, second]) {
    if (!(ending?.error instanceof ShardisError)) throw ending?.error;
    t.false(ending.error.sent);
  }
  at(servers).resume();
  await until(() => redis.status === "ready");
  const later = newClient(
    t,
    servers.map(({ url }) => url),
  );
  await later.rpush("list", "element");
  t.is(await later.llen("list"), 1);
  t.is(await callsOf(later, "node1", "blpop"), 0);
});

test("a reply that comes too late reaches nobody else", async (t) => {
  const { redis, proxies } = await setUp(t, 1, { commandTimeout: SHORT });
  const keys = Array.from({ length: 100 }, (_, number) => `key:${number}`);
  await redis.mset(keys.flatMap((key) => [key, `value of ${key}`]));
  let late = 0;
  let right = 0;
  for (const delay of [0, 290, 310, 0, 450, 100, 301, 0, 299]) {
    at(proxies).delay = delay;
    const endings = await settle(
      t,
      keys.map((key) => redis.get(key)),
      SHORT,
    );
    for (const [index, { error, value }] of endings.entries()) {
      if (error === undefined) {
        t.is(value, `value of ${keys[index]}`);
        right++;
      } else late++;
    }
  }
  t.true(right > 0);
  t.true(late > 0);
});

test("replies that come too late, one by one, reach nobody else", async (t) => {
  const { redis, proxies } = await setUp(t, 1, { commandTimeout: SHORT });
  const keys = Array.from({ length: 60 }, (_, number) => `key:${number}`);
  await redis.mset(keys.flatMap((key) => [key, `${key}=`.padEnd(1000, key)]));
  // 60 kB at 60 kB/s: the server is never silent, and some of the replies are late.
  at(proxies).bytesPerSecond = 60_000;
  const commands = keys.map((key) => redis.get(key));
  const endings = await settle(t, commands, SHORT);
  at(proxies).bytesPerSecond = Number.POSITIVE_INFINITY;
  const next = await settle(
    t,
    keys.map((key) => redis.get(key)),
    SHORT,
  );
  const all = [...endings, ...next];
  for (const [index, { value, error }] of all.entries()) {
    const key = at(keys, index % keys.length);
    if (error === undefined) t.true(String(value).startsWith(`${key}=`));
  }
  t.true(endings.some(({ error }) => error === undefined));
  t.true(endings.some(({ error }) => error instanceof ShardisError && error.code === "TIMEOUT"));
});

test("a write over several nodes of which one is cut is applied at most once on each", async (t) => {
  const { redis, proxies } = await setUp(t, 3);
  const keys = ["node1", "node2", "node3"].map((node) => keyOn(redis, node));
  const cut = at(proxies, 1).cutReplies();
  const error = await failure(t, redis.mset(keys.flatMap((key) => [key, "new"])), 5000);
  await cut;
  t.is(error.code, "PARTIAL_FAILURE");
  await until(() => redis.node("node2").status === "ready");
  t.deepEqual(await redis.mget(keys), ["new", "new", "new"]);
  for (const node of redis.placement.nodes) t.is(await callsOf(redis, node, "mset"), 1);
});

function count(endings: readonly { error: unknown; value: unknown }[]) {
  let unknown = 0;
  const values: unknown[] = [];
  for (const { error, value } of endings) {
    if (error === undefined) values.push(value);
    else if (!(error instanceof ShardisError)) throw error;
    else if (error.sent) unknown++;
  }
  return { acknowledged: values.length, unknown, values };
}
