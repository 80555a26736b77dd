/**
 * What becomes of commands that share a batch when their connection fails: who
 * was answered keeps the answer, who was not is told so, and nobody gets another's.
 */
import { setImmediate as turn } from "node:timers/promises";
import test, { type ExecutionContext } from "ava";
import type { Redis } from "ioredis";
import { type ShardedRedis, ShardisError } from "../src/index.ts";
import {
  type Ask,
  adminOf,
  all,
  COUNTS,
  calm,
  checkLoss,
  mixed,
  type Outcome,
  READS,
  textOf,
  WRITES,
} from "./helpers/lane.ts";
import type { FaultProxy } from "./helpers/proxy.ts";
import {
  at,
  keysOn,
  newClient,
  type Rig,
  settle,
  setUp,
  until,
  watchRejections,
} from "./helpers/setup.ts";

watchRejections(test);

const SHORT = 1000;

/** Where nothing is to time out, however busy the machine. */
const LONG = 20_000;

const NODES = ["node1", "node2", "node3"];

/** Nobody waits for the next attempt to connect. */
const redisOptions = { retryStrategy: () => 5 };

interface Arena extends Rig {
  /** ioredis' own client of node2's server. */
  readonly admin: Redis;
}

interface Fault {
  /**
   * Called before commands are sent, of which it has those to node2 fail.
   *
   * @returns resolves when that has happened
   */
  readonly strike: (arena: Arena) => Promise<unknown>;
  /** Makes node2 well again. */
  readonly mend?: (rig: Rig) => unknown;
  /** What the error says. */
  readonly message: RegExp;
  /** Whether the commands have run on node2; some may have, if left out. */
  readonly hasRun?: boolean;
}

const BROKEN = /^the connection to node node2 broke \(the connection was closed\) before the reply/;
const SILENT =
  /^(node node2 did not answer in time: \w+ is given up|the connection to node node2 broke \(no reply in .*\) before)/;

const TOO_LATE = { node: "node1", code: /^TIMEOUT$/, message: /did not answer in time/ };

const FAULTS: Readonly<Record<string, Fault>> = {
  "cut before the request arrives": {
    strike: ({ proxies }) => loseRequest(at(proxies, 1), (proxy) => proxy.cut()),
    message: BROKEN,
    hasRun: false,
  },
  "reset before the request arrives": {
    strike: ({ proxies }) => loseRequest(at(proxies, 1), (proxy) => proxy.reset()),
    message: /^the connection to node node2 broke \(read ECONNRESET\) before the reply/,
    hasRun: false,
  },
  "cut between request and reply": {
    strike: ({ proxies }) => at(proxies, 1).cutReplies(),
    message: BROKEN,
    hasRun: true,
  },
  "cut within a reply": {
    strike: ({ proxies }) => at(proxies, 1).truncateReplyAfter(3),
    message: BROKEN,
    hasRun: true,
  },
  "stalled within a reply": {
    strike: ({ proxies }) => at(proxies, 1).forgeReplyAfter(3, ""),
    mend: ({ proxies }) => at(proxies, 1).cut(),
    message: SILENT,
    hasRun: true,
  },
  "ended by CLIENT KILL": {
    strike: async ({ proxies, admin }) => {
      at(proxies, 1).delay = 10;
      await requestTo(at(proxies, 1));
      await admin.call("client", "KILL", "TYPE", "normal", "SKIPME", "yes");
    },
    mend: ({ proxies }) => at(proxies, 1).heal(),
    message: BROKEN,
  },
  "closed by its user, who reconnects": {
    strike: async ({ redis, proxies }) => {
      at(proxies, 1).delay = 10;
      await requestTo(at(proxies, 1));
      redis.node("node2").disconnect(true);
    },
    mend: ({ proxies }) => at(proxies, 1).heal(),
    message: BROKEN,
  },
  "paused with its server": {
    strike: async ({ servers }) => at(servers, 1).pause(),
    mend: ({ servers }) => at(servers, 1).resume(),
    message: SILENT,
  },
  "killed with its server, which comes again": {
    strike: async ({ servers, proxies }) => {
      const arrived = requestTo(at(proxies, 1));
      at(servers, 1).pause();
      await arrived;
      await at(servers, 1).kill();
    },
    mend: ({ servers }) => at(servers, 1).restart(),
    message: BROKEN,
    hasRun: false,
  },
};

