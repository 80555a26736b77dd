/** What autoBatch sends: how many writes, of which commands, in which bytes. */
import test, { type ExecutionContext } from "ava";
import type { ShardedRedis, ShardedRedisOptions } from "../src/index.ts";
import { startPeer } from "./helpers/peer.ts";
import { commandsIn, recordBatches, recordWrites } from "./helpers/sent-bytes.ts";
import { at, failure, keysOn, newClient, start } from "./helpers/setup.ts";

/** A client and what it writes, by the name of the node. */
interface Watched {
  readonly redis: ShardedRedis;
  readonly batches: readonly number[];
  /** The writes since it was last asked. */
  take(): Record<string, Buffer[]>;
}

async function watched(
  t: ExecutionContext,
  count: number,
  options: ShardedRedisOptions = {},
): Promise<Watched> {
  const { nodes } = await start(t, count);
  // Names as rediscluster wants them.
  const named = nodes.map(({ host, port }, index) => ({ name: `node_${index + 1}`, host, port }));
  const redis = newClient(t, named, options);
  await redis.connect();
  return watch(redis);
}

function watch(redis: ShardedRedis): Watched {
  const clients = redis.nodes();
  const writes = clients.map(recordWrites);
  const take = () => {
    const all = writes.map((writes) => writes.splice(0));
    return Object.fromEntries(all.map((writes, index) => [`node_${index + 1}`, writes]));
  };
  return { redis, batches: recordBatches(clients), take };
}

/** Commands as text, those of each write. */
function asText(writes: readonly Buffer[] = []): string[][] {
  return writes.map((bytes) => commandsIn(bytes).map((args) => args.join(" ")));
}

test("commands of a tick are one write to each node, in their order", async (t) => {
  const { redis, batches, take } = await watched(t, 3);
  const nodes = ["node_1", "node_2", "node_3"];
  const keys = nodes.flatMap((node) => keysOn(redis, node, 20)).sort();
  const expected = (node: string, verb: string) =>
    keys.filter((key) => redis.nodeFor(key).name === node).map((key) => `${verb} ${key}`);
  await Promise.all([
    ...keys.map((key) => redis.append(key, "1")),
    ...keys.map((key) => redis.getBuffer(key)),
  ]);
  const writes = take();
  for (const node of nodes) {
    const appends = expected(node, "append").map((command) => `${command} 1`);
    t.deepEqual(asText(writes[node]), [[...appends, ...expected(node, "get")]], node);
  }
  t.deepEqual(batches, [40, 40, 40]);
});

test("a promise that is awaited ends the batch: what follows is another", async (t) => {
  const { redis, take } = await watched(t, 1);
  const first = Promise.all([redis.set("a", 1), redis.incr("a")]);
  await Promise.resolve();
  const second = redis.incr("a");
  t.deepEqual([await first, await second], [["OK", 2], 3]);
  // Microtasks run in the same tick.
  await redis.incr("a");
  t.deepEqual(asText(take().node_1), [["set a 1", "incr a", "incr a"], ["incr a"]]);
});

test("what cannot wait is sent after what came before it in the tick", async (t) => {
  const { redis, take } = await watched(t, 1);
  const long = "x".repeat(100_000);
  const replies = await Promise.all([
    redis.set("a", 1),
    redis.mget("a", "b"),
    redis.incr("a"),
    redis.hset("h", { field: "value" }),
    redis.incr("a"),
    redis.set("long", long),
    redis.strlen("long"),
    redis.pipeline().incr("a").mget("a", "b").exec(),
    redis.incr("a"),
    redis.multi().incr("a").exec(),
    redis.incr("a"),
    redis.node("node_1").incr("a"),
    redis.by("a").incr("a"),
    redis.incr("a"),
    redis.each.dbsize(),
  ]);
  t.deepEqual(replies, [
    "OK",
    ["1", null],
    2,
    1,
    3,
    "OK",
    100_000,
    [
      [null, 4],
      [null, ["4", null]],
    ],
    5,
    [[null, 6]],
    7,
    8,
    9,
    10,
    { node_1: 3 },
  ]);
  const sent = take().node_1?.flatMap((bytes) => commandsIn(bytes).map(([name]) => String(name)));
  t.is(
    sent?.join(" "),
    "set mget incr hset incr set strlen incr mget incr multi incr exec incr incr incr incr dbsize",
  );
});

test("commands of strict and tagged are in the batch of the client's", async (t) => {
  const { redis, batches, take } = await watched(t, 1);
  const replies = await Promise.all([
    redis.strict.incr("a"),
    redis.incr("a"),
    redis.tagged.incr("a"),
    redis.strict.getBuffer("a"),
  ]);
  t.deepEqual(replies, [1, 2, 3, Buffer.from("3")]);
  t.deepEqual(asText(take().node_1), [["incr a", "incr a", "incr a", "get a"]]);
  t.deepEqual(batches, [4]);
  // Several in a pipeline, too.
  await redis.strict.pipeline().incr("a").incr("a").exec();
  t.deepEqual(batches, [4, 2]);
});

