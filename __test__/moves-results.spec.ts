/** Moves between two nodes answer as one plain Redis does, and leave what it leaves. */
import test, { type ExecutionContext } from "ava";
import { Redis } from "ioredis";
import { ShardisError } from "../src/index.ts";
import { startNodes } from "../src/testing/index.ts";
import { look, openPair, ownKeys, type Pair } from "./helpers/moves-setup.ts";
import { until } from "./helpers/setup.ts";

/** A command; `SRC` and `DST` stand for keys on different nodes. */
type Call = readonly (string | number | Buffer)[];

const bytes = Buffer.from([0, 255, 13, 10, 195, 40]);
const later = Date.now() + 3_600_123;

/** What a key can be, by name: the commands that make it of `KEY`. */
const THINGS: Readonly<Record<string, readonly Call[]>> = {
  nothing: [],
  string: [["set", "KEY", "one"]],
  "a string of bytes": [["set", "KEY", bytes]],
  "a number": [["set", "KEY", 42]],
  "an empty string": [["set", "KEY", ""]],
  "a string that expires": [["set", "KEY", "one", "PXAT", later]],
  list: [["rpush", "KEY", "a", bytes, "a", "c"]],
  "a list of one that expires": [
    ["rpush", "KEY", "x"],
    ["pexpireat", "KEY", later + 1],
  ],
  "a long list": [["rpush", "KEY", ...Array.from({ length: 500 }, (_, at) => `${at}`.repeat(30))]],
  set: [["sadd", "KEY", "a", bytes, "c"]],
  "a set of numbers": [["sadd", "KEY", 1, 2, 3]],
  "a set of one that expires": [
    ["sadd", "KEY", "a"],
    ["pexpireat", "KEY", later + 2],
  ],
  "a large set": [["sadd", "KEY", ...Array.from({ length: 1000 }, (_, at) => `member ${at}`)]],
  zset: [["zadd", "KEY", 1.5, "a", "-inf", bytes, 0.1, "c"]],
  hash: [["hset", "KEY", "a", "1", bytes, bytes]],
  "a stream with groups": [
    ["xadd", "KEY", "1-1", "f", "v"],
    ["xadd", "KEY", "2-1", "f", bytes],
    ["xgroup", "CREATE", "KEY", "g1", 0],
    ["xgroup", "CREATE", "KEY", "g2", "$"],
    ["xreadgroup", "GROUP", "g1", "me", "COUNT", 1, "STREAMS", "KEY", ">"],
    ["xdel", "KEY", "1-1"],
    ["xsetid", "KEY", "9-9"],
  ],
  "a HyperLogLog": [["pfadd", "KEY", "a", "b", "c"]],
};

const ANY = Object.keys(THINGS);
const LISTS = ["nothing", "string", "list", "a list of one that expires", "a long list", "set"];
const SETS = ["nothing", "string", "set", "a set of one that expires", "a set of numbers", "list"];

interface Case {
  readonly call: Call;
  readonly sources: readonly string[];
  readonly destinations: readonly string[];
}

const CASES: readonly Case[] = [
  { call: ["rename", "SRC", "DST"], sources: ANY, destinations: ["nothing", "list", "hash"] },
  { call: ["rename", "SRC", "DST"], sources: ["string"], destinations: ANY },
  { call: ["RENAME", "SRC", "DST"], sources: ["zset"], destinations: ["nothing"] },
  { call: ["renamenx", "SRC", "DST"], sources: ANY, destinations: ["nothing", "string"] },
  { call: ["copy", "SRC", "DST"], sources: ANY, destinations: ["nothing", "a number"] },
  { call: ["copy", "SRC", "DST", "REPLACE"], sources: ANY, destinations: ["nothing", "zset"] },
  { call: ["copy", "SRC", "DST", "replace", "REPLACE"], sources: ["list"], destinations: ["set"] },
  { call: ["copy", "SRC", "DST", "SIDEWAYS"], sources: ["list"], destinations: ["nothing"] },
  { call: ["smove", "SRC", "DST", "a"], sources: SETS, destinations: SETS },
  { call: ["smove", "SRC", "DST", bytes], sources: ["set"], destinations: ["nothing", "set"] },
  { call: ["smove", "SRC", "DST", 2], sources: ["a set of numbers"], destinations: SETS },
  { call: ["smove", "SRC", "DST", "not there"], sources: SETS, destinations: SETS },
  { call: ["rpoplpush", "SRC", "DST"], sources: LISTS, destinations: LISTS },
  ...["left", "RIGHT"].flatMap((from) =>
    ["LEFT", "right"].map((into) => ({
      call: ["lmove", "SRC", "DST", from, into],
      sources: LISTS,
      destinations: LISTS,
    })),
  ),
  { call: ["lmove", "SRC", "DST", "UP", "LEFT"], sources: ["list"], destinations: ["nothing"] },
  { call: ["lmove", "SRC", "DST", "LEFT"], sources: ["list"], destinations: ["nothing"] },
  { call: ["rename", "SRC", "DST", "MORE"], sources: ["list"], destinations: ["nothing"] },
];

