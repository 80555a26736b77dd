/** Commands with keys on one node: they go to it, and answer as one plain ioredis does. */
import { list } from "@ioredis/commands";
import test, { type ExecutionContext } from "ava";
import { Redis } from "ioredis";
import { POLICIES } from "../src/commands/policies.ts";
import { commandRow } from "../src/commands/table.ts";
import { ShardedRedis, type ShardedRedisOptions, ShardisError } from "../src/index.ts";
import { startNodes, type TcpTestNode, type TestNodes } from "../src/testing/index.ts";
import { nothingIsSent, onlyIsSent } from "./helpers/sent.ts";
import { onDifferentNodes } from "./helpers/setup.ts";

/** A command by its name and its arguments, as both clients are called. */
type Call = readonly [command: string, ...args: unknown[]];

const bytes = Buffer.from([0, 255, 13, 10, 195, 40]);

const STRINGS: readonly Call[] = [
  ["set", "s:1", "one"],
  ["set", "s:2", "zwei ✓", "EX", 1000],
  ["set", "s:2", "no", "NX"],
  ["set", "s:3", bytes],
  ["set", bytes, "under a binary key"],
  ["set", 42, 4.5],
  ["set", "", "under the empty key"],
  ["set", "s:null", null],
  ["set", "s:undefined", undefined],
  ["set", "s:big", 2n ** 70n],
  ["set", "s:unsafe", 2 ** 60],
  ["set", "s:true", true],
  ["get", "s:1"],
  ["get", "s:2"],
  ["get", "s:3"],
  ["get", bytes],
  ["get", 42],
  ["get", ""],
  ["get", "s:null"],
  ["get", "s:undefined"],
  ["get", "s:big"],
  ["get", "s:unsafe"],
  ["get", "s:true"],
  ["get", "s:missing"],
  ["getset", "s:1", "uno"],
  ["append", "s:1", "!"],
  ["strlen", "s:2"],
  ["setrange", "s:1", 1, "xx"],
  ["getrange", "s:1", 0, -1],
  ["substr", "s:1", 0, 1],
  ["getdel", "s:1"],
  ["getex", "s:2", "PERSIST"],
  ["setex", "s:4", 1000, "four"],
  ["psetex", "s:5", 1_000_000, "five"],
  ["setnx", "s:6", "six"],
  ["setnx", "s:6", "six"],
  ["incr", "n:1"],
  ["incrby", "n:1", 41],
  ["decr", "n:1"],
  ["decrby", "n:1", 7],
  ["incrbyfloat", "n:2", 0.5],
  ["incr", "s:6"],
  ["type", "s:2"],
  ["dump", "s:2"],
  ["dump", "s:missing"],
];

const HASHES: readonly Call[] = [
  ["hset", "h:1", "a", "1", "b", bytes],
  ["hset", "h:2", { a: 1, b: "two" }],
  ["hset", "h:3", new Map([["c", "3"]])],
  ["hset", "h:4", ["a", "1", "b", "2"]],
  ["hmset", "h:5", { a: "1" }],
  ["hmset", "h:6", new Map([["c", 3]])],
  ["hget", "h:1", "b"],
  ["hgetall", "h:1"],
  ["hgetall", "h:2"],
  ["hgetall", "h:missing"],
  ["hmget", "h:2", "a", "b", "nothing"],
  ["hmget", "h:2", ["b", "a"]],
  ["hkeys", "h:1"],
  ["hvals", "h:2"],
  ["hlen", "h:2"],
  ["hexists", "h:2", "a"],
  ["hdel", "h:1", "a", "zzz"],
  ["hsetnx", "h:1", "a", "again"],
  ["hstrlen", "h:1", "a"],
  ["hincrby", "h:2", "a", 5],
  ["hincrbyfloat", "h:2", "a", 0.25],
  ["hrandfield", "h:3"],
  ["hrandfield", "h:3", 1, "WITHVALUES"],
  ["hscan", "h:2", 0, "COUNT", 10],
  ["get", "h:2"],
];