for (const [what, options] of [
  ["keys as they are", {}],
  ["a prefix", { keyPrefix: "p:" }],
  ["a scheme that rewrites keys", { placement: { scheme: "rediscluster", client: "python3" } }],
  ["a placement function", { placement: (key: Buffer) => `node_${1 + (key.length % 3)}` }],
] as const) {
  test(`commands of by() are one batch for each node that was chosen, with ${what}`, async (t) => {
    const { redis, batches, take } = await watched(t, 3, options);
    const nodes = ["node_1", "node_2", "node_3"] as const;
    const [a, b, c] = nodes.map((node) => redis.by(at(keysOn(redis, node, 1))));
    const odd = Buffer.from([0xff, 0x0d, 0x0a]);
    const replies = await Promise.all([
      ...[a, b, c].flatMap((view) => [view?.append("x{y}", "1"), view?.append(odd, "ü")]),
      ...[c, b, a].map((view) => view?.strlen("x{y}")),
    ]);
    t.deepEqual(replies, [1, 2, 1, 2, 1, 2, 1, 1, 1]);
    t.deepEqual(batches, [3, 3, 3]);
    const prefix = "keyPrefix" in options ? options.keyPrefix : "";
    const writes = take();
    for (const node of nodes) {
      const expected = [
        ["append", Buffer.from(`${prefix}x{y}`), "1"],
        ["append", Buffer.concat([Buffer.from(prefix), odd]), "ü"],
        ["strlen", Buffer.from(`${prefix}x{y}`)],
      ].map((args) => args.map((arg) => Buffer.from(arg)));
      t.deepEqual((writes[node] ?? []).map(commandsIn), [expected], node);
    }
    // A lone one goes as it is, and a key that is none has only its command refused.
    t.is(await a?.strlen("x{y}"), 1);
    for (const count of [1, 2]) {
      const [bad, ...good] = await Promise.allSettled([
        a?.get("\ud800"),
        ...Array.from({ length: count - 1 }, () => a?.strlen("x{y}")),
      ]);
      t.true(bad?.status === "rejected" && bad.reason.code === "BAD_KEY");
      for (const result of good) t.true(result.status === "fulfilled" && result.value === 1);
    }
  });
}

test("commands of by() and others keep their order on a node", async (t) => {
  const peer = await startPeer(t);
  const redis = newClient(t, [{ host: peer.host, port: peer.port }]);
  await redis.connect();
  peer.chunks.length = 0;
  peer.answer(5, [Buffer.from(":1\r\n:2\r\n:3\r\n:4\r\n:5\r\n")]);
  const by = redis.by("any");
  const replies = await Promise.all([
    redis.incr("a"),
    by.incr("a"),
    by.incr("a"),
    redis.incr("a"),
    by.incr("a"),
  ]);
  t.deepEqual(replies, [1, 2, 3, 4, 5]);
  t.is(peer.chunks.length, 1);
});

test("commands of by() wait for a node that is not ready", async (t) => {
  const { nodes } = await start(t, 2);
  const redis = newClient(t, nodes);
  const [a, b] = nodes.map(({ name }) => redis.by(at(keysOn(redis, name, 1))));
  t.deepEqual(await Promise.all([a?.incr("n"), b?.incr("n"), b?.incr("n")]), [1, 1, 2]);
});

test("all that is written in a tick arrives together", async (t) => {
  const peer = await startPeer(t);
  const redis = newClient(t, [{ host: peer.host, port: peer.port }]);
  await redis.connect();
  peer.chunks.length = 0;
  peer.answer(5, [Buffer.from("+OK\r\n*2\r\n:1\r\n:2\r\n:1\r\n:2\r\n:3\r\n")]);
  await Promise.all([
    redis.set("a", 1),
    redis.mget("a", "b"),
    redis.hset("h", { field: "value" }),
    redis.incr("a"),
    redis.pipeline().incr("a").exec(),
  ]);
  t.is(peer.chunks.length, 1);
  t.is(commandsIn(at(peer.chunks)).length, 5);
});

test("of commands of many keys in one tick all but the first go together", async (t) => {
  const { redis, take } = await watched(t, 2);
  const keys = Array.from({ length: 20 }, (_, index) => `key:${index}`);
  const streams = redis.nodes().map(({ stream }) => stream);
  const isCorked = () => streams.map((stream) => stream.writableCorked > 0);
  await redis.mset(keys.flatMap((key) => [key, key]));
  take();
  const first = redis.mget(keys);
  t.deepEqual(isCorked(), [false, false]);
  const others = [redis.mget(keys), redis.del(keys), redis.mget(keys)];
  t.deepEqual(isCorked(), [true, true]);
  await Promise.resolve();
  const last = redis.exists(keys);
  t.deepEqual(await Promise.all([first, ...others, last]), [
    keys,
    keys,
    20,
    keys.map(() => null),
    0,
  ]);
  t.deepEqual(isCorked(), [false, false]);
  for (const writes of Object.values(take())) {
    const names = writes.flatMap(commandsIn).map(([name]) => String(name));
    t.is(names.join(" "), "mget mget del mget exists");
  }
});