function fill(call: Call, keys: Readonly<Record<string, string | Buffer>>): (string | Buffer)[] {
  return call.map((word) => {
    if (typeof word === "number") return String(word);
    return typeof word === "string" ? (keys[word] ?? word) : word;
  });
}

/** What a command came to: its reply in bytes, or its error. */
async function outcome(
  client: { callBuffer(name: string, ...args: (string | Buffer)[]): Promise<unknown> },
  [name = "", ...args]: (string | Buffer)[],
): Promise<unknown> {
  try {
    return { reply: await client.callBuffer(String(name), ...args) };
  } catch (error) {
    return { error: String(error) };
  }
}

async function compare(
  t: ExecutionContext,
  { redis, nodes }: Pair,
  plain: Redis,
  keys: { readonly SRC: string | Buffer; readonly DST: string | Buffer },
  { call, sources, destinations }: Case,
): Promise<void> {
  for (const source of sources) {
    for (const destination of destinations) {
      await plain.flushall();
      for (const node of nodes) await node.flushall();
      for (const [key, thing] of [
        [keys.SRC, source],
        [keys.DST, destination],
      ] as const) {
        for (const make of THINGS[thing] ?? []) {
          const made = fill(make, { KEY: key });
          await outcome(plain, made);
          await outcome(redis, made);
        }
      }
      const told = `${call.map(String).join(" ")}: ${source} → ${destination}`;
      const wanted = await outcome(plain, fill(call, keys));
      t.deepEqual(await outcome(redis, fill(call, keys)), wanted, told);
      t.deepEqual(await look(nodes[0], keys.SRC), await look(plain, keys.SRC), `${told}: SRC`);
      t.deepEqual(await look(nodes[1], keys.DST), await look(plain, keys.DST), `${told}: DST`);
      t.is(await nodes[0].exists(keys.DST), 0, told);
      t.is(await nodes[1].exists(keys.SRC), 0, told);
    }
  }
  for (const node of nodes) await until(async () => (await node.keys("shardis:*")).length === 0);
}

async function openPlain(t: ExecutionContext): Promise<Redis> {
  const started = await startNodes(1);
  t.teardown(() => started.stop());
  const plain = new Redis(started.node(0).port);
  t.teardown(() => plain.disconnect());
  return plain;
}

test("every move between two nodes gives what one Redis gives", async (t) => {
  const pair = await openPair(t);
  const plain = await openPlain(t);
  const keys = { SRC: pair.keyOn(0, "source"), DST: pair.keyOn(1, "destination") };
  for (const row of CASES) await compare(t, pair, plain, keys, row);
});

test("binary keys are moved, with a prefix too", async (t) => {
  for (const keyPrefix of [undefined, "prefix:"]) {
    const pair = await openPair(t, keyPrefix === undefined ? {} : { keyPrefix });
    const find = (node: number) => {
      for (let number = 0; ; number++) {
        const key = Buffer.concat([bytes, Buffer.from([number])]);
        if (pair.redis.nodeFor(key).name === pair.servers[node]?.name) return key;
      }
    };
    const [source, destination] = [find(0), find(1)];
    const onWire = Buffer.concat([Buffer.from(keyPrefix ?? ""), destination]);
    await pair.redis.rpush(source, "a", bytes);
    t.deepEqual(await pair.redis.rpoplpushBuffer(source, destination), bytes);
    t.is(await pair.redis.lmove(source, destination, "LEFT", "LEFT"), "a");
    t.deepEqual(await pair.nodes[1].lrangeBuffer(onWire, 0, -1), [Buffer.from("a"), bytes]);
    t.is(await pair.redis.rename(destination, source), "OK");
    t.is(await pair.redis.copy(source, destination), 1);
    t.deepEqual(await pair.nodes[1].lrangeBuffer(onWire, 0, -1), [Buffer.from("a"), bytes]);
    for (const node of pair.nodes) await until(async () => (await ownKeys(node)).length === 0);
  }
});

