/** A node that comes back is used again, and while it is away the others do not feel it. */
import test from "ava";
import { Redis } from "ioredis";
import { type ShardedRedis, ShardisError } from "../src/index.ts";
import {
  at,
  eventually,
  failure,
  held,
  keyOn,
  keysOn,
  newClient,
  type Rig,
  settle,
  setUp,
  until,
  watchRejections,
} from "./helpers/setup.ts";

watchRejections(test);

const SHORT = 600;

/** How the first node fails, and how it comes back. */
const FAULTS: Record<string, { strike: (rig: Rig) => unknown; mend: (rig: Rig) => unknown }> = {
  "a killed server that is restarted": {
    strike: ({ servers }) => at(servers).kill(),
    mend: ({ servers }) => at(servers).restart(),
  },
  "a paused server that goes on": {
    strike: ({ servers }) => at(servers).pause(),
    mend: ({ servers }) => at(servers).resume(),
  },
  "a refused port that is opened": {
    strike: async ({ proxies }) => {
      await at(proxies).refuse();
      at(proxies).cut();
    },
    mend: ({ proxies }) => at(proxies).heal(),
  },
  // Connections that lived through it stay dead: only a new one helps.
  "a black hole that ends": {
    strike: ({ proxies }) => at(proxies).blackhole(),
    mend: ({ proxies }) => at(proxies).heal(),
  },
  "a black hole for new connections that ends": {
    strike: ({ proxies }) => {
      at(proxies).blackhole();
      at(proxies).cut();
    },
    mend: ({ proxies }) => at(proxies).heal(),
  },
};

for (const [name, { strike, mend }] of Object.entries(FAULTS)) {
  test(`${name}: commands work again`, async (t) => {
    const rig = await setUp(t, 2, {
      commandTimeout: SHORT,
      redisOptions: { connectTimeout: SHORT },
    });
    const { redis } = rig;
    const key = keyOn(redis, "node1");
    await redis.set(key, "before");
    await strike(rig);
    for (let round = 0; round < 3; round++) {
      const error = await failure(t, redis.set(key, "during"), SHORT);
      t.is(error.node, "node1");
    }
    await mend(rig);
    await eventually(() => redis.set(key, "after"));
    t.is(redis.status, "ready");
    t.is(await eventually(() => redis.get(key)), "after");
    t.deepEqual(await eventually(() => redis.mget(key, keyOn(redis, "node2"))), ["after", null]);
  });
}

test("a node that comes only after the client works, and is said to be there", async (t) => {
  const { servers, nodes } = await setUp(t, 2, { lazyConnect: true });
  await at(servers).kill();
  const redis = newClient(t, nodes);
  const seen = record(redis);
  await until(() => redis.status === "ready");
  t.is(await redis.incr(keyOn(redis, "node2")), 1);
  t.false(seen.includes("+node node1"));
  await at(servers).restart();
  await until(() => seen.includes("+node node1"));
  t.is(await redis.incr(keyOn(redis, "node1")), 1);
});

test("events tell what becomes of a node, in order", async (t) => {
  const { redis, servers } = await setUp(t, 2, { commandTimeout: SHORT });
  const seen = record(redis);
  const own: string[] = [];
  for (const event of ["close", "reconnecting", "connect", "ready"]) {
    redis.node("node1").on(event, () => own.push(event));
  }
  const port = at(servers).port;
  await at(servers).kill();
  await until(() => seen.includes("-node node1"));
  // The proxy accepts, cannot reach the server, and closes.
  await until(() => own.filter((event) => event === "close").length > 2);
  t.deepEqual([...new Set(seen)], ["-node node1"]);
  t.is(redis.status, "ready");
  await at(servers).restart();
  t.is(at(servers).port, port);
  await until(() => seen.includes("+node node1"));
  t.deepEqual([...new Set(seen)], ["-node node1", "+node node1"]);
  t.is(seen.at(-1), "+node node1");
  t.deepEqual(own.slice(0, 3), ["close", "reconnecting", "connect"]);
  t.is(own.at(-1), "ready");
});

