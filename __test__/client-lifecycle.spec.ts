/** A client from its first connection to its end: statuses, events, and what each method waits for. */
import test, { type ExecutionContext } from "ava";
import {
  type NodeInput,
  PartialFailureError,
  type PipelineResult,
  ShardedRedis,
  type ShardedRedisOptions,
  ShardisError,
} from "../src/index.ts";
import { startNodes } from "../src/testing/index.ts";
import { FaultProxy, startProxy } from "./helpers/proxy.ts";
import { eventually, until as holds, keyOn } from "./helpers/setup.ts";

// --- Connecting ---------------------------------------------------------------------------------

test("a client connects by itself, and says so as ioredis does", async (t) => {
  const servers = await started(t, 3);
  const { redis, events } = client(t, servers.nodes);
  t.is(redis.status, "connecting");
  await redis.connect();
  t.is(redis.status, "ready");
  t.deepEqual(events.withoutNodes, ["connecting", "connect", "ready"]);
  t.deepEqual(events.ofNodes.sort(), ["+node node1", "+node node2", "+node node3"]);
  t.deepEqual(
    redis.nodes().map(({ status }) => status),
    ["ready", "ready", "ready"],
  );
});

test("commands need not wait for the connection", async (t) => {
  const servers = await started(t, 3);
  const { redis } = client(t, servers.nodes);
  const written = redis.mset({ a: "1", b: "2", c: "3" });
  t.deepEqual(await redis.mget("a", "b", "c"), ["1", "2", "3"]);
  t.is(await written, "OK");
});

test("connect() may be called again and at the same time", async (t) => {
  const servers = await started(t, 2);
  const { redis } = client(t, servers.nodes, { lazyConnect: true });
  await Promise.all([redis.connect(), redis.connect()]);
  await redis.connect();
  t.is(redis.status, "ready");
  t.is(await redis.set("key", "value"), "OK");
  for (const name of redis.placement.nodes) {
    const clients = String(await redis.node(name).client("LIST"));
    t.is(clients.trim().split("\n").length, 1, "one connection a node");
  }
});

test("a lazy client connects to a node when a command for it comes", async (t) => {
  const servers = await started(t, 3);
  const { redis, events } = client(t, servers.nodes, { lazyConnect: true });
  t.is(redis.status, "wait");
  t.is(await redis.set("key", "value"), "OK");
  const { name } = redis.nodeFor("key");
  for (const other of redis.placement.nodes) {
    t.is(redis.node(other).status, other === name ? "ready" : "wait");
  }
  t.is(redis.status, "ready");
  t.deepEqual(await redis.each.ping(), { node1: "PONG", node2: "PONG", node3: "PONG" });
  t.deepEqual(events.withoutNodes, ["connecting", "connect", "ready"], "each of them once");
});

test("redisOptions.lazyConnect is the same", async (t) => {
  const servers = await started(t, 1);
  const { redis } = client(t, servers.nodes, { redisOptions: { lazyConnect: true } });
  t.is(redis.status, "wait");
});

test("connect() names the nodes that cannot be reached, and the others can be used", async (t) => {
  const servers = await started(t, 3);
  await Promise.all([servers.node("node1").kill(), servers.node("node3").kill()]);
  const { redis, events } = client(t, servers.nodes, { lazyConnect: true });
  const error = await t.throwsAsync(redis.connect(), { instanceOf: ShardisError });
  t.like(error, { code: "NODE_DOWN", node: "node1" });
  t.regex(error.message, /^cannot be reached: node1 \(.*ECONNREFUSED.*\), node3 \(.*\)$/);
  t.is(redis.status, "ready", "one node is");
  const key = keyOf(redis, "node2");
  t.is(await redis.set(key, "value"), "OK");
  t.true(events.all.includes("node error node3"));

  await servers.node("node1").restart();
  await servers.node("node3").restart();
  await redis.connect().catch(() => {});
  await until(redis, () => redis.nodes().every(({ status }) => status === "ready"), "+node");
  t.deepEqual(await redis.each.ping(), { node1: "PONG", node2: "PONG", node3: "PONG" });
});

test("a client none of whose nodes is there reconnects, and gets ready when one comes", async (t) => {
  const servers = await started(t, 2);
  await Promise.all(servers.nodes.map((node) => node.kill()));
  const { redis, events } = client(t, servers.nodes);
  await t.throwsAsync(redis.connect(), { code: "NODE_DOWN" });
  t.is(redis.status, "reconnecting");
  t.deepEqual(
    new Set(events.withoutNodes),
    new Set(["connecting", "error", "close", "reconnecting"]),
  );
  t.deepEqual(events.ofNodes, [], "no node was there, so none has gone");
  const ready = told(redis, "ready");
  await servers.node("node2").restart();
  await ready;
  t.is(redis.status, "ready");
});

