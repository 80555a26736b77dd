/** Commands of a batch keep to what ioredis lets its users do to commands and their replies. */
import { tracingChannel } from "node:diagnostics_channel";
import test, { type ExecutionContext } from "ava";
import { Redis, type RedisOptions } from "ioredis";
import { type ShardedRedis, ShardisError } from "../src/index.ts";
import { adminOf, all, calm, inOneTick, inPipeline, type Outcome } from "./helpers/lane.ts";
import type { Call } from "./helpers/pipelines.ts";
import {
  at,
  keyOn,
  keysOn,
  newClient,
  partialFailure,
  settle,
  setUp,
  start,
  until,
  watchRejections,
} from "./helpers/setup.ts";

watchRejections(test);

const SHORT = 1000;

type Client = ShardedRedis | Redis;

// --- Options ------------------------------------------------------------------------------------

/** Options of ioredis that say what replies look like, or how commands are sent. */
const OPTIONS: readonly RedisOptions[] = [
  {},
  { protocol: 2 },
  { stringNumbers: true },
  { stringNumbers: true, protocol: 2 },
  { replyMapping: "resp3" },
  { replyMapping: "resp3", stringNumbers: true },
  { autoResendUnfulfilledCommands: true, maxRetriesPerRequest: null },
  { enableAutoPipelining: true },
  { showFriendlyErrorStack: true },
  { keyPrefix: "prefix:" },
  { db: 3, connectionName: "name", noDelay: false, keepAlive: 1000 },
  { enableReadyCheck: false, disableClientInfo: true },
];

for (const redisOptions of OPTIONS) {
  test(`replies are those of ioredis with ${JSON.stringify(redisOptions)}`, async (t) => {
    const [ours, without, theirs] = await fromThree(t, redisOptions, repliesOf);
    t.deepEqual(without, theirs);
    t.deepEqual(ours, theirs);
  });
}

// Serial, as others would be traced too.
test.serial(
  "options that want more of ioredis than a batch gives switch batches off",
  async (t) => {
    const names: string[] = [];
    const tracing = tracingChannel<unknown, { command: string }>("ioredis:command");
    const note = { start: ({ command }: { command: string }) => void names.push(command) };
    tracing.subscribe(note as Parameters<typeof tracing.subscribe>[0]);
    t.teardown(() => tracing.unsubscribe(note as Parameters<typeof tracing.subscribe>[0]));
    for (const [redisOptions, isOn] of [
      [{}, true],
      [{ stringNumbers: true }, false],
      [{ replyMapping: "resp3" }, false],
      [{ autoResendUnfulfilledCommands: true }, false],
    ] as const) {
      const { redis } = await setUp(t, 1, { redisOptions });
      names.length = 0;
      await Promise.all([redis.get("a"), redis.get("b"), redis.mget("a", "b")]);
      t.deepEqual(names, isOn ? ["batch", "batch"] : ["get", "get", "mget"]);
    }
  },
);

test("commands are sent again after a lost connection, if the user wants that", async (t) => {
  const { redis, proxies } = await setUp(t, 1, {
    redisOptions: { autoResendUnfulfilledCommands: true, maxRetriesPerRequest: null },
  });
  const cut = at(proxies).cutReplies();
  const counted = [redis.incr("counter"), redis.incr("counter"), redis.mget("a", "b")];
  t.deepEqual(await Promise.all(counted), [3, 4, [null, null]]);
  await cut;
});

test("a socketTimeout ends a connection on which nothing comes, and adds no listeners", async (t) => {
  const { redis, servers, proxies } = await setUp(t, 1, {
    redisOptions: { socketTimeout: 3 * SHORT },
  });
  const node = redis.node("node1");
  const admin = adminOf(t, at(servers));
  await admin.set("key", "x".repeat(200_000));
  const before = node.stream.listenerCount("data");
  // Replies in several chunks, so that something is still due when the first have come.
  const reads = () => [redis.get("key"), node.get("key"), redis.mget("key", "b"), redis.get("b")];
  for (let round = 0; round < 12; round++) await Promise.all(reads());
  t.is(node.stream.listenerCount("data"), before);
  const { connections } = at(proxies);
  at(servers).pause();
  const { error } = at(await settled(t, all([redis.get("key")])));
  t.true(error instanceof ShardisError);
  t.regex(String(error), /Socket timeout/);
  at(servers).resume();
  await calm(redis, "node1");
  t.true(at(proxies).connections > connections);
  t.is(await redis.set("key", "value"), "OK");
});