test("a tick of very many commands is cut, and still in order", async (t) => {
  const { redis, batches } = await watched(t, 1);
  const replies = await Promise.all(Array.from({ length: 12_001 }, () => redis.incr("counter")));
  t.deepEqual(
    replies,
    replies.map((_, index) => index + 1),
  );
  t.deepEqual(batches, [5000, 5000, 2001]);
});

test("a command of many keys is one command a node, and more than 10,000 go in pieces", async (t) => {
  const { redis, take } = await watched(t, 3);
  const keys = Array.from({ length: 10_001 }, (_, index) => `key:${index}`);
  /** What each command was, and how many arguments of keys and values it had. */
  const sent = () =>
    Object.values(take()).map((writes) =>
      writes.flatMap(commandsIn).map((args) => [String(args[0]), args.length - 1] as const),
    );
  const total = (commands: readonly (readonly (readonly [string, number])[])[]) =>
    commands.flat().reduce((sum, [, count]) => sum + count, 0);

  await redis.mset(...keys.slice(0, 10_000).flatMap((key) => [key, `value of ${key}`]));
  let commands = sent();
  t.deepEqual(
    commands.map((of) => of.length),
    [1, 1, 1],
  );
  t.is(total(commands), 20_000);

  const values = await redis.mget(keys);
  commands = sent();
  t.is(total(commands), 10_001);
  // The last piece is one key.
  t.deepEqual(
    commands
      .flat()
      .map(([, count]) => count)
      .sort((a, b) => a - b)[0],
    1,
  );
  t.is(commands.flat().length, 4 * 3 + 1);
  t.deepEqual(
    values,
    keys.map((key, index) => (index < 10_000 ? `value of ${key}` : null)),
  );

  for (const command of ["exists", "touch", "unlink", "del"] as const) {
    const some = keys.slice(0, 1000);
    t.is(await redis[command](...some), command === "del" ? 0 : 1000, command);
    commands = sent();
    t.deepEqual(
      commands.map((of) => of.map(([name]) => name)),
      [[command], [command], [command]],
    );
    t.is(total(commands), 1000);
  }
});

test("a pipeline is one write to each node", async (t) => {
  const { redis, batches, take } = await watched(t, 3);
  const keys = ["node_1", "node_2", "node_3"].flatMap((node) => keysOn(redis, node, 5));
  const pipeline = redis.pipeline();
  for (const key of keys) pipeline.set(key, 1).incr(key);
  const results = await pipeline.exec();
  t.deepEqual(
    results,
    keys.flatMap(() => [
      [null, "OK"],
      [null, 2],
    ]),
  );
  t.deepEqual(
    Object.values(take()).map(({ length }) => length),
    [1, 1, 1],
  );
  t.deepEqual(batches, [10, 10, 10]);
});

test("without autoBatch every command is one of ioredis'", async (t) => {
  const { redis, batches, take } = await watched(t, 2, { autoBatch: false });
  const keys = [...keysOn(redis, "node_1", 3), ...keysOn(redis, "node_2", 3)];
  await Promise.all([...keys.map((key) => redis.set(key, 1)), redis.mget(keys)]);
  t.deepEqual(
    Object.values(take()).map((writes) => asText(writes).map(({ length }) => length)),
    [
      [1, 1, 1, 1],
      [1, 1, 1, 1],
    ],
  );
  t.deepEqual(batches, []);
});

test("a key that cannot be one is refused alone", async (t) => {
  const { redis, take } = await watched(t, 2);
  const lone = "key:\ud83d";
  const results = await Promise.allSettled([
    redis.set("a", 1),
    redis.set(lone, 1),
    redis.set("b", 2),
    redis.get("a"),
    redis.mget("a", lone),
    redis.get("b"),
  ]);
  const outcomes = results.map((result) =>
    result.status === "fulfilled" ? result.value : result.reason.code,
  );
  t.deepEqual(outcomes, ["OK", "BAD_KEY", "OK", "1", "BAD_KEY", "2"]);
  t.false(
    Object.values(take())
      .flat()
      .some((bytes) => bytes.includes("key:")),
  );
  t.is((await failure(t, redis.get(lone), 5000)).code, "BAD_KEY");
});

test("a Buffer may be written over once the call has returned", async (t) => {
  const { redis } = await watched(t, 2);
  const scratch = Buffer.alloc(5);
  const writes: Promise<unknown>[] = [];
  for (const text of ["key:1", "key:2", "key:3"]) {
    scratch.write(text);
    writes.push(redis.set(scratch, scratch));
  }
  scratch.fill(0);
  await Promise.all(writes);
  t.deepEqual(await redis.mget("key:1", "key:2", "key:3"), ["key:1", "key:2", "key:3"]);
});