for (const [name, fault] of Object.entries(FAULTS)) {
  test(`a connection that is ${name}`, async (t) => {
    const commandTimeout = fault.message === SILENT ? SHORT : LONG;
    const rig = await setUp(t, 3, { commandTimeout, redisOptions });
    const arena = { ...rig, admin: adminOf(t, at(rig.servers, 1)) };
    const { redis } = rig;

    /** Strikes while many keys are asked for, and checks what became of them. */
    const ask = async (label: string, way: Ask, wanted: (key: string) => unknown) => {
      const keys = mixed(NODES.map((node) => keysOn(redis, node, 12, label)));
      if (READS[label] !== undefined) await redis.mset(keys.flatMap((key) => [key, textOf(key)]));
      const struck = fault.strike(arena);
      const outcomes = await settled(t, way(redis, keys), 2 * commandTimeout);
      await struck;
      await fault.mend?.(rig);
      await calm(redis, "node2");
      t.is(outcomes.length, keys.length);
      const lost = new Set<string>();
      for (const [index, { value, error }] of outcomes.entries()) {
        const key = at(keys, index);
        if (error === undefined) {
          t.is(value, wanted(key), `${label} of ${key}`);
          continue;
        }
        lost.add(key);
        t.is(redis.nodeFor(key).name, "node2", `${label} of ${key}: ${error}`);
        checkLoss(t, error, { node: "node2", message: fault.message });
      }
      t.true(lost.size > 0, `${label}: everything was answered`);
      return { keys, lost };
    };

    for (const [label, way] of Object.entries(READS)) await ask(label, way, textOf);
    for (const [label, way] of Object.entries(COUNTS)) {
      const { keys, lost } = await ask(label, way, () => 1);
      for (const key of keys) {
        const count = await redis.get(key);
        if (!lost.has(key)) t.is(count, "1");
        else if (fault.hasRun === undefined) t.true(count === null || count === "1", `${count}`);
        else t.is(count, fault.hasRun ? "1" : null, `${label} of ${key}`);
      }
    }
    for (const [label, way] of Object.entries(WRITES)) {
      const { keys, lost } = await ask(label, way, () => "OK");
      for (const key of keys) {
        const value = await redis.get(key);
        if (!lost.has(key)) t.is(value, textOf(key));
        else if (fault.hasRun === undefined) t.true(value === null || value === textOf(key));
        else t.is(value, fault.hasRun ? textOf(key) : null, `${label} of ${key}`);
      }
    }
  });
}

for (const protocol of [2, 3] as const) {
  // Serial, as it keeps the event loop busy.
  test.serial(`cut at every byte of many replies, in RESP${protocol}`, async (t) => {
    const { redis, proxies } = await setUp(t, 1, {
      commandTimeout: LONG,
      redisOptions: { ...redisOptions, protocol },
    });
    const proxy = at(proxies);
    const commands = await manyKinds(redis);
    const replies: unknown[] = [];
    /** Up to which byte of all replies each reaches. */
    const ends: number[] = [];
    for (const command of commands) {
      const before = proxy.bytesFromServer;
      replies.push(await comparable(command(redis)));
      ends.push((ends.at(-1) ?? 0) + proxy.bytesFromServer - before);
    }
    t.deepEqual(await Promise.all(commands.map((command) => comparable(command(redis)))), replies);
    for (let byte = 0; byte < (ends.at(-1) ?? 0); byte++) {
      // What was answered comes in one piece, or a few bytes at a time.
      proxy.bytesPerPiece = [Number.POSITIVE_INFINITY, 5, 1][byte % 3] ?? 1;
      const cut = proxy.truncateReplyAfter(byte);
      const outcomes = await settled(t, all(commands.map((command) => command(redis))), LONG);
      await cut;
      for (const [index, outcome] of outcomes.entries()) {
        if (byte >= at(ends, index)) {
          t.deepEqual(await comparable(outcome), replies[index], `byte ${byte}, command ${index}`);
        } else {
          checkLoss(t, outcome.error, {
            node: "node1",
            code: /^CONNECTION_LOST$/,
            message: /broke \(the connection was closed\)/,
          });
        }
      }
      await calm(redis, "node1");
    }
  });
}

test("replies that come a few bytes at a time reach those whom they belong to", async (t) => {
  const { redis, proxies } = await setUp(t, 2, { commandTimeout: LONG });
  const keys = keysOn(redis, "node1", 100).concat(keysOn(redis, "node2", 100));
  await redis.mset(keys.flatMap((key) => [key, textOf(key)]));
  for (const proxy of proxies) proxy.bytesPerPiece = 3;
  const asked = Object.values(READS).map((way) => way(redis, keys));
  for (const outcomes of await Promise.all(asked)) {
    t.deepEqual(outcomes, outcomesOf(keys, textOf));
  }
});

