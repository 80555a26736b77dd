/** Closing: in order with quit(), at once with disconnect(); and opening again. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import test from "ava";
import { type ShardedRedis, ShardisError } from "../src/index.ts";
import {
  at,
  type Ending,
  failure,
  held,
  keyOn,
  newClient,
  settle,
  setUp,
  start,
  until,
  watchRejections,
} from "./helpers/setup.ts";

watchRejections(test);

const SHORT = 1000;

test("quit() waits for the replies that are due", async (t) => {
  const { redis, proxies } = await setUp(t, 2, { commandTimeout: 2000 });
  for (const proxy of proxies) proxy.delay = 50;
  const commands = Array.from({ length: 200 }, (_, number) => redis.incr(`key:${number}`));
  t.is(await redis.quit(), "OK");
  for (const { value } of await settle(t, commands, 0)) t.is(value, 1);
  await until(() => proxies.every(({ open }) => open === 0));
  t.is(redis.status, "end");
});

test("quit() waits for commands that wait for the connection", async (t) => {
  const servers = await start(t, 2);
  const redis = newClient(t, servers.urls);
  const commands = Array.from({ length: 200 }, (_, number) => redis.incr(`key:${number}`));
  await redis.quit();
  for (const { value } of await settle(t, commands, 0)) t.is(value, 1);
});

test("quit() settles within the bound when a node is silent or down", async (t) => {
  const { redis, servers } = await setUp(t, 3, { commandTimeout: SHORT });
  at(servers).pause();
  await at(servers, 1).kill();
  const commands = ["node1", "node2", "node3"].map((name) => redis.incr(keyOn(redis, name)));
  const [quitted, ...rest] = await settle(t, [redis.quit(), ...commands], SHORT);
  t.is(quitted?.value, "OK");
  t.deepEqual(codes(rest).slice(0, 1), ["TIMEOUT"]);
  t.regex(codes(rest)[1] ?? "", /NODE_DOWN|CONNECTION_LOST|TIMEOUT|CLOSED/);
  t.is(rest[2]?.value, 1);
  t.is(redis.status, "end");
});

test("quit() while the connection is never made", async (t) => {
  const { proxies, nodes } = await setUp(t, 1, { lazyConnect: true });
  at(proxies).blackhole();
  const redis = newClient(t, nodes, { commandTimeout: SHORT });
  const command = held(redis.get("key"));
  await until(() => redis.node("node1").status === "connect");
  const [quitted, got] = await settle(t, [redis.quit(), command], SHORT);
  t.is(quitted?.value, "OK");
  t.regex(codes([got])[0] ?? "", /TIMEOUT|CLOSED|NODE_DOWN/);
});

test("quit() twice, and together with disconnect()", async (t) => {
  const { redis } = await setUp(t, 2, { commandTimeout: SHORT });
  const [first, second] = await settle(t, [redis.quit(), redis.quit()], SHORT);
  t.is(first?.value, "OK");
  t.is(second?.value, "OK");
  const { redis: other } = await setUp(t, 2, { commandTimeout: SHORT });
  const quitted = other.quit();
  other.disconnect();
  other.disconnect();
  t.is(at(await settle(t, [quitted], SHORT)).value, "OK");
  t.is(at(await settle(t, [other.quit()], SHORT)).value, "OK");
});

test("commands after quit() and after disconnect() are refused", async (t) => {
  for (const how of ["quit", "disconnect"] as const) {
    const { redis, servers } = await setUp(t, 2, { commandTimeout: SHORT });
    const admin = newClient(
      t,
      servers.map(({ url }) => url),
    );
    const closing = redis[how]();
    const early = every(redis);
    const endings = await settle(t, early, SHORT);
    for (const { error } of endings) checkClosed(t, error);
    await closing;
    await until(() => redis.status === "end");
    for (const { error } of await settle(t, every(redis), SHORT)) checkClosed(t, error);
    t.deepEqual(await admin.each.dbsize(), { node1: 0, node2: 0 });
  }
});

test("disconnect() rejects what is in flight at once", async (t) => {
  const { redis, proxies } = await setUp(t, 1, { commandTimeout: 30_000 });
  at(proxies).blackhole();
  const { bytesFromClients } = at(proxies);
  const commands = Array.from({ length: 10 }, () => held(redis.incr("key")));
  await until(() => at(proxies).bytesFromClients > bytesFromClients);
  redis.disconnect();
  for (const code of codes(await settle(t, commands, SHORT))) t.is(code, "CONNECTION_LOST");
  await until(() => redis.status === "end");
});

test("disconnect() rejects what waits at once, in every state of the connection", async (t) => {
  const { redis, proxies, nodes } = await setUp(t, 1, { lazyConnect: true });
  t.is(redis.status, "wait");
  redis.disconnect();
  t.is((await failure(t, redis.get("key"), SHORT)).code, "CLOSED");

  const options = { commandTimeout: 30_000 };
  const early = newClient(t, nodes, options);
  t.is(early.node("node1").status, "connecting");
  const first = held(early.get("key"));
  early.disconnect();
  t.is((await failure(t, first, SHORT)).code, "CLOSED");
  await until(() => early.status === "end");

  at(proxies).blackhole();
  const silent = newClient(t, nodes, options);
  const second = held(silent.get("key"));
  await until(() => silent.node("node1").status === "connect");
  silent.disconnect();
  t.is((await failure(t, second, SHORT)).code, "CLOSED");
  await until(() => silent.status === "end");

  await at(proxies).refuse();
  const down = newClient(t, nodes, {
    ...options,
    redisOptions: { retryStrategy: () => 60_000 },
  });
  await until(() => down.status === "reconnecting");
  const third = held(down.get("key"));
  const fourth = held(down.blpop("key", 0));
  down.disconnect();
  for (const code of codes(await settle(t, [third], SHORT))) t.is(code, "CLOSED");
  t.regex((await failure(t, fourth, SHORT)).code, /CLOSED|NODE_DOWN/);
  await until(() => down.status === "end");
  t.is((await failure(t, down.get("key"), SHORT)).code, "CLOSED");
});

test("disconnect() in every tick of a connection's life", async (t) => {
  const servers = await start(t, 1);
  for (const event of ["connecting", "connect", "ready"]) {
    for (const how of ["disconnect", "quit"] as const) {
      const redis = newClient(t, servers.urls);
      const commands: Promise<unknown>[] = [];
      const issue = () => commands.push(held(redis.incr("counter")), held(redis.blpop("list", 1)));
      issue();
      const struck = new Promise<unknown>((resolve) => {
        redis.node("node1").prependListener(event, () => {
          issue();
          resolve(redis[how]());
          issue();
          process.nextTick(issue);
          setImmediate(issue);
        });
      });
      await struck;
      await until(() => redis.status === "end");
      issue();
      for (const code of codes(await settle(t, commands, 5000))) {
        if (/^\d+$/.test(code)) continue;
        t.regex(code, /^(CLOSED|CONNECTION_LOST)$/, `${how} at ${event}`);
      }
    }
  }
});

test("connect() after disconnect() and after quit() works, and reconnects", async (t) => {
  for (const how of ["quit", "disconnect"] as const) {
    const { redis, proxies } = await setUp(t, 2, { commandTimeout: 2000 });
    for (let round = 1; round <= 2; round++) {
      await redis[how]();
      await until(() => redis.status === "end");
      const connecting = redis.connect();
      const early = held(redis.incr("key"));
      await settle(t, [connecting], 5000);
      t.is(await early, 2 * round - 1);
      t.is(redis.status, "ready");
      for (const proxy of proxies) proxy.cut();
      await until(() => redis.status !== "ready");
      await until(() => redis.nodes().every(({ status }) => status === "ready"));
      t.is(await redis.incr("key"), 2 * round);
    }
  }
});

test("connect() after a disconnect() that came too early or while the node was down", async (t) => {
  const { proxies, nodes } = await setUp(t, 1, { lazyConnect: true });
  const early = newClient(t, nodes, { commandTimeout: 2000 });
  early.disconnect();
  await until(() => early.status === "end");

  await at(proxies).refuse();
  const down = newClient(t, nodes, { commandTimeout: 2000 });
  await until(() => down.status === "reconnecting");
  down.disconnect();
  await until(() => down.status === "end");
  await at(proxies).heal();

  for (const redis of [early, down]) {
    await redis.connect();
    await redis.incr("key");
    at(proxies).cut();
    await until(() => redis.status !== "ready");
    await until(() => redis.status === "ready", "it connects again after a cut");
  }
  t.is(await early.incr("key"), 3);
});

test("a connect() that waits settles when the client is disconnected", async (t) => {
  const { nodes, proxies } = await setUp(t, 2, { lazyConnect: true });
  const redis = newClient(t, nodes);
  const first = held(redis.connect());
  redis.disconnect();
  t.is((await failure(t, first, SHORT)).code, "NODE_DOWN");

  for (const proxy of proxies) proxy.blackhole();
  const silent = newClient(t, nodes);
  const second = held(silent.connect());
  await until(() => silent.nodes().every(({ status }) => status === "connect"));
  silent.disconnect();
  t.is((await failure(t, second, SHORT)).code, "NODE_DOWN");
});

test("`await using` closes", async (t) => {
  const { redis, proxies } = await setUp(t, 2);
  await redis.incr("key");
  await redis[Symbol.asyncDispose]();
  t.is(redis.status, "end");
  await until(() => proxies.every(({ open }) => open === 0));
});

for (const how of [
  "quit",
  "quit at once",
  "disconnect",
  "disconnect at once",
  "disconnect with commands in flight",
  "disconnect after blocking",
  "quit after blocking",
  "lazy",
  "lazy quit",
]) {
  test(`the process ends by itself after: ${how}`, async (t) => {
    const servers = await start(t, 2);
    t.teardown(() => servers.stop());
    const { said, code, complaints } = await run(how, servers.urls);
    t.is(complaints, "");
    t.is(code, 0);
    t.true(said.includes("done"));
  });
}

for (const how of ["disconnect while the node is down", "quit while the node is down"]) {
  test(`the process ends by itself after: ${how}`, async (t) => {
    const servers = await start(t, 1);
    await servers.node(0).kill();
    const { said, code, complaints } = await run(how, servers.urls);
    t.is(complaints, "");
    t.is(code, 0);
    t.deepEqual(said, ["NODE_DOWN", "done"]);
  });
}

test("the process ends by itself after quit() and disconnect() with a silent node", async (t) => {
  const servers = await start(t, 1);
  servers.node(0).pause();
  for (const how of ["disconnect while the node is down", "quit while the node is down"]) {
    const { said, code, complaints } = await run(how, servers.urls);
    t.is(complaints, "");
    t.is(code, 0);
    t.deepEqual(said, ["TIMEOUT", "done"]);
  }
});

// --- Helpers ------------------------------------------------------------------------------------

/** A command of every kind. */
function every(redis: ShardedRedis): Promise<unknown>[] {
  const keys = ["node1", "node2"].map((name) => keyOn(redis, name));
  return [
    redis.set(at(keys), "value"),
    redis.mset(keys.flatMap((key) => [key, "value"])),
    redis.blpop(at(keys), 0),
    redis.by(at(keys)).incr("key"),
    redis.each.set("key", "value"),
  ].map((promise: Promise<unknown>) => held(promise));
}