test("events of a client all of whose nodes go and come", async (t) => {
  const { redis, proxies } = await setUp(t, 2, { commandTimeout: SHORT });
  const seen = record(redis);
  t.is(redis.status, "ready");
  for (const proxy of proxies) await proxy.refuse();
  for (const proxy of proxies) proxy.cut();
  await until(() => seen.filter((event) => event.startsWith("node error")).length >= 2);
  t.is(redis.status, "reconnecting");
  for (const proxy of proxies) await proxy.heal();
  await until(() => redis.nodes().every(({ status }) => status === "ready"));
  await until(() => seen.includes("+node node1") && seen.includes("+node node2"));
  const client = seen.filter((event) => !event.includes("node"));
  t.deepEqual(client, ["close", "reconnecting", "connect", "ready"]);
  const errors = seen.filter((event) => event.startsWith("node error"));
  for (const error of errors) t.regex(error, /^node error node[12]: connect ECONNREFUSED/);
  for (const name of ["node1", "node2"]) {
    const its = seen.filter((event) => event.includes(name));
    t.is(its[0], `-node ${name}`);
    t.regex(its[1] ?? "", /^node error/);
    t.is(its.at(-1), `+node ${name}`);
  }
});

test("a silent node is reported, and connected anew", async (t) => {
  const { redis, proxies } = await setUp(t, 2, { commandTimeout: SHORT });
  const seen = record(redis);
  const { connections } = at(proxies);
  at(proxies).blackhole();
  await failure(t, redis.get(keyOn(redis, "node1")), SHORT);
  await at(proxies).heal();
  await until(() => seen.includes("+node node1"));
  t.deepEqual(seen, ["node error node1: no reply in 600 ms", "-node node1", "+node node1"]);
  t.is(at(proxies).connections, connections + 1);
});

test("without listeners nothing is thrown", async (t) => {
  const { servers, nodes } = await setUp(t, 1, { lazyConnect: true });
  const { ShardedRedis } = await import("../src/index.ts");
  const redis = new ShardedRedis(nodes, { commandTimeout: SHORT });
  t.teardown(() => redis.disconnect());
  await redis.connect();
  await at(servers).kill();
  await failure(t, redis.get("key"), SHORT);
  await until(() => redis.node("node1").status === "reconnecting");
  t.pass();
});

for (const fault of ["paused", "killed"] as const) {
  test(`while one node is ${fault}, the commands of the others are not held up`, async (t) => {
    const { redis, servers } = await setUp(t, 3);
    await (fault === "paused" ? at(servers).pause() : at(servers).kill());
    let isOver = false;
    const stuck = held(
      redis.get(keyOn(redis, "node1")).finally(() => {
        isOver = true;
      }),
    );
    const partial = held(redis.mget(["node1", "node2", "node3"].map((name) => keyOn(redis, name))));
    let answered = 0;
    if (fault === "paused") {
      // All of this happens before the one of the stalled node has settled.
      for (let round = 0; round < 50; round++) {
        for (const name of ["node2", "node3"]) {
          await redis.incr(keyOn(redis, name));
          await redis.mget(keysOn(redis, name, 20));
          if (!isOver) answered++;
        }
      }
      t.is(answered, 100);
    } else {
      const others = ["node2", "node3"].flatMap((name) =>
        keysOn(redis, name, 50).map((key) => redis.incr(key)),
      );
      t.deepEqual(new Set(await Promise.all(others)), new Set([1]));
    }
    const endings = await settle(t, [stuck, partial], 5000);
    for (const { error } of endings) t.true(error instanceof ShardisError);
  });
}

test("what was stored before a pause is there after it", async (t) => {
  const { redis, servers } = await setUp(t, 1, { commandTimeout: SHORT });
  await redis.set("key", "value");
  at(servers).pause();
  t.is((await failure(t, redis.get("key"), SHORT)).code, "TIMEOUT");
  at(servers).resume();
  t.is(await eventually(() => redis.get("key")), "value");
});

test("a server that wants a password from now on is told from one that is down", async (t) => {
  const { redis, servers, proxies } = await setUp(t, 1);
  const admin = new Redis(at(servers).port, { retryStrategy: () => null });
  t.teardown(() => admin.disconnect());
  await admin.config("SET", "requirepass", "secret");
  at(proxies).cut();
  await until(() => redis.node("node1").status === "reconnecting");
  const error = await failure(t, redis.get("key"), 5000);
  t.is(error.code, "NODE_DOWN");
  t.regex(error.message, /NOAUTH/);
  await admin.config("SET", "requirepass", "");
  await until(() => redis.status === "ready");
  t.is(await redis.incr("key"), 1);
});

// --- Helpers ------------------------------------------------------------------------------------

/** The events of a client as they come, those of nodes with the node's name. */
function record(redis: ShardedRedis): string[] {
  const seen: string[] = [];
  for (const event of ["connecting", "connect", "ready", "close", "reconnecting", "end"]) {
    redis.on(event, () => seen.push(event));
  }
  for (const event of ["+node", "-node"]) {
    redis.on(event, (name: string) => seen.push(`${event} ${name}`));
  }
  redis.on("node error", (error: Error, name: string) =>
    seen.push(`node error ${name}: ${error.message}`),
  );
  return seen;
}