test("a client stays ready while a node goes and comes back", async (t) => {
  const servers = await started(t, 2);
  const { redis, events } = client(t, servers.nodes);
  await redis.connect();
  events.clear();
  const gone = told(redis, "-node");
  await servers.node("node2").kill();
  t.deepEqual(await gone, ["node2"]);
  t.is(redis.status, "ready");
  const back = told(redis, "+node");
  await servers.node("node2").restart();
  t.deepEqual(await back, ["node2"]);
  t.deepEqual(events.ofNodes, ["-node node2", "+node node2"], "each once, however often tried");
  t.deepEqual(
    events.withoutNodes.filter((event) => event !== "error"),
    [],
  );
});

test("an error of a node is told with its name, and nobody need listen", async (t) => {
  const servers = await started(t, 1);
  await servers.node(0).kill();
  const redis = new ShardedRedis(servers.nodes);
  t.teardown(() => redis.disconnect());
  const [error, name] = await told(redis, "node error");
  t.is(name, "node1");
  t.like(error, { code: "ECONNREFUSED" });
});

// --- One server under two names -----------------------------------------------------------------

test("connect() settles when a node falls silent as soon as it is ready", async (t) => {
  const servers = await started(t, 1);
  const { redis } = client(t, servers.nodes, { lazyConnect: true, commandTimeout: 300 });
  // Before the client's own listener, which asks the server who it is.
  redis.node("node1").prependOnceListener("ready", () => servers.node("node1").pause());
  await redis.connect();
  servers.node("node1").resume();
  t.is(await eventually(() => redis.get("key")), null);
});

test("connect() in the tick of disconnect() connects again", async (t) => {
  const servers = await started(t, 2);
  const { redis } = client(t, servers.nodes);
  await redis.connect();
  redis.disconnect();
  await redis.connect();
  t.is(await redis.set("key", "value"), "OK");
});

test("two names for one server are refused by connect()", async (t) => {
  const servers = await started(t, 1);
  const { host, port } = servers.node(0);
  const nodes = [
    { name: "left", host, port },
    { name: "right", host: "localhost", port },
  ];
  const { redis, errors } = client(t, nodes);
  const error = await t.throwsAsync(redis.connect(), { instanceOf: ShardisError });
  t.is(error.code, "SAME_SERVER");
  t.regex(error.message, /left/);
  t.regex(error.message, /right/);
  const told = errors.filter((error) => error instanceof ShardisError);
  t.deepEqual(
    told.map(({ code }) => code),
    ["SAME_SERVER"],
    "and told as an error, once",
  );
  await t.throwsAsync(redis.connect(), { code: "SAME_SERVER" });
});

test("what is known to be one server under two names gets no commands", async (t) => {
  const servers = await started(t, 2);
  const { host, port } = servers.node(0);
  const { redis } = client(t, [
    { name: "left", host, port },
    { name: "right", host, port },
    { ...servers.node(1), name: "other" },
  ]);
  await t.throwsAsync(redis.connect(), { code: "SAME_SERVER" });
  const [left, right, other] = [keyOn(redis, "left"), keyOn(redis, "right"), keyOn(redis, "other")];
  const plain = redis.node("left");
  await plain.config("RESETSTAT");
  for (const refused of [
    redis.set(left, "1"),
    redis.blpop(left, 1),
    redis.blpop(left, other, 1),
    redis.xread("BLOCK", 1, "STREAMS", left, other, "$", "$"),
    redis.blmove(left, other, "LEFT", "LEFT", 1),
    redis.msetnx(left, "1", other, "1"),
    redis.rename(left, right),
    redis.multi().set(right, "1").exec(),
    redis.by(right).flushall(),
    redis.pipeline().get(left).exec().then(rejectFirst),
  ]) {
    const error = await t.throwsAsync(refused, { instanceOf: ShardisError, code: "SAME_SERVER" });
    t.false(error.sent);
    t.regex(error.message, /not sent: nodes (left and right|right and left) are/);
  }
  const flushed = await t.throwsAsync(redis.flushall(), { instanceOf: PartialFailureError });
  t.deepEqual([...flushed.failures.keys()], ["left", "right"]);
  const told = await plain.info("commandstats");
  t.deepEqual(
    [...told.matchAll(/^cmdstat_([^:]+)/gm)].map(([, name]) => name),
    ["config|resetstat"],
  );
  t.is(await redis.set(other, "1"), "OK", "others are not concerned");
});

