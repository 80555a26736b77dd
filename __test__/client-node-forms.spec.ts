/** The forms in which a node can be given, each against a real server. */
import { inspect } from "node:util";
import test, { type ExecutionContext } from "ava";
import { Redis } from "ioredis";
import {
  type NodeInput,
  ShardedRedis,
  type ShardedRedisOptions,
  ShardisError,
} from "../src/index.ts";
import { startNodes } from "../src/testing/index.ts";
import { startSentinel, startTls } from "./helpers/servers.ts";

// --- Where --------------------------------------------------------------------------------------

test("a node is an object, a URL, host:port or a port", async (t) => {
  const servers = await started(t, 5);
  const ports = servers.nodes.map(({ port }) => port);
  const redis = client(t, [
    { name: "object", host: "127.0.0.1", port: ports[0] ?? 0 },
    `redis://127.0.0.1:${ports[1]}?name=url`,
    `127.0.0.1:${ports[2]}`,
    ports[3] ?? 0,
    String(ports[4]),
  ]);
  await redis.connect();
  t.deepEqual(redis.placement.nodes, [
    "object",
    "url",
    `127.0.0.1:${ports[2]}`,
    `localhost:${ports[3]}`,
    `localhost:${ports[4]}`,
  ]);
  for (const [index, node] of redis.nodes().entries()) {
    t.regex(await node.info("server"), new RegExp(`tcp_port:${ports[index]}\r`));
  }
  t.is(await redis.set("key", "value"), "OK");
});

test("nodes of shardis/testing are nodes as they are", async (t) => {
  const servers = await started(t, 2);
  for (const nodes of [servers.nodes, servers.urls]) {
    const redis = client(t, nodes);
    await redis.connect();
    t.deepEqual(redis.placement.nodes, ["node1", "node2"]);
  }
});

test("a URL carries name and weight, which are not ioredis' business", async (t) => {
  const servers = await started(t, 2);
  const [first, second] = servers.nodes;
  const redis = client(t, [
    `redis://127.0.0.1:${first?.port}?name=heavy%20one&weight=9&connectionName=mine`,
    `127.0.0.1:${second?.port}?name=light&weight=1`,
  ]);
  await redis.connect();
  t.deepEqual(redis.placement.nodes, ["heavy one", "light"]);
  const keys = Array.from({ length: 1000 }, (_, n) => `key:${n}`);
  const heavy = redis.groupByNode(keys).get("heavy one")?.length ?? 0;
  t.true(heavy > 850 && heavy < 950, `${heavy} of 1000 keys`);
  const key = redis.groupByNode(keys).get("heavy one")?.[0] ?? "";
  t.deepEqual(redis.nodeFor(key), {
    name: "heavy one",
    host: "127.0.0.1",
    port: first?.port,
    db: 0,
    weight: 9,
  });
  const options: object = redis.node("heavy one").options;
  t.false("weight" in options);
  t.is(await redis.node("heavy one").client("GETNAME"), "mine");
});

test("a node listens on a unix socket: as an object, a URL or a path", async (t) => {
  const servers = await startNodes(4, { unixSocket: true });
  t.teardown(() => servers.stop());
  const [a = "", b = "", c = "", d = ""] = servers.nodes.map(({ path }) => path);
  const redis = client(t, [
    { name: "object", path: a },
    `redis://${b}?name=url&db=2`,
    `${c}?name=path&weight=2`,
    `unix://${d}`,
  ]);
  await redis.connect();
  t.deepEqual(redis.placement.nodes, ["object", "url", "path", d]);
  await redis.each.set("key", "value");
  t.deepEqual(
    redis.nodes().map(({ options }) => ("path" in options ? options.path : undefined)),
    [a, b, c, d],
  );
  t.regex(await redis.node("url").info("keyspace"), /^db2:keys=1/m);
});

test("a node is a database, in a URL, an object, or for all nodes", async (t) => {
  const servers = await started(t, 4);
  const [a, b, c, d] = servers.nodes.map(({ port }) => port);
  const redis = client(
    t,
    [
      `redis://127.0.0.1:${a}/3?name=path`,
      `redis://127.0.0.1:${b}?name=query&db=4`,
      { name: "object", host: "127.0.0.1", port: c, db: 5 },
      { name: "all", host: "127.0.0.1", port: d },
    ],
    { redisOptions: { db: 6 } },
  );
  await redis.connect();
  await redis.each.set("key", "value");
  const spaces = await redis.each.info("keyspace");
  t.regex(spaces.path ?? "", /^db3:keys=1/m);
  t.regex(spaces.query ?? "", /^db4:keys=1/m);
  t.regex(spaces.object ?? "", /^db5:keys=1/m);
  t.regex(spaces.all ?? "", /^db6:keys=1/m);
  const dbs = new Set(Array.from({ length: 99 }, (_, n) => redis.nodeFor(`key:${n}`).db));
  t.deepEqual([...dbs].sort(), [3, 4, 5, 6]);
});

