/** Waiting over several nodes while nodes, connections and clients fail: it ends, and takes nothing. */
import test from "ava";
import { type ShardedRedis, ShardisError } from "../src/index.ts";
import {
  noneIsBlocked,
  openTrio,
  untilAsked,
  untilQuiet,
  untilWaiting,
} from "./helpers/blocking.ts";
import { at, failure, held, newClient, settle, until, watchRejections } from "./helpers/setup.ts";

watchRejections(test);

const SHORT = 1000;

/** In milliseconds: how soon a silent node is noticed, plus commandTimeout. */
const SILENCE = 5000 + SHORT;

/** One command of each kind that waits; `ask` is what it asks each node. */
const WAITS: readonly [
  wait: (redis: ShardedRedis, keys: readonly [string, string, string]) => Promise<unknown>,
  ask: string,
][] = [
  [(redis, keys) => redis.blpop(...keys, 0), "blpop"],
  [(redis, keys) => redis.bzmpop(100, 3, ...keys, "MIN"), "bzmpop"],
  [(redis, keys) => redis.xread("BLOCK", 0, "STREAMS", ...keys, "0", "0", "0"), "xread"],
  [(redis, [a, , c]) => redis.blmove(c, a, "LEFT", "LEFT", 0), "blmove"],
];

for (const [wait, ask] of WAITS) {
  test(`${ask}: a node that is killed ends the wait, and is named`, async (t) => {
    const { redis, servers, a, b, c } = await openTrio(t, { commandTimeout: SHORT });
    const waiting = held(wait(redis, [a, b, c]));
    await untilWaiting(redis, "node3", ask);
    await at(servers, 2).kill();
    const error = await failure(t, waiting, 3000);
    t.is(error.node, "node3");
    t.is(error.code, "NODE_DOWN");
    t.false(error.sent);
    t.true((error.keys ?? []).includes(c));
    t.regex(error.message, /node3 cannot be reached/);
    for (const node of ["node1", "node2"]) {
      t.regex(await redis.node(node).info("clients"), /^blocked_clients:0\r$/m);
    }
  });

  test(`${ask}: connections that break end no wait`, async (t) => {
    const { redis, direct, proxies, a, b, c } = await openTrio(t, { commandTimeout: SHORT });
    let isOver = false;
    const waiting = wait(redis, [a, b, c]).finally(() => {
      isOver = true;
    });
    await untilWaiting(direct, "node3", ask);
    const faults = [
      // What tells of changes, while the node's own connection stays.
      () => direct.node("node3").call("client", "kill", "type", "pubsub"),
      () => proxies.map((proxy) => proxy.cut()),
      () => proxies.map((proxy) => proxy.reset()),
    ];
    for (const fault of faults) {
      await direct.each.config("RESETSTAT");
      await fault();
      await untilAsked(direct, "node3", { exists: 1, [ask]: 1 });
      await until(() => redis.nodes().every(({ status }) => status === "ready"));
      // Each node may be asked anew as the connections to others turn out to be broken too.
      await untilQuiet(direct, "node3", ask);
    }
    t.false(isOver);
    if (ask === "xread") await direct.xadd(c, "1-1", "f", "v");
    else if (ask === "bzmpop") await direct.zadd(c, 1, "m");
    else await direct.rpush(c, "x");
    t.truthy(await waiting);
  });
}

test("a node that is down is an error as soon as it is asked, whatever comes later", async (t) => {
  const { redis, servers, a, b, c } = await openTrio(t, { commandTimeout: SHORT });
  await at(servers, 1).kill();
  const error = await failure(t, redis.blpop(a, b, c, 0), 3000);
  t.like(error, { node: "node2", command: "blpop", keys: [a, b, c] });
  await redis.rpush(c, "x");
  await failure(t, redis.blpop(a, b, c, 0), 3000);
  t.is(await redis.llen(c), 1);
  t.deepEqual(await redis.blpop(a, c, b, 0), [c, "x"], "what comes before it is not held up");
});