test("a Buffer may be used again for something else, once the call has returned", async (t) => {
  const [ours, without, theirs] = await fromThree(t, {}, async (client) => {
    // What waits for a connection is written later, by ioredis too.
    await client.echo("connected");
    const value = Buffer.from("first");
    const key = Buffer.from("a");
    const list = [value];
    const written: Promise<unknown>[] = [
      client.set(key, value),
      client.rpush("list", ...list),
      client.append("c", value),
    ];
    value.write("other");
    key.write("b");
    written.push(client.set(key, value), client.getset("d", value));
    value.fill(0);
    key.fill(0);
    list.length = 0;
    await Promise.all(written);
    return [await client.mget("a", "b", "c", "d"), await client.lrange("list", 0, -1)];
  });
  t.deepEqual(theirs, [["first", "other", "first", "other"], ["first"]]);
  t.deepEqual(without, theirs);
  t.deepEqual(ours, theirs);
});

// --- Errors -------------------------------------------------------------------------------------

for (const redisOptions of [{}, { keyPrefix: "prefix:" }, { showFriendlyErrorStack: true }]) {
  const what = JSON.stringify(redisOptions);
  test(`errors say which command they are about, as in ioredis with ${what}`, async (t) => {
    const [ours, without, theirs] = await fromThree(t, redisOptions, errorsOf);
    t.true(theirs.length > 0);
    t.deepEqual(without, theirs);
    t.deepEqual(ours, theirs);
  });
}

test("errors of parts of a command say which part they are about", async (t) => {
  const { redis, nodes, servers } = await setUp(t, 2);
  const ordinary = newClient(t, nodes, { autoBatch: false });
  await ordinary.connect();
  await adminOf(t, at(servers)).call("acl", "setuser", "default", "-mset");
  const [first, second] = [keysOn(redis, "node1", 2), keysOn(redis, "node2", 2)];
  const [a = "", b = ""] = first;
  const part = async (client: ShardedRedis) => {
    const pairs = [a, 1, at(second), 2, b, Buffer.from("three"), at(second, 1), "four"];
    const error = await partialFailure(t, client.mset(...pairs), SHORT);
    return plainly(error.failures.get("node1")?.error);
  };
  const theirs = await part(ordinary);
  t.like(theirs, { command: { name: "mset", args: [a, "1", b, Buffer.from("three")] } });
  t.deepEqual(await part(redis), theirs);
});

// --- reconnectOnError ---------------------------------------------------------------------------

/** What is sent in one tick, of which one command gets an error that others do not. */
const AROUND_AN_ERROR: readonly Call[] = [
  ["get", "text"],
  ["lpush", "text", "element"],
  ["get", "text"],
  ["incr", "n"],
];

for (const wish of [true, 1] as const) {
  test(`a reconnectOnError that answers ${wish} connects anew, and rejects as it would`, async (t) => {
    const seen: unknown[] = [];
    const redisOptions = {
      reconnectOnError: (error: Error) => {
        seen.push(plainly(error));
        return error.message.startsWith("WRONGTYPE") && wish;
      },
    };
    const { redis, proxies } = await setUp(t, 1, { redisOptions });
    await redis.set("text", "value");
    for (const send of WAYS) {
      seen.length = 0;
      const { connections } = at(proxies);
      const outcomes = await send(redis, AROUND_AN_ERROR);
      const [first, second] = outcomes;
      t.is(first?.value, "value");
      t.regex(String(second?.error), /^ReplyError: WRONGTYPE/);
      t.deepEqual(seen, [plainly(second?.error)]);
      // The server may have hung up before it answered those behind.
      for (const { error } of outcomes.slice(2)) t.true(!error || error instanceof ShardisError);
      await until(() => at(proxies).connections > connections);
      await calm(redis, "node1");
    }
  });
}