function checkClosed(t: { is: (a: unknown, b: unknown) => unknown }, error: unknown): void {
  if (!(error instanceof ShardisError)) throw new Error(`not ours: ${error}`);
  const failures = "failures" in error && error.failures instanceof Map ? error.failures : [];
  for (const [, { error: its, outcome }] of failures) {
    t.is(its.code, "CLOSED");
    t.is(outcome, "not applied");
  }
  if (error.code === "PARTIAL_FAILURE") return;
  t.is(error.code, "CLOSED");
  t.is(error.sent, false);
}

function codes(endings: readonly (Ending | undefined)[]): string[] {
  return endings.map((ending) =>
    ending?.error instanceof ShardisError ? ending.error.code : `${ending?.error ?? ending?.value}`,
  );
}

/** Runs helpers/failure-exit.ts, which ends by itself or is killed by ava's time-out. */
async function run(how: string, urls: readonly string[]) {
  const script = new URL("./helpers/failure-exit.ts", import.meta.url).pathname;
  const child = spawn(
    process.execPath,
    ["--import=@oxc-node/core/register", script, how, ...urls],
    { stdio: ["ignore", "pipe", "pipe"], timeout: 30_000 },
  );
  const [said, complaints, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, "exit"),
  ]);
  return { said: said.trim().split("\n"), complaints, code };
}