test("a node that falls silent is noticed when the time is up, and sooner in a long wait", async (t) => {
  const { redis, servers, a, b, c } = await openTrio(t, { commandTimeout: SHORT });
  const waits = [redis.blpop(a, b, c, 3), redis.blpop(a, b, c, 0)].map(held);
  await untilWaiting(redis, "node3", "blpop", 2);
  at(servers, 1).pause();
  for (const [index, bound] of [3000 + SHORT, SILENCE].entries()) {
    const error = await failure(t, at(waits, index), bound);
    t.like(error, { code: "TIMEOUT", node: "node2", command: "blpop", sent: false });
    t.regex(error.message, /has taken nothing/);
  }
  at(servers, 1).resume();
  await redis.rpush(b, "1", "2");
  t.deepEqual(await redis.lrange(b, 0, -1), ["1", "2"], "nobody is left who would take it");
});

for (const how of ["disconnect", "quit"] as const) {
  test(`${how}() ends what waits, and leaves nothing waiting on the servers`, async (t) => {
    const { redis, direct: other, a, b, c } = await openTrio(t, { commandTimeout: SHORT });
    const waits = WAITS.map(([wait]) => held(wait(redis, [a, b, c])));
    for (const [, ask] of WAITS) await untilWaiting(other, "node3", ask);
    t.is(await clientsOf(other), 12, "three connections to each node, and one of the other client");
    const endings = settle(t, waits, SHORT);
    await redis[how]();
    for (const { error } of await endings) {
      if (!(error instanceof ShardisError)) throw error;
      t.is(error.code, "CLOSED");
      t.false(error.sent);
    }
    await noneIsBlocked(t, other);
    await until(async () => (await clientsOf(other)) === 3, "only the other client is connected");
    t.is((await failure(t, redis.blpop(a, b, 0), SHORT)).code, "CLOSED");
    t.is(await clientsOf(other), 3);
    await other.rpush(b, "x");
    t.is(await other.llen(b), 1);
  });
}

test("a client that is closed while it begins to wait", async (t) => {
  const { redis: first, direct: other, nodes, a, b, c } = await openTrio(t);
  first.disconnect();
  for (let round = 0; round < 20; round++) {
    const redis = newClient(t, nodes, { commandTimeout: SHORT });
    if (round % 2 === 0) await redis.connect();
    const waits = WAITS.map(([wait]) => held(wait(redis, [a, b, c])));
    for (let turn = 0; turn < 4 * round; turn++) await new Promise(setImmediate);
    redis.disconnect();
    for (const { error } of await settle(t, waits, SHORT)) t.true(error instanceof ShardisError);
  }
  await until(async () => (await clientsOf(other)) === 3, "only the other client is connected");
});

test("connections for waiting are made once, and used again", async (t) => {
  const { redis, proxies, a, b, c } = await openTrio(t);
  for (let round = 0; round < 30; round++) {
    t.is(await redis.blpop(a, b, c, 0.02), null);
    t.is(await redis.xread("BLOCK", 20, "STREAMS", a, b, "$", "$"), null);
  }
  for (const proxy of proxies) {
    t.is(proxy.open, 3);
    t.is(proxy.connections, 3);
  }
  redis.disconnect();
  await until(() => proxies.every(({ open }) => open === 0));
});

test("a pop whose reply is lost says that it may have run", async (t) => {
  const { redis, proxies, a, b, c } = await openTrio(t, { commandTimeout: SHORT });
  await redis.rpush(b, "1", "2");
  const cut = at(proxies, 1).cutReplies();
  const error = await failure(t, redis.blpop(a, b, c, 0), SHORT);
  await cut;
  t.like(error, { code: "CONNECTION_LOST", node: "node2", command: "blpop", sent: true });
  await until(() => redis.node("node2").status === "ready");
  t.deepEqual(await redis.lrange(b, 0, -1), ["2"]);
});

// --- Helpers ------------------------------------------------------------------------------------

/** How many connections clients have to all nodes. */
async function clientsOf(redis: ShardedRedis): Promise<number> {
  const infos = Object.values(await redis.each.info("clients"));
  return infos.reduce((sum, info) => sum + Number(/^connected_clients:(\d+)/m.exec(info)?.[1]), 0);
}
