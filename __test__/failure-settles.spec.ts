/** Whatever becomes of a node, every command settles in time, and says what became of it. */
import { tracingChannel } from "node:diagnostics_channel";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import test, { type ExecutionContext } from "ava";
import { type ErrorCode, type ShardedRedis, ShardisError } from "../src/index.ts";
import {
  at,
  failure,
  held,
  keyOn,
  keysOn,
  newClient,
  type Rig,
  SCHEDULING,
  settle,
  setUp,
  start,
  until,
  watchRejections,
} from "./helpers/setup.ts";

watchRejections(test);

const SHORT = 600;

/** What can become of the first node of a rig, before commands are sent. */
const FAULTS: Record<string, (rig: Rig) => unknown> = {
  "killed server": ({ servers }) => at(servers).kill(),
  "stopped server": ({ servers }) => at(servers).stop(),
  "paused server": ({ servers }) => at(servers).pause(),
  "black hole": ({ proxies }) => at(proxies).blackhole(),
  "refused port after a cut": async ({ proxies }) => {
    await at(proxies).refuse();
    at(proxies).cut();
  },
  "refused port after a reset": async ({ proxies }) => {
    await at(proxies).refuse();
    at(proxies).reset();
  },
  "black hole after a cut": ({ proxies }) => {
    at(proxies).blackhole();
    at(proxies).cut();
  },
};

for (const [name, strike] of Object.entries(FAULTS)) {
  test(`${name}: all commands settle in time`, async (t) => {
    const rig = await setUp(t, 2, { commandTimeout: SHORT });
    const before = everyKind(rig.redis);
    await strike(rig);
    const during = everyKind(rig.redis);
    const kinds = [...before, ...during];
    const endings = await settle(t, kinds, SHORT);
    t.is(endings.length, kinds.length);
    for (const { error } of endings) if (error !== undefined) checkFailure(t, error);
    const after = await settle(t, everyKind(rig.redis), SHORT);
    for (const { error } of after) checkFailure(t, error);
  });

  test(`${name}: with default options, commands settle within 5 s`, async (t) => {
    const rig = await setUp(t, 2);
    await strike(rig);
    const endings = await settle(t, everyKind(rig.redis), 5000);
    for (const { error } of endings) checkFailure(t, error);
  });
}