test("a reconnectOnError that answers 2 has commands sent again on the next connection", async (t) => {
  const promote = () => {
    admin.replicaof("NO", "ONE").catch(t.fail);
    return 2 as const;
  };
  const { redis, servers, proxies } = await setUp(t, 2, {
    redisOptions: {
      // Long enough for the server to be promoted meanwhile.
      retryStrategy: () => SHORT,
      reconnectOnError: ({ message }) => (message.startsWith("READONLY") ? promote() : false),
    },
  });
  const [a, b] = [keyOn(redis, "node1"), keyOn(redis, "node2")];
  const admin = adminOf(t, at(servers));
  for (const send of WAYS) {
    await admin.flushall();
    await admin.replicaof("127.0.0.1", 1);
    const { connections } = at(proxies);
    const outcomes = await settled(
      t,
      send(redis, [
        ["incr", a],
        ["set", b, "8"],
        ["rpush", `{${a}}:list`, "x"],
        ["incr", a],
      ]),
    );
    t.deepEqual(
      outcomes,
      [1, "OK", 1, 2].map((value) => ({ value, error: undefined })),
    );
    t.is(at(proxies).connections, connections + 1);
  }
  await admin.replicaof("127.0.0.1", 1);
  t.is(await redis.mset(a, "7", b, "9"), "OK");
  t.deepEqual(await redis.mget(a, b), ["7", "9"]);
});

test("a reconnectOnError that always answers 2 does not keep a promise for ever", async (t) => {
  const { redis, servers } = await setUp(t, 1, {
    commandTimeout: SHORT,
    redisOptions: { retryStrategy: () => 20, reconnectOnError: () => 2 },
  });
  await adminOf(t, at(servers)).replicaof("127.0.0.1", 1);
  const sent = [redis.set("a", "1"), redis.set("b", "1"), redis.mset("a", "1", "b", "2")];
  for (const { error } of await settle(t, sent, 3 * SHORT)) {
    t.true(error instanceof ShardisError, String(error));
  }
});

test.serial("a reconnectOnError that throws harms nobody", async (t) => {
  const faults = uncaughtFaults(t);
  const { redis, proxies } = await setUp(t, 1, {
    redisOptions: {
      reconnectOnError: () => {
        throw new Error("a fault of the user's");
      },
    },
  });
  await redis.set("text", "value");
  const outcomes = await settled(t, inOneTick(redis, AROUND_AN_ERROR));
  t.deepEqual(
    outcomes.map(({ value }) => value),
    ["value", undefined, "value", 1],
  );
  t.regex(String(at(outcomes, 1).error), /^ReplyError: WRONGTYPE/);
  t.deepEqual(faults, ["a fault of the user's"]);
  t.is(at(proxies).connections, 1);
});

test("what a socket brings is read at once, rather than a tick later", async (t) => {
  const { redis } = await setUp(t, 1, { redisOptions: { protocol: 3 } });
  const { stream } = redis.node("node1");
  stream.push(Buffer.from(">2\r\n$4\r\nsome\r\n$4\r\nnews\r\n"));
  t.is(stream.readableLength, 0);
  t.is(await redis.set("key", "value"), "OK");
});

// --- Tracing and callbacks ----------------------------------------------------------------------

