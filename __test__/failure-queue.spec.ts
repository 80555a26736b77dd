/** Commands that wait for a connection are bounded in number, and keep their order. */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import test from "ava";
import { ShardisError } from "../src/index.ts";
import {
  at,
  callsOf,
  type Ending,
  failure,
  held,
  newClient,
  settle,
  setUp,
  start,
  until,
  watchRejections,
} from "./helpers/setup.ts";

watchRejections(test);

const SHORT = 400;

test("maxQueuedCommands bounds how many commands wait", async (t) => {
  const { redis } = await stalled(t, { commandTimeout: SHORT, maxQueuedCommands: 10 });
  const commands = Array.from({ length: 30 }, (_, number) => redis.incr(`key:${number}`));
  const endings = await settle(t, commands, SHORT);
  t.deepEqual(codes(endings), [
    ...Array.from({ length: 10 }, () => "TIMEOUT"),
    ...Array.from({ length: 20 }, () => "QUEUE_FULL"),
  ]);
  const [full] = endings.slice(10);
  if (!(full?.error instanceof ShardisError)) throw full?.error;
  t.is(full.error.node, "node1");
  t.is(full.error.command, "incr");
  t.deepEqual(full.error.keys, ["key:10"]);
  t.false(full.error.sent);
  t.is(full.error.message, "10 commands already wait for node node1; incr was not sent");
});

test("the bound is for each node", async (t) => {
  const { redis, proxies } = await setUp(t, 2, { commandTimeout: SHORT, maxQueuedCommands: 5 });
  for (const proxy of proxies) {
    await proxy.refuse();
    proxy.cut();
  }
  await until(() => redis.nodes().every(({ status }) => status === "reconnecting"));
  const keys = Array.from({ length: 200 }, (_, number) => `key:${number}`);
  const endings = await settle(
    t,
    keys.map((key) => redis.get(key)),
    SHORT,
  );
  for (const node of redis.placement.nodes) {
    const its = endings.filter((_, index) => redis.nodeFor(at(keys, index)).name === node);
    t.is(codes(its).filter((code) => code !== "QUEUE_FULL").length, 5);
  }
});

test("maxQueuedCommands: 0 lets no command wait", async (t) => {
  const { redis } = await stalled(t, { commandTimeout: SHORT, maxQueuedCommands: 0 });
  t.is((await failure(t, redis.get("key"), SHORT)).code, "QUEUE_FULL");
  const { redis: healthy } = await setUp(t, 1, { maxQueuedCommands: 0 });
  t.is(await healthy.incr("key"), 1);
  t.is(await healthy.blpop("list", 0.01), null, "but may have a connection made for itself");
});

// Serial, as it keeps the event loop busy for long.
test.serial("by default 10,000 commands wait, and all others are refused", async (t) => {
  const { redis } = await stalled(t, { commandTimeout: 60_000 });
  const waiting = Array.from({ length: 10_000 }, () => redis.get("key"));
  let full = 0;
  const count = (error: unknown) => {
    if (error instanceof ShardisError && error.code === "QUEUE_FULL") full++;
  };
  const refused: Promise<unknown>[] = [];
  for (let number = 0; number < 20_000; number++) refused.push(redis.get("key").catch(count));
  await settle(t, refused, 5000);
  t.is(full, 20_000);
  redis.disconnect();
  t.deepEqual(new Set(codes(await settle(t, waiting, 1000))), new Set(["CLOSED"]));
});

test("commands that have settled are not counted", async (t) => {
  const { redis } = await stalled(t, { commandTimeout: SHORT, maxQueuedCommands: 10 });
  for (let round = 0; round < 3; round++) {
    const commands = Array.from({ length: 10 }, () => redis.get("key"));
    for (const code of codes(await settle(t, commands, SHORT))) t.is(code, "TIMEOUT");
  }
});

test.serial("commands that have settled are not kept", async (t) => {
  const { redis } = await stalled(t, { commandTimeout: SHORT });
  setFlagsFromString("--expose-gc");
  const collectGarbage = runInNewContext("gc");
  const refs: WeakRef<Buffer>[] = [];
  const fill = () => {
    const values = Array.from({ length: 100 }, () => Buffer.alloc(1_000_000));
    refs.push(...values.map((value) => new WeakRef(value)));
    return values.map((value) => redis.set("key", value).catch(() => {}));
  };
  await settle(t, fill(), SHORT);
  await until(() => {
    collectGarbage();
    return refs.filter((ref) => ref.deref() !== undefined).length < 10;
  }, "that what has settled is freed");
  t.pass();
});