test("a name that gets a server of its own is taken again", async (t) => {
  const servers = await started(t, 2);
  const proxy = await startProxy(servers.node(0));
  const { port } = proxy;
  const { redis } = client(t, [
    { ...servers.node(0), name: "left" },
    { name: "right", host: "127.0.0.1", port },
  ]);
  await t.throwsAsync(redis.connect(), { code: "SAME_SERVER" });
  const key = keyOf(redis, "left");
  await t.throwsAsync(redis.set(key, "1"), { code: "SAME_SERVER" });
  await proxy.stop();
  const moved = new FaultProxy(servers.node(1));
  moved.port = port;
  await moved.accept();
  t.teardown(() => moved.stop());
  const isConnected = () =>
    redis.connect().then(
      () => true,
      () => false,
    );
  await holds(isConnected, "connect() has no complaints");
  t.is(await redis.set(key, "1"), "OK");
  t.is(await redis.dbsize(), 1);
});

test("two databases of one server are two nodes", async (t) => {
  const servers = await started(t, 1);
  const { host, port } = servers.node(0);
  const { redis } = client(t, [
    { name: "left", host, port, db: 0 },
    `redis://${host}:${port}/1?name=right`,
  ]);
  await redis.connect();
  await redis.each.set("key", "value");
  t.deepEqual(await redis.each.dbsize(), { left: 1, right: 1 });
});

test("a server on a port and on a unix socket is one", async (t) => {
  const path = `/tmp/shardis-same-${process.pid}.sock`;
  const servers = await startNodes(1, { args: ["--unixsocket", path] });
  t.teardown(() => servers.stop());
  const { redis } = client(t, [...servers.nodes, { name: "socket", path }]);
  await t.throwsAsync(redis.connect(), { code: "SAME_SERVER" });
});

// --- Ending -------------------------------------------------------------------------------------

test("quit() waits for the replies that are due", async (t) => {
  const servers = await started(t, 3);
  const { redis, events } = client(t, servers.nodes);
  await redis.connect();
  const replies = Promise.all(Array.from({ length: 500 }, (_, n) => redis.incr(`key:${n}`)));
  t.is(await redis.quit(), "OK");
  t.deepEqual(await replies, new Array(500).fill(1));
  t.is(redis.status, "end");
  await t.throwsAsync(redis.get("key"), { code: "CLOSED" });
  await t.throwsAsync(redis.each.ping(), { code: "PARTIAL_FAILURE", message: /closed/ });
  t.deepEqual(events.withoutNodes, ["connecting", "connect", "ready", "close", "end"]);
});

test("quit() waits for commands that wait for the connection", async (t) => {
  const servers = await started(t, 3);
  const { redis } = client(t, servers.nodes);
  const written = redis.mset({ a: "1", b: "2", c: "3" });
  t.is(await redis.quit(), "OK");
  t.is(await written, "OK");
});

test("quit() may be called again, and on a client that never connected", async (t) => {
  const servers = await started(t, 2);
  const { redis } = client(t, servers.nodes, { lazyConnect: true });
  t.is(await redis.quit(), "OK");
  t.is(await redis.quit(), "OK");
  t.is(redis.status, "end");
  await t.throwsAsync(redis.get("key"), { code: "CLOSED" });
});

test("disconnect() closes at once, and rejects what is in flight", async (t) => {
  const servers = await started(t, 3);
  const { redis, events } = client(t, servers.nodes);
  await redis.connect();
  const ended = told(redis, "end");
  const popped = redis.blpop("list", 0);
  const written = redis.set("key", "value");
  redis.disconnect();
  await t.throwsAsync(popped, { instanceOf: ShardisError });
  await written.catch(() => {}); // Its reply may already have been on its way.
  await ended;
  t.is(redis.status, "end");
  t.deepEqual(events.withoutNodes, ["connecting", "connect", "ready", "close", "end"]);
  t.deepEqual(events.ofNodes.slice(3).sort(), ["-node node1", "-node node2", "-node node3"]);
});

test("a client that has ended connects again when told to", async (t) => {
  const servers = await started(t, 2);
  const { redis, events } = client(t, servers.nodes);
  await redis.connect();
  const ended = told(redis, "end");
  redis.disconnect();
  await ended;
  events.clear();
  await redis.connect();
  t.deepEqual(events.withoutNodes, ["connecting", "connect", "ready"]);
  t.is(await redis.set("key", "value"), "OK");
});

test("await using ends a client, when the replies that are due have come", async (t) => {
  const servers = await started(t, 2);
  let written: Promise<string> | undefined;
  let used: ShardedRedis | undefined;
  {
    await using redis = new ShardedRedis(servers.nodes);
    written = redis.set("key", "value");
    used = redis;
  }
  t.is(await written, "OK");
  t.is(used.status, "end");
});

