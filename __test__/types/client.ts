/** What the compiler must accept of a client, and what it must not. Nothing here runs. */
import type { Redis, RedisCommander, Result } from "ioredis";
import {
  type ByNode,
  type CommandView,
  type EachView,
  type Explanation,
  type NodeDescription,
  type NodeInput,
  type NodeView,
  PartialFailureError,
  ShardedRedis,
  type ShardedRedisStatus,
  ShardisError,
} from "../../src/index.ts";

/** Compiles only if the two types are the same. */
function same<A, B>(
  ..._: (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? [] : [never]
) {}

declare const redis: ShardedRedis;

// A client has every command of ioredis, with its types.
const commander: RedisCommander<{ type: "default" }> = redis;
commander.get("key");

export async function results() {
  same<Promise<string | null>, ReturnType<typeof get>>();
  const get = () => redis.get("key");
  same<string | null, Awaited<ReturnType<typeof get>>>();
  const values = await redis.mget("a", "b");
  same<(string | null)[], typeof values>();
  const listed = await redis.mget(["a", Buffer.from("b")]);
  same<(string | null)[], typeof listed>();
  const bytes = await redis.getBuffer("key");
  same<Buffer | null, typeof bytes>();
  const all = await redis.mgetBuffer("key");
  same<(Buffer | null)[], typeof all>();
  const hash = await redis.hgetall("hash");
  same<Record<string, string>, typeof hash>();
  const set = await redis.set("key", "value");
  same<"OK", typeof set>();
  const conditional = await redis.set("key", "value", "EX", 1, "NX");
  same<"OK" | null, typeof conditional>();
  const count = await redis.del("a", "b");
  same<number, typeof count>();
  const members = await redis.smembers("set");
  same<string[], typeof members>();
  const written = await redis.mset({ a: 1, b: Buffer.alloc(1) });
  same<"OK", typeof written>();
  await redis.mset(new Map([["a", "1"]]));
  const called = await redis.call("get", "key");
  same<unknown, typeof called>();
}

export function callbacks() {
  redis.get("key", (error, value) => {
    same<Error | null | undefined, typeof error>();
    same<string | null | undefined, typeof value>();
  });
  // @ts-expect-error a callback of another type
  redis.get("key", (_: Error | null | undefined, value: number) => value);
}

export async function views() {
  const sizes = await redis.each.dbsize();
  same<Record<string, number>, typeof sizes>();
  same<ByNode<number>, typeof sizes>();
  const info = await redis.each.info("server");
  same<Record<string, string>, typeof info>();
  const stored = await redis.each.getBuffer("key");
  same<Record<string, Buffer | null>, typeof stored>();
  same<EachView, typeof redis.each>();

  const pinned = redis.by("home");
  same<NodeView, typeof pinned>();
  const value = await pinned.get("key");
  same<string | null, typeof value>();
  const replies = await pinned.pipeline().get("a").exec();
  same<[error: Error | null, result: unknown][] | null, typeof replies>();
  await pinned.multi().incr("a").exec();
  redis.by(Buffer.from("home"));
  redis.by(7);

  const client: Redis = redis.node("a");
  const clients: Redis[] = redis.nodes();
  return [client, clients];
}

export async function overNodes() {
  const replies = await redis.pipeline().set("a", "1").mget("b", "c").exec();
  same<[error: Error | null, result: unknown][] | null, typeof replies>();
  await redis.pipeline([["get", "a"]]).exec((_, results) => results?.length);
  const results = await redis
    .multi([["incr", "a"]])
    .getBuffer("a")
    .exec();
  same<[error: Error | null, result: unknown][] | null, typeof results>();
  const strict = await redis.strict.mget("a", "b");
  same<(string | null)[], typeof strict>();
  const tagged = await redis.tagged.getBuffer("a");
  same<Buffer | null, typeof tagged>();
  redis.defineCommand("mine", { lua: "return 1", numberOfKeys: 1, readOnly: true });
  for await (const keys of redis.scanStream({ match: "a*", count: 10 })) return keys;
  const told = redis.explain("mget", ["a", Buffer.from("b")]);
  same<number, typeof told.roundTrips>();
  same<"atomic" | "per node" | "emulated", typeof told.atomicity>();
  return told.hint;
}

export async function transactions() {
  const value = await redis.transaction(["a", Buffer.from("b"), 7], async (tx) => {
    same<CommandView, typeof tx>();
    const value = await tx.get("a");
    same<string | null, typeof value>();
    const echoed = await tx.myecho("x");
    same<string, typeof echoed>();
    const results = await tx.multi().set("a", "1").myecho("x").exec();
    same<[error: Error | null, result: unknown][] | null, typeof results>();
    return { value };
  });
  same<{ value: string | null }, typeof value>();
  const count = await redis.by("home").transaction(["a"], () => 1, { retries: 3 });
  same<number, typeof count>();
  // @ts-expect-error the keys are an array
  await redis.transaction("a", () => 1);
  // @ts-expect-error an object is no key
  await redis.transaction([{}], () => 1);
  // @ts-expect-error there is no such option
  await redis.transaction(["a"], () => 1, { attempts: 3 });
  // @ts-expect-error no work
  await redis.transaction(["a"]);
  // @ts-expect-error one within another would be another's
  await redis.transaction(["a"], (tx) => tx.transaction(["a"], () => 1));
}

export function asking() {
  const node: NodeDescription = redis.nodeFor("key");
  const explanation: Explanation = redis.explain("key");
  const groups: Map<string, string[]> = redis.groupByNode(["a", "b"]);
  const mixed: Map<string, (Buffer | number)[]> = redis.groupByNode([Buffer.from("a"), 1]);
  const status: ShardedRedisStatus = redis.status;
  return [node.host, explanation.slot, groups, mixed, status];
}

export async function streams() {
  for await (const fields of redis.hscanStream("hash", { match: "a*", count: 10 })) return fields;
  for await (const members of redis.sscanBufferStream("set")) return members;
}

// Views have every command of ioredis too, but that of each has other results.
export function commanders() {
  const checked: RedisCommander<{ type: "default" }>[] = [redis.strict, redis.tagged];
  const pinned: RedisCommander<{ type: "default" }> = redis.by("home");
  const everywhere: RedisCommander<{ type: "each" }> = redis.each;
  const pipelined: RedisCommander<{ type: "pipeline" }> = redis.pipeline();
  const transacted: RedisCommander<{ type: "pipeline" }> = redis.strict.multi();
  // @ts-expect-error its results are by node
  const each: RedisCommander<{ type: "default" }> = redis.each;
  return [checked, pinned, everywhere, pipelined, transacted, each];
}

export async function viewResults() {
  same<CommandView, typeof redis.strict>();
  same<CommandView, typeof redis.tagged>();
  for (const view of [redis.strict, redis.tagged, redis.by("home")]) {
    const value = await view.get("key");
    same<string | null, typeof value>();
    const bytes = await view.hgetallBuffer("key");
    same<Record<string, Buffer>, typeof bytes>();
    const set = await view.set("key", "value", "EX", 1, "NX");
    same<"OK" | null, typeof set>();
    const called = await view.call("get", "key");
    same<unknown, typeof called>();
    view.mget(["a", Buffer.from("b")], (error, values) => {
      same<Error | null | undefined, typeof error>();
      same<(string | null)[] | undefined, typeof values>();
    });
    const replies = await view
      .pipeline([["get", "a"]])
      .mget("a")
      .exec();
    same<[error: Error | null, result: unknown][] | null, typeof replies>();
    // @ts-expect-error an object is no key
    await view.get({});
    // @ts-expect-error no such command
    await view.gett("key");
  }
  const values = await redis.each.mget("a", "b");
  same<Record<string, (string | null)[]>, typeof values>();
  const called = await redis.each.call("get", "key");
  same<ByNode<unknown>, typeof called>();
  // @ts-expect-error no key
  await redis.each.get();
  // @ts-expect-error a view is no client
  redis.strict.disconnect();
  // @ts-expect-error nothing runs on every node as one pipeline
  redis.each.pipeline();
  // @ts-expect-error views are only to be read
  redis.strict = redis.tagged;
}

// What others add to ioredis is there, in every view.
declare module "ioredis" {
  interface RedisCommander<Context> {
    myecho(text: string): Result<string, Context>;
  }
}

export async function augmented() {
  const own = await redis.myecho("x");
  same<string, typeof own>();
  const each = await redis.each.myecho("x");
  same<Record<string, string>, typeof each>();
  for (const view of [redis.by("k"), redis.strict, redis.tagged]) {
    const echoed = await view.myecho("x");
    same<string, typeof echoed>();
  }
  for (const pipeline of [redis.pipeline(), redis.multi(), redis.by("k").pipeline()]) {
    const replies = await pipeline.myecho("x").get("a").myecho("y").exec();
    same<[error: Error | null, result: unknown][] | null, typeof replies>();
    // @ts-expect-error a number is no text
    pipeline.myecho(1);
  }
  // @ts-expect-error a number is no text
  await redis.strict.myecho(1);
}

export function construction() {
  const nodes: NodeInput[] = [
    "redis://localhost?name=a",
    6379,
    { name: "b", host: "localhost", port: 6379, weight: 2, tls: { rejectUnauthorized: true } },
    { path: "/run/redis.sock", redisOptions: { connectTimeout: 1 } },
    { sentinels: [{ host: "s", port: 26379 }], sentinelName: "mymaster" },
  ];
  new ShardedRedis(nodes);
  new ShardedRedis(nodes, { placement: { scheme: "redis-shard", hash: "md5" }, keyPrefix: "p:" });
  new ShardedRedis(nodes, { crossNode: "split", scripts: { mine: { lua: "return 1" } } });
  // @ts-expect-error no such mode
  new ShardedRedis(nodes, { crossNode: "never" });
  // @ts-expect-error a script without its source
  new ShardedRedis(nodes, { scripts: { mine: { numberOfKeys: 1 } } });
  new ShardedRedis(nodes, { placement: (key) => (key.length > 3 ? "a" : "b") });
  new ShardedRedis(["localhost:1"] as const, { redisOptions: { db: 1 } }).duplicate([], {});
  // @ts-expect-error no nodes
  new ShardedRedis();
  // @ts-expect-error not a list
  new ShardedRedis("localhost:6379");
  // @ts-expect-error no option of shardis
  new ShardedRedis(nodes, { password: "secret" });
  // @ts-expect-error no scheme
  new ShardedRedis(nodes, { placement: { scheme: "nope" } });
  // @ts-expect-error no parameter of this scheme
  new ShardedRedis(nodes, { placement: { scheme: "mredis", hash: "md5" } });
  // @ts-expect-error no option of a node
  new ShardedRedis([{ host: "localhost", passwrod: "secret" }]);
}

export async function wrong() {
  // @ts-expect-error no key
  await redis.get();
  // @ts-expect-error an object is no key
  await redis.get({});
  // @ts-expect-error undefined is no key
  await redis.get(undefined);
  // @ts-expect-error undefined is no value
  await redis.set("key", undefined);
  // @ts-expect-error no such command
  await redis.gett("key");
  // @ts-expect-error an object is no key
  redis.nodeFor({});
  // @ts-expect-error names are strings
  redis.node(1);
  // @ts-expect-error a client is no ioredis client
  const plain: Redis = redis;
  // @ts-expect-error the options are only to be read
  redis.options = {};
  return plain;
}

export function errors(error: unknown) {
  if (error instanceof PartialFailureError) {
    for (const [node, { outcome, keys }] of error.failures) return [node, outcome, keys];
  }
  if (error instanceof ShardisError && error.code === "NODE_DOWN") return error.node;
  // @ts-expect-error no such code
  return error instanceof ShardisError && error.code === "NODE_UP";
}

export async function ended() {
  await using own = new ShardedRedis(["localhost:1"]);
  same<"OK", Awaited<ReturnType<typeof own.quit>>>();
  same<void, ReturnType<typeof own.disconnect>>();
}