const LISTS: readonly Call[] = [
  ["rpush", "l:1", "b", "c", bytes],
  ["rpush", "l:1", ["d", "b"]],
  ["lpush", "l:1", "a"],
  ["lpushx", "l:missing", "a"],
  ["rpushx", "l:1", "z"],
  ["lrange", "l:1", 0, -1],
  ["lindex", "l:1", 3],
  ["linsert", "l:1", "BEFORE", "b", "before b"],
  ["lset", "l:1", 0, "A"],
  ["lpos", "l:1", "b", "COUNT", 0],
  ["lrem", "l:1", 1, "b"],
  ["ltrim", "l:1", 0, 3],
  ["lpop", "l:1"],
  ["rpop", "l:1", 2],
  ["llen", "l:1"],
  ["lpop", "l:missing"],
  ["blpop", "l:1", 1],
  ["blpop", ["l:missing"], 0.01],
];

const SETS: readonly Call[] = [
  ["sadd", "u:1", 3, 1, 2],
  ["sadd", "u:1", [4, 1]],
  ["sadd", "u:2", bytes],
  ["smembers", "u:1"],
  ["smembers", "u:2"],
  ["sismember", "u:1", 4],
  ["smismember", "u:1", 4, 9],
  ["scard", "u:1"],
  ["srem", "u:1", 1, 9],
  ["srandmember", "u:2"],
  ["spop", "u:2"],
  ["sscan", "u:1", 0],
];

const SORTED_SETS: readonly Call[] = [
  ["zadd", "z:1", 1, "a", 2.5, "b", "3", bytes],
  ["zadd", "z:1", "XX", "CH", 4, "b"],
  ["zadd", "z:1", "INCR", 2, "a"],
  ["zscore", "z:1", "b"],
  ["zmscore", "z:1", "a", "nothing"],
  ["zrange", "z:1", 0, -1],
  ["zrange", "z:1", 0, -1, "WITHSCORES"],
  ["zrange", "z:1", "(1", "+inf", "BYSCORE", "LIMIT", 0, 2],
  ["zrevrange", "z:1", 0, 0, "WITHSCORES"],
  ["zrangebyscore", "z:1", "-inf", 3],
  ["zrevrangebyscore", "z:1", 3, "-inf"],
  ["zrangebylex", "z:1", "-", "+"],
  ["zlexcount", "z:1", "-", "+"],
  ["zcount", "z:1", 2, 4],
  ["zcard", "z:1"],
  ["zrank", "z:1", "b"],
  ["zrevrank", "z:1", "b"],
  ["zincrby", "z:1", 1.5, "a"],
  ["zscan", "z:1", 0],
  ["zpopmin", "z:1"],
  ["zpopmax", "z:1", 1],
  ["zrem", "z:1", "b"],
  ["bzpopmin", "z:missing", 0.01],
];

const STREAMS: readonly Call[] = [
  ["xadd", "x:1", "1-1", "field", "value"],
  ["xadd", "x:1", "MAXLEN", "~", 100, "1-2", "field", bytes],
  ["xadd", "x:1", "1-1", "too", "old"],
  ["xlen", "x:1"],
  ["xrange", "x:1", "-", "+"],
  ["xrevrange", "x:1", "+", "-", "COUNT", 1],
  ["xread", "COUNT", 10, "STREAMS", "x:1", 0],
  ["xread", "BLOCK", 10, "STREAMS", "x:1", "1-2"],
  ["xgroup", "CREATE", "x:1", "group", "0"],
  ["xgroup", "CREATE", "x:2", "group", "$", "MKSTREAM"],
  ["xgroup", "CREATECONSUMER", "x:1", "group", "idle"],
  ["xreadgroup", "GROUP", "group", "me", "COUNT", 1, "STREAMS", "x:1", ">"],
  ["xpending", "x:1", "group"],
  ["xack", "x:1", "group", "1-1"],
  ["xinfo", "STREAM", "x:1"],
  ["xinfo", "GROUPS", "x:1"],
  ["xgroup", "SETID", "x:1", "group", "0"],
  ["xgroup", "DELCONSUMER", "x:1", "group", "idle"],
  ["xgroup", "DESTROY", "x:1", "group"],
  ["xdel", "x:1", "1-1"],
  ["xtrim", "x:1", "MAXLEN", 0],
  ["xsetid", "x:1", "5-5"],
  ["xinfo", "STREAM", "x:missing"],
];