test("commands of the tick in which the client is closed settle, and are not sent", async (t) => {
  const { redis, nodes } = await setUp(t, 2);
  const admin = newClient(t, nodes);
  const keys = mixed([keysOn(redis, "node1", 20), keysOn(redis, "node2", 20)]);
  const [first = "", ...others] = keys;
  // Whatever goes to a node sends what waits before it.
  const sent = all([redis.incr(first), redis.mget(keys)]);
  const waiting = all(others.map((key) => redis.incr(key)));
  redis.disconnect();
  for (const { error } of await settled(t, sent, SHORT)) t.true(error instanceof ShardisError);
  for (const { error } of await settled(t, waiting, SHORT)) {
    t.like(error, { code: "CLOSED", sent: false });
  }
  t.deepEqual(await admin.mget(others), new Array(others.length).fill(null));
  const another = newClient(t, nodes);
  await another.connect();
  const last = all(others.map((key) => another.incr(key)));
  await another.quit();
  t.deepEqual(
    await last,
    others.map(() => ({ value: 1, error: undefined })),
  );
});

test("a server that answers slowly is not taken for one that is silent", async (t) => {
  const { redis, proxies } = await setUp(t, 1, { commandTimeout: SHORT });
  const keys = keysOn(redis, "node1", 60);
  const longTextOf = (key: string) => textOf(key).padEnd(1000, ".");
  await redis.mset(keys.flatMap((key) => [key, longTextOf(key)]));
  const { connections } = at(proxies);
  // 60 kB, of which half come in time.
  at(proxies).bytesPerSecond = 30_000;
  const first = all(keys.map((key) => redis.get(key)));
  await turn();
  // Those have batches of their own, of which nothing comes in time.
  const behind = [all(keys.map((key) => redis.strlen(key))), all([redis.echo("last")])];
  const outcomes = await first;
  const late = outcomes.filter(({ error }) => error !== undefined);
  t.true(late.length > 0 && late.length < keys.length, `${late.length} are late`);
  for (const [index, { value, error }] of outcomes.entries()) {
    if (error === undefined) t.is(value, longTextOf(at(keys, index)));
    else checkLoss(t, error, TOO_LATE);
  }
  for (const { error } of (await Promise.all(behind)).flat()) checkLoss(t, error, TOO_LATE);
  at(proxies).bytesPerSecond = Number.POSITIVE_INFINITY;
  // What comes too late reaches nobody else.
  const again = await all(keys.map((key) => redis.get(key)));
  t.deepEqual(again, outcomesOf(keys, longTextOf));
  t.is(at(proxies).connections, connections);
});

// --- Helpers ------------------------------------------------------------------------------------

/** The outcomes, which are to be there within a bound. */
async function settled(t: ExecutionContext, outcomes: Promise<Outcome[]>, bound: number) {
  await settle(t, [outcomes], bound);
  return outcomes;
}

/** The outcomes of keys that have all been answered. */
function outcomesOf(keys: readonly string[], text: (key: string) => string): Outcome[] {
  return keys.map((key) => ({ value: text(key), error: undefined }));
}

/** Resolves once clients have sent more than they had when it was called. */
function requestTo(proxy: FaultProxy): Promise<void> {
  const before = proxy.bytesFromClients;
  return until(() => proxy.bytesFromClients > before, "a request");
}

/** Takes a request that never gets to the server. */
async function loseRequest(proxy: FaultProxy, end: (proxy: FaultProxy) => void): Promise<void> {
  proxy.blackhole();
  await requestTo(proxy);
  end(proxy);
  await proxy.heal();
}

type Command = (redis: ShardedRedis) => Promise<unknown>;

/** Commands of one key whose replies are of every kind, and always the same. */
async function manyKinds(redis: ShardedRedis): Promise<Command[]> {
  await redis.set("text", "a\r\n$3\r\nb");
  await redis.set("empty", "");
  await redis.hset("hash", "one", "1", "two", "");
  await redis.zadd("zset", "1.5", "member");
  await redis.rpush("list", "x", "y");
  await redis.sadd("set", "only");
  return [
    (client) => client.get("text"),
    (client) => client.get("none"),
    (client) => client.getBuffer("text"),
    (client) => client.get("empty"),
    (client) => client.incr("text"),
    (client) => client.strlen("text"),
    (client) => client.hgetall("hash"),
    (client) => client.lrange("none", 0, -1),
    (client) => client.zscore("zset", "member"),
    (client) => client.zrange("zset", "0", "-1", "WITHSCORES"),
    (client) => client.lpush("text", "x"),
    (client) => client.lrange("list", 0, -1),
    (client) => client.smembers("set"),
    (client) => client.type("list"),
    (client) => client.hmget("hash", "one", "none"),
  ];
}

/** What a command came to, as something that can be compared. */
async function comparable(outcome: Promise<unknown> | Outcome): Promise<unknown> {
  const { value, error } = outcome instanceof Promise ? at(await all([outcome])) : outcome;
  return error === undefined ? value : String(error);
}
