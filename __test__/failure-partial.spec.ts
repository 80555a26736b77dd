/** What a command got from the healthy nodes is in the error; a dead node is no missing key. */
import test, { type ExecutionContext } from "ava";
import { PartialFailureError, ShardisError } from "../src/index.ts";
import {
  at,
  eventually,
  failure,
  keysOn,
  newClient,
  partialFailure,
  type Rig,
  settle,
  setUp,
  start,
  until,
  watchRejections,
} from "./helpers/setup.ts";

watchRejections(test);

const SHORT = 1000;

/**
 * The first command whose time is up gives the connection up, and with it those behind it, whose
 * own time may not be up for a millisecond yet.
 */
const SILENT =
  /^(node node2 did not answer in time: \w+ is given up|the connection to node node2 broke \(no reply in .*); it may have run$/;

interface Fault {
  /** Makes node2 of three fail. */
  readonly strike: (rig: Rig) => unknown;
  /** What its part of a command fails with. */
  readonly error: RegExp;
  readonly outcome: "not applied" | "unknown";
  /** Whether reads fail too. */
  readonly reads: boolean;
}

const FAULTS: Record<string, Fault> = {
  down: {
    strike: async ({ redis, servers }) => {
      await at(servers, 1).kill();
      await until(() => redis.node("node2").status === "reconnecting");
    },
    error: /^node node2 (cannot|could not) be reached.*not sent$/,
    outcome: "not applied",
    reads: true,
  },
  stalled: {
    strike: ({ servers }) => at(servers, 1).pause(),
    error: SILENT,
    outcome: "unknown",
    reads: true,
  },
  "a black hole": {
    strike: ({ proxies }) => at(proxies, 1).blackhole(),
    error: SILENT,
    outcome: "unknown",
    reads: true,
  },
  "out of memory": {
    strike: ({ redis }) => redis.node("node2").config("SET", "maxmemory", "1"),
    error: /^OOM command not allowed/,
    outcome: "not applied",
    reads: false,
  },
  forbidden: {
    strike: ({ redis }) =>
      redis.node("node2").acl("SETUSER", "default", "-mset", "-mget", "-del", "-exists"),
    error: /^NOPERM /,
    outcome: "not applied",
    reads: true,
  },
  "a replica": {
    strike: ({ redis }) => redis.node("node2").replicaof("127.0.0.1", "1"),
    error: /^READONLY /,
    outcome: "not applied",
    reads: false,
  },
  "a replica that serves nothing": {
    strike: async ({ redis }) => {
      await redis.node("node2").config("SET", "replica-serve-stale-data", "no");
      await redis.node("node2").replicaof("127.0.0.1", "1");
    },
    error: /^(MASTERDOWN|READONLY) /,
    outcome: "not applied",
    reads: true,
  },
  "unable to persist": {
    strike: async ({ redis }) => {
      const node = redis.node("node2");
      await node.config("SET", "dir", "/proc");
      await node.config("SET", "save", "1000 1");
      await node.bgsave();
      await until(async () =>
        (await node.info("persistence")).includes("rdb_last_bgsave_status:err"),
      );
    },
    error: /^MISCONF /,
    outcome: "not applied",
    reads: false,
  },
};

for (const [name, { strike, error, outcome, reads }] of Object.entries(FAULTS)) {
  test(`mset, mget, del and exists with one node ${name}`, async (t) => {
    const args = ["--enable-debug-command", "yes", "--enable-protected-configs", "yes"];
    const rig = await setUp(t, 3, { commandTimeout: SHORT }, { args });
    const { redis } = rig;
    const { keys, values, pairs, mine } = await fill(rig);
    await strike(rig);

    const check = (error_: PartialFailureError, command: string, others: readonly string[]) => {
      t.is(error_.code, "PARTIAL_FAILURE");
      t.true(error_ instanceof PartialFailureError);
      t.is(error_.command, command);
      t.is(error_.node, "node2");
      t.deepEqual([...error_.failures.keys()], ["node2"]);
      const its = error_.failures.get("node2");
      t.regex(its?.error.message ?? "", error);
      t.is(its?.outcome, outcome);
      t.deepEqual(its?.keys, mine);
      t.deepEqual(error_.keys, mine);
      t.deepEqual([...error_.applied].sort(), [...others].sort());
      t.true(error_.message.includes(its?.error.message ?? "?"));
      t.true(error_.message.startsWith(`${command} failed on 1 of its nodes: node2 (4 keys, `));
      t.is(error_.cause, its?.error);
    };
    const others = keys.filter((key) => !mine.includes(key));

    if (reads) {
      const mget = await partialFailure(t, redis.mget(keys), SHORT);
      check(mget, "mget", others);
      t.deepEqual(
        mget.results,
        keys.map((key, index) => (mine.includes(key) ? undefined : values[index])),
      );
      await again(rig, strike, outcome);
      // A missing key of a healthy node is null even then.
      const missing = others.map((key) => `${key}:none`);
      const some = await partialFailure(t, redis.mget([...mine, ...missing]), SHORT);
      for (const [index, value] of Object.entries<unknown>(Object(some.results))) {
        const key = [...mine, ...missing][Number(index)] ?? "";
        t.is(value, redis.nodeFor(key).name === "node2" ? undefined : null);
      }
      await again(rig, strike, outcome);
      const exists = await partialFailure(t, redis.exists(keys), SHORT);
      check(exists, "exists", others);
      t.is(exists.results, others.length);
      await again(rig, strike, outcome);
    } else {
      t.deepEqual(await redis.mget(keys), values);
      t.is(await redis.exists(keys), keys.length);
    }

    const mset = await partialFailure(t, redis.mset(pairs("new")), SHORT);
    check(mset, "mset", others);
    t.is(mset.results, "OK");
    t.deepEqual(
      await redis.mget(others),
      others.map((key) => `new ${key}`),
    );
    await again(rig, strike, outcome);

    // A server that is out of memory still deletes.
    if (name === "out of memory") {
      t.is(await redis.del(keys), keys.length);
      return;
    }
    const del = await partialFailure(t, redis.del(keys), SHORT);
    check(del, "del", others);
    t.is(del.results, others.length);
    t.is(await redis.exists(others), 0);
  });
}

test("all nodes down: every one of them is in the error", async (t) => {
  const rig = await setUp(t, 3, { commandTimeout: SHORT });
  const { keys } = await fill(rig);
  await Promise.all(rig.servers.map((server) => server.kill()));
  const error = await partialFailure(t, rig.redis.mget(keys), SHORT);
  t.deepEqual([...error.failures.keys()].sort(), ["node1", "node2", "node3"]);
  t.deepEqual(
    error.results,
    keys.map(() => undefined),
  );
  t.deepEqual(error.applied, []);
  t.is([...error.failures.values()].flatMap((its) => its.keys).length, keys.length);
});

test("a multi-key command all of whose keys lie on one node throws that node's error", async (t) => {
  const { redis, servers } = await setUp(t, 2, { commandTimeout: SHORT });
  const keys = keysOn(redis, "node1", 3);
  await at(servers).kill();
  await until(() => redis.node("node1").status === "reconnecting");
  const mget = await failure(t, redis.mget(keys), SHORT);
  t.regex(mget.code, /NODE_DOWN|TIMEOUT/);
  t.false(mget instanceof PartialFailureError);
  t.is(mget.node, "node1");
  t.deepEqual(mget.keys, keys);
});

test("redis.each: what the healthy nodes answered is in the error by node", async (t) => {
  const rig = await setUp(t, 3, { commandTimeout: SHORT });
  await fill(rig);
  at(rig.servers, 1).pause();
  const error = await partialFailure(t, rig.redis.each.dbsize(), SHORT);
  t.deepEqual(error.results, { node1: 4, node3: 4 });
  t.deepEqual([...error.failures.keys()], ["node2"]);
  t.is(error.failures.get("node2")?.outcome, "unknown");
});

test("errors of the server pass through as they are", async (t) => {
  const { redis } = await setUp(t, 2);
  await redis.set("text", "value");
  const pushed = await serverError(t, redis.lpush("text", "element"));
  t.is(pushed.message, "WRONGTYPE Operation against a key holding the wrong kind of value");
  t.deepEqual(pushed.command, { name: "lpush", args: ["text", "element"] });
  const counted = await serverError(t, redis.incr("text"));
  t.is(counted.message, "ERR value is not an integer or out of range");
  const popped = await serverError(t, redis.blpop("text", 1));
  t.regex(popped.message, /^WRONGTYPE /);
  const read = await serverError(t, redis.by("text").call("no-such-command"));
  t.regex(read.message, /^ERR unknown command/);
  await redis.node(redis.nodeFor("text").name).config("SET", "maxmemory", "1");
  t.regex((await serverError(t, redis.set("text", "x"))).message, /^OOM /);
});

test("errors of the server pass through while others wait behind them", async (t) => {
  const { redis } = await setUp(t, 1);
  await redis.set("text", "value");
  const commands = [redis.get("text"), redis.lpush("text", "1"), redis.get("text")];
  const [first, second, third] = await settle(t, commands, 5000);
  t.is(first?.value, "value");
  t.regex(String(second?.error), /^ReplyError: WRONGTYPE/);
  t.is(third?.value, "value");
});

test("mget of keys that hold something else gives null for them, as Redis does", async (t) => {
  const rig = await setUp(t, 3);
  const { keys, values } = await fill(rig);
  const key = at(keys);
  await rig.redis.del(key);
  await rig.redis.lpush(key, "element");
  t.deepEqual(await rig.redis.mget(keys), [null, ...values.slice(1)]);
});

test("a server that loads its data is waited for, and then named", async (t) => {
  const servers = await start(t, 2, {
    args: [
      ...["--enable-debug-command", "yes", "--key-load-delay", "500"],
      // Otherwise it answers only after every 2 MB.
      ...["--loading-process-events-interval-bytes", "1024"],
    ],
  });
  const filler = newClient(t, servers.urls);
  const [mine, other] = [keysOn(filler, "node1", 3000), keysOn(filler, "node2", 2)];
  await filler.mset([...mine, ...other].flatMap((key) => [key, "value"]));
  // Loading 3000 keys with 500 µs each takes 1.5 s, in which the server answers -LOADING.
  const reload = filler
    .node("node1")
    .call("debug", "reload")
    .catch(() => {});
  const admin = newClient(t, servers.urls, { redisOptions: { enableReadyCheck: false } });
  await until(async () => {
    const reply = await admin.node("node1").ping().catch(String);
    return String(reply).includes("LOADING");
  }, "LOADING");
  const through = await serverError(t, admin.get(at(mine)));
  t.regex(through.message, /^LOADING /);
  const partial = await partialFailure(t, admin.mget([at(mine), at(other)]), 5000);
  t.deepEqual(partial.results, [undefined, "value"]);
  t.is(partial.failures.get("node1")?.outcome, "not applied");
  const careful = newClient(t, servers.urls, { commandTimeout: 200 });
  const error = await failure(t, careful.get(at(mine)), 200);
  t.is(error.node, "node1");
  t.false(error.sent);
  await reload;
  t.is(await eventually(() => careful.get(at(mine))), "value");
});

test("a part that cannot be sent leaves no rejection of another part to nobody", async (t) => {
  const { redis, servers } = await setUp(t, 2, { commandTimeout: SHORT });
  const [first, second] = [at(keysOn(redis, "node1", 1)), at(keysOn(redis, "node2", 1))];
  at(servers).pause();
  const unsendable = Object(Symbol("value")).valueOf();
  const error = await failure(t, redis.mset(first, "1", second, unsendable), SHORT);
  t.regex(error.message, /mset has an argument that cannot be sent/);
});

// --- Helpers ------------------------------------------------------------------------------------

/** Sets 4 keys on each of 3 nodes, and gives them in an order that mixes the nodes. */
async function fill({ redis }: Rig) {
  const byNode = ["node1", "node2", "node3"].map((node) => keysOn(redis, node, 4));
  const keys = [0, 1, 2, 3].flatMap((index) => byNode.map((its) => at(its, index)));
  const pairs = (word: string) => keys.flatMap((key) => [key, `${word} ${key}`]);
  await redis.mset(pairs("old"));
  const values = keys.map((key) => `old ${key}`);
  return { keys, values, pairs, mine: at(byNode, 1) };
}

/** Makes a node that has been given up silent on its next connection too. */
async function again(rig: Rig, strike: Fault["strike"], outcome: Fault["outcome"]): Promise<void> {
  if (outcome !== "unknown") return;
  at(rig.servers, 1).resume();
  await at(rig.proxies, 1).heal();
  at(rig.proxies, 1).cut();
  await until(() => rig.redis.node("node2").status !== "ready");
  await until(() => rig.redis.node("node2").status === "ready");
  await strike(rig);
}

/** An error that came from the server, with ioredis' properties. */
async function serverError(t: ExecutionContext, promise: Promise<unknown>) {
  const { error } = at(await settle(t, [promise], 5000));
  if (!(error instanceof Error) || !("command" in error)) throw error;
  t.is(error.name, "ReplyError");
  t.false(error instanceof ShardisError);
  return error;
}