const OTHERS: readonly Call[] = [
  ["geoadd", "g:1", 13.361389, 38.115556, "Palermo", 15.087269, 37.502669, "Catania"],
  ["geopos", "g:1", "Palermo", "nowhere"],
  ["geodist", "g:1", "Palermo", "Catania", "km"],
  ["geohash", "g:1", "Palermo"],
  ["geosearch", "g:1", "FROMMEMBER", "Palermo", "BYRADIUS", 200, "km", "ASC", "WITHDIST"],
  ["georadius", "g:1", 15, 37, 200, "km", "ASC"],
  ["georadius", "g:1", 15, 37, 200, "km", "STORE", "g:1"],
  ["georadius_ro", "g:1", 15, 37, 200, "km", "ASC"],
  ["setbit", "b:1", 7, 1],
  ["getbit", "b:1", 7],
  ["bitcount", "b:1"],
  ["bitpos", "b:1", 1],
  ["bitfield", "b:1", "SET", "u8", 0, 255, "GET", "u4", 2],
  ["pfadd", "p:1", "a", "b", bytes],
  ["pfcount", "p:1"],
  ["set", "e:1", "value"],
  ["expire", "e:1", 1000],
  ["ttl", "e:1"],
  ["persist", "e:1"],
  ["pexpireat", "e:1", 4_000_000_000_000],
  ["expireat", "e:1", 4_000_000_000, "LT"],
  ["pexpiretime", "e:1"],
  ["expiretime", "e:1"],
  ["pexpire", "e:1", -1],
  ["ttl", "e:1"],
  ["set", "o:1", "12345"],
  ["object", "ENCODING", "o:1"],
  ["object", "REFCOUNT", "o:1"],
  ["object", "encoding", "o:missing"],
  ["memory", "USAGE", "o:1"],
  ["memory", "usage", "o:1", "SAMPLES", 0],
  ["memory", "USAGE", "o:missing"],
  ["rpush", "r:1", 3, 1, 2],
  ["sort", "r:1"],
  ["sort", "r:1", "DESC", "LIMIT", 0, 2],
  ["sort", "r:1", "BY", "nosort", "GET", "#"],
  ["sort", "r:1", "STORE", "r:1"],
  ["sort_ro", "r:1", "ALPHA"],
  ["eval", "return { KEYS[1], ARGV[1] }", 1, "v:1", "argument"],
  ["eval", "return redis.call('SET', KEYS[1], ARGV[1])", 1, "v:2", bytes],
  ["eval", "return redis.call('GET', KEYS[1])", "1", "v:2"],
  ["eval", "return ARGV[1]", 1, "v:1", [["nested", "array"]]],
  ["evalsha", "0".repeat(40), 1, "v:1"],
  ["eval_ro", "return redis.call('GET', KEYS[1])", 1, "v:2"],
  ["rename", "v:2", "v:2"],
  ["copy", "{t}:1", "{t}:2"],
  ["move", "v:missing", 1],
];

/** Commands whose keys share a hash tag, and so a node. */
const SAME_NODE: readonly Call[] = [
  ["msetnx", "{t}:1", "a", "{t}:2", "b"],
  ["msetnx", { "{t}:1": "c", "{t}:3": "d" }],
  ["msetnx", new Map([["{u}:1", bytes]])],
  ["get", "{u}:1"],
  ["rename", "{t}:1", "{t}:4"],
  ["renamenx", "{t}:4", "{t}:2"],
  ["copy", "{t}:2", "{t}:5"],
  ["copy", "{t}:2", "{t}:5", "REPLACE"],
  ["lcs", "{t}:2", "{t}:5"],
  ["sadd", "{t}:s1", 1, 2, 3],
  ["sadd", "{t}:s2", 2, 3, 4],
  ["sinter", "{t}:s1", "{t}:s2"],
  ["sunion", ["{t}:s1", "{t}:s2"]],
  ["sdiff", "{t}:s1", "{t}:s2"],
  ["sintercard", 2, "{t}:s1", "{t}:s2", "LIMIT", 1],
  ["sinterstore", "{t}:s3", "{t}:s1", "{t}:s2"],
  ["smove", "{t}:s1", "{t}:s2", 1],
  ["zadd", "{t}:z1", 1, "a"],
  ["zadd", "{t}:z2", 2, "a", 3, "b"],
  ["zunion", 2, "{t}:z1", "{t}:z2", "WITHSCORES"],
  ["zinter", 2, "{t}:z1", "{t}:z2"],
  ["zdiff", 2, "{t}:z2", "{t}:z1"],
  ["zintercard", 2, "{t}:z1", "{t}:z2"],
  ["zunionstore", "{t}:z3", 2, "{t}:z1", "{t}:z2", "WEIGHTS", 2, 1],
  ["zrange", "{t}:z3", 0, -1, "WITHSCORES"],
  ["zrangestore", "{t}:z4", "{t}:z3", 0, 0],
  ["zmpop", 2, "{t}:z3", "{t}:z4", "MIN"],
  ["rpush", "{t}:l1", "x", "y", "z"],
  ["rpoplpush", "{t}:l1", "{t}:l2"],
  ["lmove", "{t}:l1", "{t}:l2", "LEFT", "RIGHT"],
  ["lmpop", 2, "{t}:l1", "{t}:l2", "LEFT", "COUNT", 2],
  ["blmove", "{t}:l2", "{t}:l1", "LEFT", "LEFT", 0.01],
  ["brpop", "{t}:l2", "{t}:l1", 0.01],
  ["sort", "{t}:s2", "STORE", "{t}:l3"],
  ["bitop", "AND", "{t}:b3", "{t}:5", "{t}:2"],
  ["pfadd", "{t}:p1", "a"],
  ["pfadd", "{t}:p2", "b"],
  ["pfmerge", "{t}:p3", "{t}:p1", "{t}:p2"],
  ["pfcount", "{t}:p1", "{t}:p2"],
  ["geoadd", "{t}:g1", 13, 38, "a"],
  ["georadius", "{t}:g1", 13, 38, 1, "km", "STORE", "{t}:g2"],
  ["geosearchstore", "{t}:g3", "{t}:g1", "FROMMEMBER", "a", "BYRADIUS", 1, "km"],
  ["xadd", "{t}:x1", "1-1", "a", "b"],
  ["xadd", "{t}:x2", "1-1", "c", "d"],
  ["xread", "STREAMS", "{t}:x1", "{t}:x2", 0, 0],
  ["eval", "return redis.call('MGET', KEYS[1], KEYS[2])", 2, "{t}:2", "{t}:5"],
];