test.serial("ioredis' tracing sees every batch begin and end, and changes nothing", async (t) => {
  const counts = { start: 0, end: 0, asyncStart: 0, asyncEnd: 0, error: 0 };
  const subscribers = {
    start: () => void counts.start++,
    end: () => void counts.end++,
    asyncStart: () => void counts.asyncStart++,
    asyncEnd: () => void counts.asyncEnd++,
    error: () => void counts.error++,
  };
  const { redis, proxies } = await setUp(t, 1, { redisOptions: { retryStrategy: () => 5 } });
  const tracing = tracingChannel<unknown, object>("ioredis:command");
  tracing.subscribe(subscribers);
  t.teardown(() => tracing.unsubscribe(subscribers));
  await redis.set("text", "value");
  const outcomes = await inOneTick(redis, AROUND_AN_ERROR);
  t.deepEqual(
    outcomes.map(({ value }) => value),
    ["value", undefined, "value", 1],
  );
  const cut = at(proxies).cutReplies();
  for (const { error } of await inOneTick(redis, AROUND_AN_ERROR)) {
    t.true(error instanceof ShardisError);
  }
  await cut;
  await calm(redis, "node1");
  await until(() => counts.asyncEnd === counts.start);
  t.true(counts.start >= 3);
  t.is(counts.end, counts.start);
  t.true(counts.error >= 1);
});

test.serial(
  "callbacks get what promises would, and what they throw is their own affair",
  async (t) => {
    const { redis } = await setUp(t, 1);
    await redis.set("text", "value");
    const heard: unknown[] = [];
    const faults = uncaughtFaults(t);
    redis.get("text", (error, value) => void heard.push([error, value]));
    redis.get("text", () => {
      throw new Error("a fault of the user's");
    });
    const failing = redis.lpush("text", "x", (error) => void heard.push(plainly(error)));
    const error = await failing.catch((error: unknown) => error);
    await redis
      .pipeline()
      .get("text", (error, value) => void heard.push([error, value]))
      .exec();
    await until(() => heard.length === 3 && faults.length === 1);
    t.deepEqual(heard, [[null, "value"], plainly(error), [null, "value"]]);
    t.deepEqual(faults, ["a fault of the user's"]);
  },
);

// --- Helpers ------------------------------------------------------------------------------------

/** Commands that leave something behind for those that read. */
const WRITES: readonly Call[] = [
  ["set", "text", "välue"],
  ["set", "bytes", Buffer.from([0xff, 0, 0x0a])],
  ["set", "big", "9223372036854775800"],
  ["hset", "hash", { one: 1, two: "zwei" }],
  ["hset", "single", "field", 2.5],
  ["zadd", "zset", 1.5, "a", 2, "b", "inf", "c"],
  ["sadd", "set", "only"],
  ["rpush", "list", 1, 2.5, "three", Buffer.from([0xfe])],
  ["xadd", "stream", "1-1", "field", "value"],
  ["geoadd", "geo", 13.361389, 38.115556, "Palermo"],
];

/** Commands of every shape of reply. */
const READS: readonly Call[] = [
  ["get", "text"],
  ["getBuffer", "text"],
  ["getBuffer", "bytes"],
  ["get", "none"],
  ["get", 12],
  ["incr", "n"],
  ["incrby", "big", 3],
  ["decr", "n"],
  ["incrbyfloat", "float", 1.25],
  ["strlen", "text"],
  ["type", "zset"],
  ["ttl", "text"],
  ["exists", "text"],
  ["del", "none"],
  ["hgetall", "hash"],
  ["hgetallBuffer", "hash"],
  ["hgetall", "none"],
  ["hget", "hash", "one"],
  ["hmget", "hash", "one", "none"],
  ["hkeys", "single"],
  ["hrandfield", "single", 1, "WITHVALUES"],
  ["hscan", "single", 0],
  ["zscore", "zset", "a"],
  ["zscore", "zset", "none"],
  ["zscoreBuffer", "zset", "a"],
  ["zmscore", "zset", "a", "c", "none"],
  ["zrange", "zset", 0, -1],
  ["zrange", "zset", 0, -1, "WITHSCORES"],
  ["zrangeBuffer", "zset", 0, -1, "WITHSCORES"],
  ["zrank", "zset", "b"],
  ["zincrby", "zset", 0.5, "b"],
  ["zpopmin", "zset"],
  ["smembers", "set"],
  ["sismember", "set", "only"],
  ["smismember", "set", "only", "none"],
  ["lrange", "list", 0, -1],
  ["lrangeBuffer", "list", 0, -1],
  ["lpop", "list", 2],
  ["lpop", "none"],
  ["xrange", "stream", "-", "+"],
  ["xlen", "stream"],
  ["xinfo", "STREAM", "stream"],
  ["geopos", "geo", "Palermo", "none"],
  ["geosearch", "geo", "FROMLONLAT", 13, 38, "BYRADIUS", 200, "km", "WITHDIST", "WITHCOORD"],
  ["getbit", "text", 1],
  ["mget", "text", "none"],
  ["mget", ["text"]],
  ["mset", { a: 1, b: Buffer.from("two") }],
  ["mset", new Map([["c", 3]])],
  ["call", "GET", "text"],
  ["call", "HGETALL", "hash"],
  ["lpush", "text", "element"],
  ["incr", "text"],
];