test("a node that was never there", async (t) => {
  const { redis } = await withRefusedNode(t, { commandTimeout: SHORT });
  for (const { error } of await settle(t, everyKind(redis), SHORT)) {
    checkFailure(t, error, ["NODE_DOWN", "TIMEOUT"], false);
  }
  const error = await failure(t, redis.connect(), 5000);
  t.is(error.code, "NODE_DOWN");
  t.is(error.node, "gone");
  t.regex(error.message, /gone \(connect ECONNREFUSED/);
});

test("a node that was never there, with default options", async (t) => {
  const { redis } = await withRefusedNode(t);
  for (const { error } of await settle(t, everyKind(redis), 5000)) {
    checkFailure(t, error, ["NODE_DOWN"], false);
  }
});

test("a node that was never there, whose client connects with its first command", async (t) => {
  const { redis } = await withRefusedNode(t, { lazyConnect: true });
  const key = keyOn(redis, "gone");
  const error = await failure(t, redis.set(key, "value"), 5000);
  t.is(error.code, "NODE_DOWN");
  t.is(error.node, "gone");
  t.is(error.command, "set");
  t.deepEqual(error.keys, [key]);
  t.false(error.sent);
  t.regex(
    error.message,
    /^node gone cannot be reached \(connect ECONNREFUSED .*; set was not sent/,
  );
});

test("a black hole from the start: commands settle, and so does connect()", async (t) => {
  const { proxies, nodes } = await setUp(t, 2, { lazyConnect: true });
  at(proxies).blackhole();
  const redis = newClient(t, nodes, {
    commandTimeout: SHORT,
    redisOptions: { connectTimeout: SHORT },
  });
  const connecting = redis.connect();
  for (const { error } of await settle(t, everyKind(redis), SHORT)) {
    checkFailure(t, error, ["NODE_DOWN", "TIMEOUT"], false);
  }
  const error = await failure(t, connecting, SHORT);
  t.is(error.code, "NODE_DOWN");
  t.regex(error.message, /node1 \(not ready in 600 ms\)/);
});

test("a black hole from the start, with default options", async (t) => {
  const { proxies, nodes } = await setUp(t, 2, { lazyConnect: true });
  at(proxies).blackhole();
  const redis = newClient(t, nodes);
  const connecting = redis.connect();
  for (const { error } of await settle(t, everyKind(redis), 5000)) {
    checkFailure(t, error, ["NODE_DOWN", "TIMEOUT"], false);
  }
  t.is((await failure(t, connecting, 5000)).code, "NODE_DOWN");
});

test("a host that does not answer to SYN", async (t) => {
  const { node } = await withFullBacklog(t);
  const redis = newClient(t, [node.url], {
    commandTimeout: SHORT,
    redisOptions: { connectTimeout: 2 * SHORT },
  });
  const connecting = redis.connect();
  const { stream } = redis.node(node.name);
  const endings = await settle(
    t,
    keysOn(redis, node.name, 20).map((key) => redis.incr(key)),
    SHORT,
  );
  for (const { error } of endings) checkFailure(t, error, ["TIMEOUT"], false, node.name);
  t.true(stream === undefined || stream.connecting || stream.destroyed);
  t.regex((await failure(t, connecting, 2 * SHORT)).message, /connect ETIMEDOUT/);
});

test("a host that does not answer to SYN, with default options", async (t) => {
  const { node } = await withFullBacklog(t);
  const redis = newClient(t, [node.url]);
  const endings = await settle(t, [redis.get("key"), redis.incr("key")], 5000);
  for (const { error } of endings) {
    checkFailure(t, error, ["NODE_DOWN", "TIMEOUT"], false, node.name);
  }
});

test("a server that is killed with commands in flight", async (t) => {
  const { redis, servers } = await setUp(t, 1, { commandTimeout: SHORT });
  at(servers).pause();
  const keys = keysOn(redis, "node1", 50);
  const commands = keys.map((key) => redis.incr(key));
  const settled = settle(t, commands, SHORT);
  await at(servers).kill();
  for (const [index, { error }] of (await settled).entries()) {
    const { command, keys: its } = checkFailure(t, error, ["CONNECTION_LOST", "TIMEOUT"], true);
    t.is(command, "incr");
    t.deepEqual(its, [keys[index]]);
  }
});

test("a server that restarts again and again under commands", async (t) => {
  const { redis, servers } = await setUp(t, 2, { commandTimeout: SHORT });
  let isOver = false;
  const commands: Promise<unknown>[] = [];
  const hammer = async () => {
    while (!isOver) {
      const some = [redis.mget(keysOn(redis, "node1", 3)), redis.incr("a"), redis.incr("b")];
      commands.push(...some);
      await Promise.allSettled(some);
    }
  };
  const hammering = Promise.all([hammer(), hammer(), hammer()]);
  for (let round = 0; round < 4; round++) {
    if (round % 2 === 0) await at(servers).restart();
    else {
      await at(servers).stop();
      await at(servers).restart();
    }
    await until(() => redis.node("node1").status === "ready");
  }
  isOver = true;
  await hammering;
  const endings = await settle(t, commands, SHORT);
  t.true(endings.some(({ error }) => error === undefined));
  for (const { error } of endings) if (error !== undefined) checkFailure(t, error);
});

test("a wrong password", async (t) => {
  const { redis } = await withPassword(t, "wrong");
  const endings = await settle(
    t,
    [redis.get("a"), redis.set("a", "1"), redis.blpop("a", 0)],
    SHORT,
  );
  for (const { error } of endings) {
    const { cause } = checkFailure(t, error, ["NODE_DOWN", "TIMEOUT"], false, "node1");
    t.regex(String(cause), /WRONGPASS|timed out/);
  }
  t.regex((await failure(t, redis.connect(), 5000)).message, /node1 \(WRONGPASS /);
});

test("no password where one is needed", async (t) => {
  const { redis } = await withPassword(t, undefined);
  const [first] = await settle(t, [redis.get("a")], SHORT);
  const { message } = checkFailure(t, first?.error, ["NODE_DOWN"], false, "node1");
  t.regex(message, /NOAUTH/);
});

test("a database that the server does not have is never taken for database 0", async (t) => {
  const servers = await start(t, 1);
  const redis = newClient(t, [{ name: "node1", port: servers.node(0).port, db: 99 }], {
    commandTimeout: SHORT,
  });
  for (let round = 0; round < 3; round++) {
    const error = await failure(t, redis.set("key", "value"), SHORT);
    t.regex(error.code, /NODE_DOWN|TIMEOUT/);
    t.false(error.sent);
    if (error.code === "NODE_DOWN") t.regex(error.message, /DB index is out of range/);
  }
  const other = newClient(t, servers.urls);
  t.is(await other.get("key"), null);
});

test("a user who may not select a database never gets to database 0", async (t) => {
  const servers = await start(t, 1);
  const admin = newClient(t, servers.urls);
  await admin.node("node1").acl("SETUSER", "bob", "on", ">pw", "~*", "+@all", "-select");
  const redis = newClient(
    t,
    [{ name: "node1", port: servers.node(0).port, db: 1, username: "bob", password: "pw" }],
    { commandTimeout: SHORT, redisOptions: { enableReadyCheck: false } },
  );
  const endings = await settle(
    t,
    [redis.set("key", "value"), redis.incr("n"), redis.blpop("l", 0)],
    SHORT,
  );
  for (const { error } of endings) checkFailure(t, error, ["NODE_DOWN", "TIMEOUT"], false, "node1");
  t.is(await admin.node("node1").dbsize(), 0);
});

test("a retryStrategy that gives up: the node is down, the client is not closed", async (t) => {
  const { redis, servers } = await setUp(t, 1, { redisOptions: { retryStrategy: () => null } });
  await at(servers).kill();
  await until(() => redis.node("node1").status === "end");
  for (const command of [redis.get("a"), redis.blpop("a", 0), redis.mget("a", "b")]) {
    const error = await failure(t, command, 0);
    t.is(error.code, "NODE_DOWN");
    t.is(error.node, "node1");
    t.false(error.sent);
  }
  await at(servers).restart();
  await redis.connect();
  t.is(await redis.incr("a"), 1);
});

test("a retryStrategy that gives up at the first attempt", async (t) => {
  const { redis } = await withRefusedNode(t, { redisOptions: { retryStrategy: () => null } });
  const key = keyOn(redis, "gone");
  for (let round = 0; round < 2; round++) {
    const error = await failure(t, redis.get(key), 5000);
    t.is(error.code, "NODE_DOWN");
    t.regex(error.message, /gone cannot be reached \(connect ECONNREFUSED/);
  }
});

test("many commands that time out at once", async (t) => {
  const { redis, servers } = await setUp(t, 1, { commandTimeout: SHORT });
  at(servers).pause();
  const commands = Array.from({ length: 2000 }, (_, number) => redis.incr(`key:${number}`));
  for (const { error } of await settle(t, commands, SHORT)) {
    checkFailure(t, error, ["TIMEOUT", "CONNECTION_LOST"], true);
  }
});

test("a command that is too long to be sent fails alone", async (t) => {
  const { redis, nodes } = await setUp(t, 1);
  // 33 times 16 MB are longer than a string can be.
  const long = Array.from({ length: 33 }, () => "x".repeat(2 ** 24));
  const waiting = newClient(t, nodes);
  for (const client of [redis, waiting]) {
    const commands = [client.incr("key"), client.rpush("list", ...long), client.incr("key")];
    const [first, second, third] = await settle(t, commands, 5000);
    t.is(Number(third?.value), Number(first?.value) + 1);
    if (!(second?.error instanceof ShardisError)) throw second?.error;
    t.is(second.error.code, "BAD_ARGUMENT");
    t.false(second.error.sent);
    t.is(second.error.message, "rpush cannot be sent (Invalid string length)");
  }
});

test("a connection that has been given up takes no commands", async (t) => {
  const { redis, proxies } = await setUp(t, 1, {
    commandTimeout: SHORT,
    // Keeps ioredis saying "ready" for long after it has been told to reconnect.
    redisOptions: { disconnectTimeout: 60_000, connectTimeout: 60_000 },
  });
  at(proxies).blackhole();
  t.true((await failure(t, redis.incr("a"), SHORT)).sent);
  t.is(redis.node("node1").status, "ready");
  const error = await failure(t, redis.incr("a"), SHORT);
  t.is(error.code, "TIMEOUT");
  t.false(error.sent);
  t.regex(error.message, /no reply in 600 ms.*it was not sent/);
  at(proxies).cut();
});

test("a subscriber to ioredis' tracing changes nothing", async (t) => {
  let seen = 0;
  const count = () => seen++;
  const handlers = { start: count, end: count, asyncStart: count, asyncEnd: count, error: count };
  for (const name of ["ioredis:command", "ioredis:connect"]) {
    const tracing = tracingChannel<unknown, object>(name);
    tracing.subscribe(handlers);
    t.teardown(() => tracing.unsubscribe(handlers));
  }
  const { redis, servers, proxies } = await setUp(t, 2, { commandTimeout: 2000 });
  t.is(await redis.incr("a"), 1);
  at(proxies).cut();
  const endings = await settle(t, everyKind(redis), 2000);
  t.true(endings.length > 0);
  await at(servers).kill();
  for (const { error } of await settle(t, everyKind(redis), 2000)) {
    if (error !== undefined) checkFailure(t, error);
  }
  t.true(seen > 0);
});

// --- Helpers ------------------------------------------------------------------------------------

/** Commands of every kind, each of which needs the first node. */
function everyKind(redis: ShardedRedis): Promise<unknown>[] {
  const [first, second] = redis.placement.nodes;
  const mine = keysOn(redis, first ?? "", 10);
  const all = [...mine, ...(second === undefined ? [] : keysOn(redis, second, 10))];
  const key = at(mine);
  return [
    redis.get(key),
    redis.set(key, "value"),
    redis.getBuffer(key),
    redis.set(key, Buffer.alloc(100_000)),
    redis.mget(all),
    redis.mset(all.flatMap((key) => [key, "value"])),
    redis.del(all),
    redis.exists(mine),
    redis.blpop(keyOn(redis, first ?? "", "list"), 0.001),
    redis.each.dbsize(),
    redis.by(key).get("whatever"),
    new Promise((resolve, reject) => {
      redis.get(key, (error, value) => (error ? reject(error) : resolve(value)));
    }),
  ].map((promise: Promise<unknown>) => held(promise));
}

/** Asserts that an error says all it should of a node that failed; of a part if need be. */
function checkFailure(
  t: ExecutionContext,
  error: unknown,
  codes: readonly ErrorCode[] = ["NODE_DOWN", "TIMEOUT", "CONNECTION_LOST"],
  sent?: boolean,
  node?: string,
): ShardisError {
  if (!(error instanceof ShardisError)) throw new Error(`not ours: ${error}`, { cause: error });
  if ("failures" in error && error.failures instanceof Map) {
    t.is(error.failures.size, 1, error.message);
    for (const [name, { error: its, outcome }] of error.failures) {
      t.is(error.node, name);
      const { sent } = checkFailure(t, its, codes, undefined, node);
      t.is(outcome, sent ? "unknown" : "not applied");
    }
    return error;
  }
  t.true(codes.includes(error.code), `${error.code}: ${error.message}`);
  if (sent !== undefined) t.is(error.sent, sent, error.message);
  t.is(error.sent, error.code === "CONNECTION_LOST" ? true : error.sent);
  t.is(typeof error.sent, "boolean");
  t.is(typeof error.node, "string");
  if (node !== undefined) t.is(error.node, node);
  t.true(error.message.includes(error.node ?? "?"), error.message);
  t.is(typeof error.command, "string");
  t.true(error.message.includes(error.command ?? "?"), error.message);
  t.true(Array.isArray(error.keys));
  return error;
}

/** A client of a node at whose port nothing listens, and of one that is well. */
async function withRefusedNode(
  t: ExecutionContext,
  options: ConstructorParameters<typeof ShardedRedis>[1] = {},
) {
  const servers = await start(t, 2, { names: ["gone", "well"] });
  await servers.node("gone").kill();
  return { redis: newClient(t, servers.urls, options) };
}

async function withPassword(t: ExecutionContext, password: string | undefined) {
  const servers = await start(t, 1, { args: ["--requirepass", "right"] });
  const { name, port } = servers.node(0);
  const node = { name, port, ...(password === undefined ? {} : { password }) };
  return { redis: newClient(t, [node], { commandTimeout: SHORT }) };
}

/** A server that is paused, and for which the system takes no more connections. */
async function withFullBacklog(t: ExecutionContext) {
  const servers = await start(t, 1, { args: ["--tcp-backlog", "1"] });
  const node = servers.node(0);
  node.pause();
  const sockets: Socket[] = [];
  t.teardown(() => {
    for (const socket of sockets) socket.destroy();
  });
  for (let connected = true; connected; ) {
    const socket = connect(node.port, node.host);
    sockets.push(socket);
    connected = await Promise.race([
      once(socket, "connect").then(() => true),
      new Promise<boolean>((resolve) => setTimeout(resolve, SCHEDULING / 3, false)),
    ]);
  }
  return { node };
}