const FAMILIES: Readonly<Record<string, readonly Call[]>> = {
  strings: STRINGS,
  hashes: HASHES,
  lists: LISTS,
  sets: SETS,
  "sorted sets": SORTED_SETS,
  streams: STREAMS,
  "geo, bits, expiry, inspection and scripts": OTHERS,
  "several keys of one tag": SAME_NODE,
};

/** The ways to run a call, which plain ioredis has too. */
const WAYS: Readonly<Record<string, (client: object, call: Call) => Promise<unknown>>> = {
  "by method": (client, [command, ...args]) => invoke(client, command, args),
  "by …Buffer method": (client, [command, ...args]) => invoke(client, `${command}Buffer`, args),
  'by call("name")': (client, call) => invoke(client, "call", call),
  'by call("NAME")': (client, [command, ...args]) =>
    invoke(client, "call", [command.toUpperCase(), ...args]),
  'by callBuffer("Name")': (client, [command, ...args]) =>
    invoke(client, "callBuffer", [command.replace(/^./, (c) => c.toUpperCase()), ...args]),
  "with a callback": (client, [command, ...args]) =>
    new Promise((resolve, reject) => {
      const callback = (error: Error | null, reply: unknown) =>
        error ? reject(error) : resolve(reply);
      invoke(client, command, [...args, callback]);
    }),
};

for (const [family, calls] of Object.entries(FAMILIES)) {
  test(`${family} answer as one plain ioredis does, and lie where nodeFor says`, async (t) => {
    const { redis, plain } = await compared(t);
    for (const [way, run] of Object.entries(WAYS)) {
      for (const call of calls) {
        // ioredis takes objects apart only where the name is in lower case.
        if (/NAME|Name/.test(way) && call.some(isObject)) continue;
        const [ours, theirs] = [await outcome(run(redis, call)), await outcome(run(plain, call))];
        t.deepEqual(ours, theirs, `${call.map(show).join(" ")}, ${way}`);
      }
      t.deepEqual(await keysWhereTheyBelong(t, redis), await keysOf(plain));
      await Promise.all([plain.flushall(), redis.each.flushall()]);
    }
  });
}

test("a payload of DUMP goes to another key, on another node, byte for byte", async (t) => {
  const { redis } = await sharded(t, 3);
  const [from = "", to = ""] = onDifferentNodes(redis, 2);
  await redis.rpush(from, "a", bytes, "c");
  const payload = await redis.dumpBuffer(from);
  t.is(await redis.restore(to, 0, payload), "OK");
  t.deepEqual(await redis.lrangeBuffer(to, 0, -1), await redis.lrangeBuffer(from, 0, -1));
  t.is(await redis.node(redis.nodeFor(to).name).llen(to), 3);
});