// --- Who ----------------------------------------------------------------------------------------

test("a password alone, in a URL, an object, or for all nodes", async (t) => {
  const password = "p@ss/w:rd %?";
  const servers = await startNodes(3, { args: ["--requirepass", password] });
  t.teardown(() => servers.stop());
  const [a, b, c] = servers.nodes.map(({ port }) => port);
  const redis = client(
    t,
    [
      `redis://:${encodeURIComponent(password)}@127.0.0.1:${a}?name=url`,
      { name: "object", host: "127.0.0.1", port: b, password },
      { name: "all", host: "127.0.0.1", port: c },
    ],
    { redisOptions: { password } },
  );
  await redis.connect();
  t.deepEqual(await redis.each.ping(), { url: "PONG", object: "PONG", all: "PONG" });
});

test("a user of an ACL, in a URL or an object, and on connections that block", async (t) => {
  const servers = await started(t, 2);
  for (const { port } of servers) {
    const admin = new Redis(port);
    await admin.acl("SETUSER", "ada", "on", ">secret", "~*", "+@all");
    await admin.acl("SETUSER", "default", "off");
    admin.disconnect();
  }
  const [a, b] = servers.nodes.map(({ port }) => port);
  const redis = client(t, [
    `redis://ada:secret@127.0.0.1:${a}?name=url`,
    { name: "object", host: "127.0.0.1", port: b, username: "ada", password: "secret" },
  ]);
  await redis.connect();
  t.deepEqual(await redis.each.acl("WHOAMI"), { url: "ada", object: "ada" });
  t.deepEqual(await redis.each.blpop("list", 0.01), { url: null, object: null });

  const wrong = client(t, [`redis://ada:guess@127.0.0.1:${a}?name=url`]);
  const error = await t.throwsAsync(wrong.connect(), { code: "NODE_DOWN" });
  t.regex(error.message, /WRONGPASS/);
  t.notRegex(error.message, /guess/);
});

test("a user who may do little can do that", async (t) => {
  const servers = await started(t, 1);
  const admin = new Redis(servers.node(0).port);
  await admin.acl("SETUSER", "reader", "on", ">secret", "~*", "+get", "+mget");
  admin.disconnect();
  const { port } = servers.node(0);
  const redis = client(t, [
    { name: "a", host: "127.0.0.1", port, username: "reader", password: "secret" },
  ]);
  await redis.connect();
  t.is(await redis.get("key"), null);
  await t.throwsAsync(redis.set("key", "value"), { message: /^NOPERM/ });
});

// --- How ----------------------------------------------------------------------------------------

test("options of ioredis are for all nodes or for one, and those of one win", async (t) => {
  const servers = await started(t, 2);
  const [a, b] = servers.nodes.map(({ port }) => port);
  const redis = client(
    t,
    [
      { name: "own", host: "127.0.0.1", port: a, redisOptions: { connectionName: "own", db: 1 } },
      { name: "common", host: "127.0.0.1", port: b },
    ],
    { redisOptions: { connectionName: "common", stringNumbers: true } },
  );
  await redis.connect();
  t.is(await redis.node("own").client("GETNAME"), "own");
  t.is(await redis.node("common").client("GETNAME"), "common");
  t.is(String(await redis.incr("counter")), "1");
  t.deepEqual(await redis.each.incr("n"), { own: "1", common: "1" } as never);
});

test("TLS, by rediss:// or the option tls", async (t) => {
  const server = await startTls(t);
  if (server instanceof Error) return t.pass(`skipped: no server with TLS (${server.message})`);
  const { port, ca } = server;
  for (const [node, redisOptions] of [
    [{ name: "a", host: "localhost", port, tls: { ca } }, {}],
    [{ name: "a", host: "localhost", port }, { tls: { ca } }],
    [`rediss://localhost:${port}?name=a`, { tls: { ca } }],
  ] as const) {
    const redis = client(t, [node], { redisOptions });
    await redis.connect();
    t.is(await redis.set("key", "value"), "OK");
    t.is(await redis.blpop("list", 0.01), null);
  }
  const distrustful = client(t, [`rediss://localhost:${port}?name=a`]);
  await t.throwsAsync(distrustful.connect(), { code: "NODE_DOWN", message: /self.signed/ });
});