test("blocking commands wait under the same bound, each on its own connection", async (t) => {
  const { redis } = await stalled(t, { commandTimeout: SHORT, maxQueuedCommands: 1 });
  const pops = Array.from({ length: 5 }, () => redis.blpop("list", 0));
  for (const code of codes(await settle(t, pops, SHORT))) t.regex(code, /TIMEOUT|NODE_DOWN/);
});

test("what waits is sent in its order as soon as the node is ready", async (t) => {
  const servers = await start(t, 1);
  const redis = newClient(t, servers.urls);
  const pushes = Array.from({ length: 1000 }, (_, number) => redis.rpush("list", number));
  await Promise.all(pushes);
  const numbers = Array.from({ length: 1000 }, (_, number) => String(number));
  t.deepEqual(await redis.lrange("list", 0, -1), numbers);
});

test("commands of every tick around the ready event keep their order", async (t) => {
  const servers = await start(t, 1);
  const redis = newClient(t, servers.urls);
  let next = 0;
  const pushes: Promise<unknown>[] = [];
  const push = () => pushes.push(held(redis.rpush("list", next++)));
  let isOver = false;
  for (const event of ["connecting", "connect", "ready"]) {
    redis.node("node1").prependListener(event, () => {
      push();
      process.nextTick(push);
      queueMicrotask(push);
      setImmediate(push);
    });
  }
  redis.once("ready", () => {
    push();
    setImmediate(() => {
      isOver = true;
    });
  });
  while (!isOver) {
    push();
    await new Promise(setImmediate);
  }
  await Promise.all(pushes);
  const list = await redis.lrange("list", 0, -1);
  t.deepEqual(
    list,
    Array.from({ length: next }, (_, number) => String(number)),
  );
});

test("the order is kept through reconnects", async (t) => {
  const { redis, proxies } = await setUp(t, 1, { commandTimeout: 2000 });
  const pushes: Promise<unknown>[] = [];
  for (let number = 0; number < 2000; number++) {
    pushes.push(held(redis.rpush("list", number)));
    if (number % 200 === 100) at(proxies).cut();
    if (number % 20 === 0) await new Promise(setImmediate);
  }
  await settle(t, pushes, 2000);
  const list = (await redis.lrange("list", 0, -1)).map(Number);
  t.true(list.length > 0);
  t.deepEqual(
    list,
    [...new Set(list)].sort((one, other) => one - other),
  );
});

test("what waits while the connection breaks is sent on the next one", async (t) => {
  const { redis, proxies } = await setUp(t, 1, { commandTimeout: 2000 });
  at(proxies).cut();
  await until(() => redis.node("node1").status === "reconnecting");
  const commands = Array.from({ length: 100 }, () => redis.incr("counter"));
  const values = (await settle(t, commands, 2000)).map(({ value }) => value);
  t.deepEqual(
    values,
    Array.from({ length: 100 }, (_, index) => index + 1),
  );
  t.is(await callsOf(redis, "node1", "incr"), 100);
});

test("a command that is sent in the listener of an event of the connection", async (t) => {
  const { redis, proxies } = await setUp(t, 1, { commandTimeout: 2000 });
  const commands: Promise<unknown>[] = [];
  for (const event of ["-node", "close", "reconnecting", "+node", "ready", "node error"]) {
    redis.on(event, () => commands.push(held(redis.incr("counter"))));
  }
  for (let round = 0; round < 3; round++) {
    at(proxies).cut();
    await until(() => redis.status !== "ready");
    await until(() => redis.status === "ready");
    // So that the next cut does not lose a reply.
    await Promise.allSettled(commands);
  }
  const endings = await settle(t, commands, 2000);
  t.true(endings.length >= 12);
  for (const { error } of endings) t.is(error, undefined);
  t.is(Number(await redis.get("counter")), endings.length);
});

// --- Helpers ------------------------------------------------------------------------------------

/** A client whose only node accepts connections and never answers. */
async function stalled(
  t: Parameters<typeof setUp>[0],
  options: NonNullable<Parameters<typeof setUp>[2]>,
) {
  const { proxies, nodes } = await setUp(t, 1, { lazyConnect: true });
  at(proxies).blackhole();
  return { redis: newClient(t, nodes, options) };
}

function codes(endings: readonly Ending[]): string[] {
  return endings.map(({ error, value }) =>
    error instanceof ShardisError ? error.code : `${error ?? value}`,
  );
}