test("MIGRATE goes where its key is, whether it is named first or after KEYS", async (t) => {
  const { redis, servers } = await sharded(t, 2);
  const [key = "", other = ""] = onDifferentNodes(redis, 2);
  const target = servers.node(redis.nodeFor(other).name);
  await redis.set(key, "value");
  const { host, port } = target;
  t.is(await redis.call("migrate", host, port, key, 0, 1000, "COPY"), "OK");
  t.is(await redis.node(target.name).get(key), "value");
  t.is(
    await redis.call("migrate", host, port, "", 0, 1000, "REPLACE", "KEYS", key, `{${key}}:2`),
    "OK",
  );
  t.is(await redis.get(key), null);
});

test("elements come as streams, as in ioredis", async (t) => {
  const { redis } = await sharded(t, 3);
  await redis.hset("hash", { a: "1", b: "2" });
  await redis.sadd("set", 1, 2, 3);
  await redis.zadd("zset", 1, "a");
  const read = async (stream: AsyncIterable<unknown>) => {
    const chunks: unknown[] = [];
    for await (const chunk of stream) chunks.push(chunk);
    return chunks;
  };
  t.deepEqual(await read(redis.hscanStream("hash", { match: "a*" })), [["a", "1"]]);
  t.deepEqual(await read(redis.sscanStream("set")), [["1", "2", "3"]]);
  t.deepEqual(await read(redis.zscanBufferStream("zset")), [[Buffer.from("a"), Buffer.from("1")]]);
});

test("every method of an ioredis client for a command is there", async (t) => {
  const { redis } = await sharded(t, 1, { lazyConnect: true });
  const plain = new Redis({ lazyConnect: true });
  const here = (name: string) => typeof Reflect.get(redis, name) === "function";
  const missing = plain
    .getBuiltinCommands()
    .filter((name) => !here(name) || !here(`${name}Buffer`));
  // ioredis adds the command of Sentinels, which are no nodes.
  t.deepEqual(missing, ["sentinel"]);
});

test("keys on several nodes are refused, and the error says which key is where", async (t) => {
  const { redis } = await sharded(t, 3);
  const [a = "", b = "", c = ""] = onDifferentNodes(redis, 3);
  const error = await t.throwsAsync(redis.eval("return 1", 3, a, b, c), {
    instanceOf: ShardisError,
  });
  t.like(error, { code: "CROSS_NODE", command: "eval", keys: [a, b, c] });
  for (const key of [a, b, c]) {
    t.true(error.message.includes(`"${key}" on ${redis.nodeFor(key).name}`), error.message);
  }
  t.true(error.message.includes("hash tag"), "it says the way out");
});

/** Commands that run on one node, and of whose keys no copies would do. */
const ACROSS: readonly ((a: string, b: string) => Call)[] = [
  (a, b) => ["eval", "return 1", 2, a, b],
  (a, b) => ["fcall", "f", 2, a, b],
  (a, b) => ["migrate", "host", 1, "", 0, 1, "KEYS", a, b],
];

test("no command that must run on one node is sent when its keys lie on several", async (t) => {
  const { redis } = await sharded(t, 3);
  const [a = "", b = ""] = onDifferentNodes(redis, 2);
  await nothingIsSent(t, redis, async () => {
    for (const call of ACROSS) {
      const [command, ...args] = call(a, b);
      await t.throwsAsync(invoke(redis, command, args), { code: "CROSS_NODE" }, command);
    }
  });
});

test("what other options of SORT say is no option", async (t) => {
  const { redis } = await sharded(t, 3);
  t.deepEqual(await redis.sort("by", "STORE", "by"), 0);
  t.deepEqual(await redis.by("list").sort("list", "BY", "weight_*", "GET", "object_*"), []);
});

test("no count of keys, however large, is walked beyond the arguments", async (t) => {
  const { redis } = await sharded(t, 3);
  for (const count of [1e9, Number.POSITIVE_INFINITY, "1e300", "Infinity"]) {
    await t.throwsAsync(redis.call("eval", "return 1", count, "key"), { code: "BAD_KEY" });
    await t.throwsAsync(redis.call("zunion", count, "key"), { code: "BAD_KEY" });
    await t.throwsAsync(redis.call("msetex", count, "key", "value"), { code: "BAD_ARGUMENT" });
  }
  for (const count of [0, -1, Number.NaN, "many"]) {
    await t.throwsAsync(redis.call("eval", "return 1", count, "key"), { code: "UNSUPPORTED" });
  }
});