test("a node behind sentinels goes by its own name, and keeps its keys over a failover", async (t) => {
  const servers = await started(t, 3);
  const [primary, replica, other] = servers.nodes;
  if (primary === undefined || replica === undefined || other === undefined) return t.fail();
  const follower = plain(t, replica.port);
  await follower.replicaof(primary.host, primary.port);
  const sentinel = await startSentinel(t, primary);
  const redis = client(t, [
    { name: "a", sentinels: [{ host: "127.0.0.1", port: sentinel }], sentinelName: "mymaster" },
    {
      sentinels: [{ host: "127.0.0.1", port: sentinel }],
      sentinelName: "mymaster",
      name: "z",
      db: 1,
    },
    { name: "b", host: other.host, port: other.port },
  ]);
  await redis.connect();
  const keys = Array.from({ length: 99 }, (_, n) => `key:${n}`);
  const before = redis.groupByNode(keys);
  const key = before.get("a")?.[0] ?? "";
  t.deepEqual(redis.nodeFor(key), { name: "a", db: 0 });
  await redis.set(key, "value");
  t.is(await plain(t, primary.port).get(key), "value");
  await eventually(async () => (await follower.get(key)) === "value");
  const watcher = plain(t, sentinel);
  await eventually(async () => /slaves=1/.test(await watcher.info("sentinel")));

  await primary.kill();
  await eventually(async () => (await redis.set(key, "after").catch(() => null)) === "OK");
  t.is(await follower.get(key), "after");
  t.deepEqual(redis.groupByNode(keys), before);
});

test("the name under which sentinels know a node is its name, if it has no other", (t) => {
  const redis = client(
    t,
    [{ sentinels: [{ host: "127.0.0.1", port: 1 }], sentinelName: "mymaster" }],
    { lazyConnect: true },
  );
  t.deepEqual(redis.placement.nodes, ["mymaster"]);
});

// --- What is refused ----------------------------------------------------------------------------