/** Commands that get an error. */
const FAILING: readonly Call[] = [
  ["lpush", "text", 1, "two", Buffer.from("three")],
  ["lpushBuffer", "text", "x"],
  ["incr", "text"],
  ["hset", "text", { field: 1 }],
  ["hset", "text", "field", 2 ** 63],
  ["call", "HGETALL", "text"],
  ["setrange", "text", -1, "x"],
  ["zadd", "zset", "no number", "member"],
];

/** The same of a client with batches, of one without them, and of ioredis, each on its own server. */
async function fromThree<T>(
  t: ExecutionContext,
  redisOptions: RedisOptions,
  ask: (client: Client) => Promise<T>,
): Promise<[batching: T, ordinary: T, plain: T]> {
  const servers = await start(t, 3);
  const [first, second, third] = servers.nodes;
  if (first === undefined || second === undefined || third === undefined) throw new RangeError();
  const batching = newClient(t, [first], { redisOptions });
  const ordinary = newClient(t, [second], { redisOptions, autoBatch: false });
  await Promise.all([batching.connect(), ordinary.connect()]);
  const plain = new Redis({ ...redisOptions, host: third.host, port: third.port });
  t.teardown(() => plain.disconnect());
  return Promise.all([ask(batching), ask(ordinary), ask(plain)]);
}

async function repliesOf(client: Client): Promise<unknown[]> {
  const replies: unknown[] = [];
  for (const send of WAYS) {
    await inOneTick(client, [["flushdb"], ...WRITES]);
    const outcomes = await send(client, READS);
    replies.push(...outcomes.map(({ value, error }) => (error ? String(error) : value)));
  }
  return replies;
}

async function errorsOf(client: Client): Promise<unknown[]> {
  await inOneTick(client, WRITES);
  const outcomes = await Promise.all(WAYS.map((send) => send(client, FAILING)));
  return outcomes.flat().map(({ error }) => plainly(error));
}

/** What an error of a server says. */
function plainly(error: unknown): unknown {
  if (!(error instanceof Error)) throw new TypeError(`no error, but ${error}`);
  return { name: error.name, message: error.message, command: Reflect.get(error, "command") };
}

/** Ways to send. */
const WAYS: readonly ((client: Client, calls: readonly Call[]) => Promise<Outcome[]>)[] = [
  inOneTick,
  (client, calls) => inPipeline(client.pipeline(), calls),
];

/** The outcomes, which are to be there in time. */
async function settled(t: ExecutionContext, outcomes: Promise<Outcome[]>): Promise<Outcome[]> {
  await settle(t, [outcomes], 5000);
  return outcomes;
}

/** The messages of what is thrown from now on and caught by nobody. */
function uncaughtFaults(t: ExecutionContext): readonly string[] {
  const faults: string[] = [];
  const note = (error: Error) => void faults.push(error.message);
  const listeners = process.listeners("uncaughtException");
  process.removeAllListeners("uncaughtException");
  process.on("uncaughtException", note);
  t.teardown(() => {
    process.off("uncaughtException", note);
    for (const listener of listeners) process.on("uncaughtException", listener);
  });
  return faults;
}