test("commands that cannot be placed are refused with the way out, and never sent", async (t) => {
  const { redis } = await sharded(t, 2);
  const refused = list.filter(
    (command) => commandRow(command, ["argument"])?.policy.kind === "refuse",
  );
  t.true(refused.length > 40, String(refused.length));
  await nothingIsSent(t, redis, async () => {
    for (const command of refused) {
      for (const name of [command, command.toUpperCase()]) {
        const error = await t.throwsAsync(
          redis.call(name, "argument"),
          { instanceOf: ShardisError, code: "UNSUPPORTED" },
          name,
        );
        t.regex(error.message, /redis\.|option/, "the way out");
        t.is(error.command, command);
      }
    }
  });
});

test("what would change the shared connection is refused in every view", async (t) => {
  const { redis } = await sharded(t, 2);
  const commands = [...POLICIES].filter(([, policy]) => policy.kind === "refuse" && policy.always);
  t.true(commands.length > 10, String(commands.length));
  await nothingIsSent(t, redis, async () => {
    for (const [command] of commands) {
      const views = [redis, redis.each, redis.by("key"), redis.strict, redis.tagged];
      for (const [index, view] of views.entries()) {
        await t.throwsAsync(view.call(command), { code: "UNSUPPORTED" }, `${command} ${index}`);
      }
    }
  });
});

test("a command that no server knows either is refused, and never sent", async (t) => {
  const { redis } = await sharded(t, 2);
  // A server is asked what it knows of the command.
  await onlyIsSent(t, redis, ["command|info"], async () => {
    await t.throwsAsync(redis.call("JSON.GET", "key", "$"), {
      instanceOf: ShardisError,
      code: "UNSUPPORTED",
    });
  });
  await t.throwsAsync(redis.by("key").call("JSON.GET", "key", "$"), { message: /unknown command/ });
});

// --- Helpers ------------------------------------------------------------------------------------

async function sharded(t: ExecutionContext, count: number, options: ShardedRedisOptions = {}) {
  const servers: TestNodes<TcpTestNode> = await startNodes(count);
  const redis = new ShardedRedis(servers.nodes, options);
  t.teardown(async () => {
    redis.disconnect();
    await servers.stop();
  });
  if (!options.lazyConnect) await redis.connect();
  return { redis, servers };
}

/** A client of three nodes, and a plain one of a single server. */
async function compared(t: ExecutionContext) {
  const { redis } = await sharded(t, 3);
  const single = await startNodes(1);
  const plain = new Redis(single.node(0).port);
  t.teardown(async () => {
    plain.disconnect();
    await single.stop();
  });
  return { redis, plain };
}

/** Calls a method and hands on the promise itself, whose rejection is nobody's if a callback gets it. */
function invoke(client: object, method: string, args: readonly unknown[]): Promise<unknown> {
  const member: unknown = Reflect.get(client, method);
  if (typeof member !== "function") throw new TypeError(`there is no method ${method}`);
  return Reflect.apply(member, client, args);
}

/** What a call came to: its reply, or what its error says. */
async function outcome(promise: Promise<unknown>): Promise<unknown> {
  try {
    return await promise;
  } catch (error) {
    return error instanceof Error ? { name: error.name, message: error.message } : { error };
  }
}

async function keysOf(client: Redis): Promise<string[]> {
  const keys = await client.keysBuffer("*");
  return keys.map((key) => key.toString("latin1")).sort();
}

/** The keys of all nodes, after a look whether each lies on its owner. */
async function keysWhereTheyBelong(t: ExecutionContext, redis: ShardedRedis): Promise<string[]> {
  const found: string[] = [];
  for (const name of redis.placement.nodes) {
    const keys = await redis.node(name).keysBuffer("*");
    for (const key of keys) t.is(redis.nodeFor(key).name, name, show(key));
    found.push(...keys.map((key) => key.toString("latin1")));
  }
  return found.sort();
}

function isObject(value: unknown): boolean {
  return (typeof value === "object" && value?.constructor === Object) || value instanceof Map;
}

function show(value: unknown): string {
  return typeof value === "string" || Buffer.isBuffer(value)
    ? JSON.stringify(String(value))
    : String(value);
}