const BAD_NODES: readonly (readonly [node: unknown, reason: RegExp])[] = [
  [undefined, /not undefined/],
  [null, /not null/],
  [true, /not true/],
  [[], /not an array/],
  ["", /has a host/],
  ["redis://", /has a host/],
  ["redis:///", /has a host/],
  ["unix://run/redis.sock", /three slashes/],
  ["redis://user:secret@", /no valid URL|has a host/],
  ["http://user:secret@localhost", /not http:\/\//],
  ["redis+tls://user:secret@localhost", /not redis\+tls:\/\//],
  ["user:secret@localhost:port", /no valid URL/],
  ["redis://user:secret@localhost:99999", /no valid URL/],
  ["redis://user:secret@localhost:0", /"0" is no port/],
  ["redis://user:sec%ret@localhost", /%25/],
  ["redis://:secret@localhost/first", /"first" is no db/],
  ["redis://:secret@localhost?db=-1", /"-1" is no db/],
  ["redis://:secret@localhost?keyPrefix=a", /same for all nodes/],
  ["localhost:6379/0/1", /"0\/1" is no db/],
  [0, /0 is no port/],
  [1.5, /1.5 is no port/],
  [65536, /65536 is no port/],
  [Number.NaN, /NaN is no port/],
  [{ port: "secret?" }, /is no port/],
  [{ host: 1 }, /strings/],
  [{ host: "" }, /not empty/],
  [{ path: "" }, /not empty/],
  [{ name: "" }, /not empty/],
  [{ name: 1 }, /string/],
  [{ db: -1 }, /-1 is no db/],
  [{ db: 0.5 }, /0.5 is no db/],
  [{ weight: "2" }, /weight of a node is a number/],
  [{ password: "secret", usrname: "ada" }, /no node option "usrname".*redisOptions: \{ usrname/],
  [{ password: "secret", replicas: [] }, /no node option "replicas"/],
  [{ redisOptions: null }, /redisOptions of a node are an object/],
  [{ redisOptions: { keyPrefix: "a", password: "secret" } }, /same for all nodes/],
  [{ sentinels: [{ host: "localhost", port: 1 }], password: "secret" }, /both/],
  [{ sentinelName: "mymaster" }, /both/],
  [{ sentinels: [], sentinelName: "mymaster" }, /at least one/],
  [{ sentinels: "localhost:1", sentinelName: "mymaster" }, /at least one/],
];

test("a form that is none is refused in a sentence, without the password in it", async (t) => {
  const witness = await started(t, 1);
  const connections = await connectionsOf(t, witness.node(0).port);
  for (const [node, reason] of BAD_NODES) {
    // The good node comes first, and would be connected if anything were.
    const error = refused(t, [witness.node(0), node as NodeInput]);
    t.is(error.code, "BAD_OPTION", inspect(node));
    t.regex(error.message, reason);
    t.notRegex(
      inspect(error, { depth: 9, showHidden: true }),
      /secret(?!\?)|sec%ret/,
      inspect(node),
    );
  }
  t.is(await connectionsOf(t, witness.node(0).port), connections + 1, "only the one that asks");
});

test("nodes that are no list, or none, are refused", (t) => {
  for (const nodes of [[], undefined, null, "localhost:6379", {}, 6379]) {
    t.is(refused(t, nodes as never).message, "the nodes are an array of at least one node");
  }
});

test("two nodes of one name are refused, and so is a weight that is none", (t) => {
  t.is(refused(t, ["localhost:1", "localhost:1"]).code, "BAD_PLACEMENT");
  t.is(refused(t, ["localhost:1?name=a", { name: "a", port: 2 }]).code, "BAD_PLACEMENT");
  for (const weight of [0, -1, "", "heavy", Number.NaN]) {
    t.is(refused(t, [`localhost:1?weight=${weight}`]).code, "BAD_PLACEMENT");
  }
});

const BAD_OPTIONS: readonly (readonly [options: unknown, reason: RegExp])[] = [
  [null, /options are an object/],
  ["slots", /options are an object/],
  [[], /options are an object/],
  [{ password: "secret" }, /no option "password".*redisOptions: \{ password/],
  [{ keyprefix: "a" }, /no option "keyprefix" \(there are .*keyPrefix/],
  [{ keyPrefix: 1 }, /keyPrefix is a string/],
  [{ commandTimeout: 0 }, /commandTimeout is a number from 1/],
  [{ commandTimeout: "5000" }, /commandTimeout is a number/],
  [{ commandTimeout: Number.POSITIVE_INFINITY }, /commandTimeout is a number/],
  [{ redisOptions: { commandTimeout: -5 } }, /commandTimeout is a number/],
  [{ maxQueuedCommands: -1 }, /maxQueuedCommands is a number from 0/],
  [{ lazyConnect: "yes" }, /lazyConnect is true or false/],
  [{ redisOptions: null }, /redisOptions are an object/],
  [{ redisOptions: "db=1" }, /redisOptions are an object/],
  [{ placement: null }, /placement is/],
  [{ placement: "slots" }, /placement is/],
];

test("options that are none are refused in a sentence", (t) => {
  for (const [options, reason] of BAD_OPTIONS) {
    const error = refused(t, ["localhost:1"], options as ShardedRedisOptions);
    t.is(error.code, "BAD_OPTION", inspect(options));
    t.regex(error.message, reason);
    t.notRegex(inspect(error), /secret/);
  }
  for (const placement of [{ scheme: "sluts" }, { scheme: "slots", hash: "md5" }]) {
    const error = refused(t, ["localhost:1"], { placement: placement as never });
    t.is(error.code, "BAD_PLACEMENT");
  }
});

// --- Helpers ------------------------------------------------------------------------------------

async function started(t: ExecutionContext, count: number) {
  const servers = await startNodes(count);
  t.teardown(() => servers.stop());
  return servers;
}

function client(
  t: ExecutionContext,
  nodes: readonly NodeInput[],
  options: ShardedRedisOptions = {},
): ShardedRedis {
  const redis = new ShardedRedis(nodes, options);
  t.teardown(() => redis.disconnect());
  return redis;
}

function plain(t: ExecutionContext, port: number): Redis {
  const redis = new Redis(port);
  redis.on("error", () => {});
  t.teardown(() => redis.disconnect());
  return redis;
}

/** The error with which the constructor refuses. */
function refused(
  t: ExecutionContext,
  nodes: readonly NodeInput[],
  options?: ShardedRedisOptions,
): ShardisError {
  const error = t.throws(() => new ShardedRedis(nodes, options), { instanceOf: ShardisError });
  return error;
}

/** How many connections a server has accepted, this one included. */
async function connectionsOf(t: ExecutionContext, port: number): Promise<number> {
  const info = await plain(t, port).info("stats");
  return Number(/total_connections_received:(\d+)/.exec(info)?.[1]);
}

/** Waits until something holds, for at most 20 seconds. */
async function eventually(holds: () => Promise<boolean>): Promise<void> {
  const end = performance.now() + 20_000;
  while (!(await holds())) {
    if (performance.now() > end) throw new Error("it did not happen within 20 seconds");
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