test("nothing of a client that has ended keeps the process or the server busy", async (t) => {
  const servers = await started(t, 1);
  const { redis } = client(t, servers.nodes);
  await redis.set("key", "value");
  await redis.blpop("list", 0.01);
  await redis.quit();
  const { redis: other } = client(t, servers.nodes);
  const clients = String(await other.node("node1").client("LIST"));
  t.is(clients.trim().split("\n").length, 1, "the one that asks");
});

// --- Duplicates ---------------------------------------------------------------------------------

test("duplicate() is another client of the same nodes with the same options", async (t) => {
  const servers = await started(t, 3);
  const { redis } = client(t, servers.nodes, { keyPrefix: "p:", commandTimeout: 3000 });
  const twin = redis.duplicate();
  t.teardown(() => twin.disconnect());
  await redis.set("key", "value");
  t.is(await twin.get("key"), "value");
  t.not(twin, redis);
  t.false(twin.node("node1") === redis.node("node1"));
  await redis.quit();
  t.is(await twin.get("key"), "value", "the end of one is not that of the other");
});

test("duplicate() takes other nodes and options, and merges redisOptions, as in ioredis", async (t) => {
  const servers = await startNodes(2, { args: ["--requirepass", "secret"] });
  t.teardown(() => servers.stop());
  const { redis } = client(t, servers.nodes, { redisOptions: { password: "secret" } });
  const other = redis.duplicate([], { redisOptions: { db: 3 }, keyPrefix: "p:" });
  t.teardown(() => other.disconnect());
  await other.set("key", "value");
  const { name, db } = other.nodeFor("key");
  t.is(db, 3);
  t.is(await other.node(name).get("key"), "value");
  const [first] = servers.nodes;
  const fewer = redis.duplicate(first === undefined ? [] : [first]);
  t.teardown(() => fewer.disconnect());
  t.deepEqual(fewer.placement.nodes, ["node1"]);
  t.is(await fewer.ping(), "PONG");
  t.deepEqual(await fewer.each.ping(), { node1: "PONG" });
});

test("a client looks to libraries like one that is no cluster", (t) => {
  const { redis } = client(t, ["localhost:1"], { lazyConnect: true });
  t.false(redis.isCluster);
  for (const method of ["connect", "disconnect", "duplicate", "quit", "on", "setMaxListeners"]) {
    t.is(typeof Reflect.get(redis, method), "function", method);
  }
  t.deepEqual(redis.options, { lazyConnect: true });
});

// --- Helpers ------------------------------------------------------------------------------------

async function started(t: ExecutionContext, count: number) {
  const servers = await startNodes(count);
  t.teardown(() => servers.stop());
  return servers;
}

/** A client, all events that it has told of, and its errors. */
function client(
  t: ExecutionContext,
  nodes: readonly NodeInput[],
  options: ShardedRedisOptions = {},
) {
  const redis = new ShardedRedis(nodes, options);
  t.teardown(() => redis.disconnect());
  const all: string[] = [];
  const errors: unknown[] = [];
  for (const event of ["wait", "connecting", "connect", "ready", "close", "reconnecting", "end"]) {
    redis.on(event, () => all.push(event));
  }
  redis.on("error", (error) => {
    all.push("error");
    errors.push(error);
  });
  for (const event of ["+node", "-node"]) {
    redis.on(event, (name: string) => all.push(`${event} ${name}`));
  }
  redis.on("node error", (_, name: string) => all.push(`node error ${name}`));
  const events = {
    all,
    get withoutNodes() {
      return all.filter((event) => !event.includes("node"));
    },
    get ofNodes() {
      return all.filter((event) => /^[+-]node/.test(event));
    },
    clear: () => all.splice(0),
  };
  return { redis, events, errors };
}

/** Some key of a node. */
function keyOf(redis: ShardedRedis, name: string): string {
  for (let n = 0; ; n++) if (redis.nodeFor(`key:${n}`).name === name) return `key:${n}`;
}

/** Rejects with the error of the first command of a pipeline. */
async function rejectFirst(results: readonly PipelineResult[] | null): Promise<void> {
  const [error] = results?.[0] ?? [];
  if (error) throw error;
}

/** What the next event of a name says. */
function told(redis: ShardedRedis, event: string): Promise<unknown[]> {
  return new Promise((resolve) => redis.once(event, (...args: unknown[]) => resolve(args)));
}

/** Waits until something holds, looking again at each event. */
async function until(redis: ShardedRedis, holds: () => boolean, event: string): Promise<void> {
  while (!holds()) await told(redis, event);
}