test("servers without PEXPIRETIME keep the expiry to the millisecond or two", async (t) => {
  const args = ["--rename-command", "PEXPIRETIME", ""];
  const { redis, nodes, keyOn } = await openPair(t, {}, { args });
  const [source, destination] = [keyOn(0, "a"), keyOn(1, "b")];
  await redis.set(source, "one", "PXAT", later);
  await redis.set(destination, "two", "PXAT", later);
  t.is(await redis.rename(source, destination), "OK");
  // In one transaction, so that nothing comes between the two.
  const answers = await nodes[1].multi().pttl(destination).time().exec();
  const [left, [seconds, micros] = []] = (answers ?? []).map(([, answer]) => [answer].flat());
  const at = Number(left) + Number(seconds) * 1000 + Number(micros) / 1000;
  t.true(Math.abs(at - later) < 5, `${at - later} ms off`);
  t.is(await redis.exists(source), 0);
});

test("keys on one node, and one key, go to the server as they are", async (t) => {
  const { redis, nodes, keyOn } = await openPair(t);
  const key = keyOn(0, "one");
  await redis.rpush(key, "a", "b");
  t.is(await redis.rename(key, key), "OK");
  t.is(await redis.renamenx(key, key), 0);
  t.is(await redis.lmove(key, key, "LEFT", "RIGHT"), "a");
  await t.throwsAsync(redis.copy(key, key), { message: /are the same/ });
  t.deepEqual(await nodes[0].lrange(key, 0, -1), ["b", "a"]);
  t.is(await redis.rename(key, `{${key}}2`), "OK");
  t.regex(await nodes[0].info("commandstats"), /cmdstat_rename:calls=2/);
});

test("explain, strict, and pipelines know moves", async (t) => {
  const { redis, keyOn, servers } = await openPair(t);
  const [source, destination] = [keyOn(0, "a"), keyOn(1, "b")];
  const names = servers.map(({ name }) => name);
  const { strategy, nodes, roundTrips, atomicity } = redis.explain("rename", [source, destination]);
  t.deepEqual([strategy, nodes, roundTrips, atomicity], ["move", names, 3, "emulated"]);
  t.is(redis.explain("copy", [source, destination]).roundTrips, 2);
  t.is(redis.explain("rename", [source, source]).strategy, "node");
  const refused = await t.throwsAsync(redis.strict.rename(source, destination));
  t.true(refused instanceof ShardisError && refused.code === "CROSS_NODE");
  const results = await redis
    .pipeline()
    .rpush(source, "x")
    .lmove(source, destination, "LEFT", "LEFT")
    .lrange(destination, 0, -1)
    .rename(source, destination)
    .exec();
  t.deepEqual(
    results?.slice(0, 3).map(([, result]) => result),
    [1, "x", ["x"]],
  );
  t.is(results?.[3]?.[0]?.message, "ERR no such key");
});

test("COPY with DB is refused between nodes, and nothing is sent", async (t) => {
  const { redis, keyOn } = await openPair(t);
  const [source, destination] = [keyOn(0, "a"), keyOn(1, "b")];
  await redis.set(source, "1");
  const error = await t.throwsAsync(redis.copy(source, destination, "DB", 1));
  t.true(error instanceof ShardisError && error.code === "UNSUPPORTED");
  t.is(await redis.exists(destination), 0);
});

test("an error of the server names the user's command, not the script", async (t) => {
  const { redis, keyOn } = await openPair(t);
  const [source, destination] = [keyOn(0, "a"), keyOn(1, "b")];
  await redis.rpush(source, "x");
  await redis.set(destination, "string");
  const error = await t.throwsAsync(redis.lmove(source, destination, "LEFT", "LEFT"));
  t.like(error, { command: { name: "lmove", args: [source, destination, "LEFT", "LEFT"] } });
  t.deepEqual(await redis.lrange(source, 0, -1), ["x"]);
});

test("our own keys show neither in keys nor in scan", async (t) => {
  const { redis, nodes } = await openPair(t);
  const own = ["journal", "journal:x:1", "mark:x:1", "done:x:1", "kept:x:1", "copy:x:1"];
  for (const key of own) await nodes[0].set(`shardis:${key}`, "1");
  await nodes[0].set("shardis:theirs", "1");
  t.deepEqual(await redis.keys("*"), ["shardis:theirs"]);
  const seen: unknown[] = [];
  for await (const keys of redis.scanStream()) seen.push(...keys);
  t.deepEqual(seen, ["shardis:theirs"]);
});
