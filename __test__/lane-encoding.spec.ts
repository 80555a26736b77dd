/**
 * The bytes on the lane are those that ioredis would send to the same nodes, whatever keys
 * and arguments are made of. `FC_RUNS` takes another number of runs, `FC_SEED` another seed.
 */
import test, { type ExecutionContext } from "ava";
import fc from "fast-check";
import { Command } from "ioredis";
import type { ShardedRedis, ShardedRedisOptions } from "../src/index.ts";
import { bytes, checkAsync, key, text } from "./helpers/arbitraries.ts";
import { recordWrites } from "./helpers/sent-bytes.ts";
import { newClient, start, watchRejections } from "./helpers/setup.ts";

watchRejections(test);

/** A call of `call`. */
interface Call {
  readonly name: string;
  readonly keys: readonly Argument[];
  /** What follows the key; for mset, what follows each of them. */
  readonly rest: readonly Argument[];
}

type Argument = string | Buffer | number;

const EMPTY = Buffer.alloc(0);

/** Halves of surrogate pairs, which at the borders of two arguments would make a whole. */
const halves = fc.string({ unit: fc.constantFrom("a", "é", "\ud83d", "\ude00"), maxLength: 4 });

const number = fc.oneof(
  fc.integer(),
  fc.double(),
  fc.constantFrom(2 ** 53, -(2 ** 53), 2 ** 64, 1e21, 1e22, 1.5e300, 1e-7, -0, Infinity, NaN),
);

const long = fc
  .tuple(fc.constantFrom("x", "é", "\ud83d"), fc.constantFrom(9_999, 10_000, 60_000, 100_000))
  .map(([unit, length]) => unit.repeat(length));

const argument = fc.oneof(
  { weight: 6, arbitrary: text },
  { weight: 4, arbitrary: halves },
  { weight: 3, arbitrary: bytes },
  { weight: 3, arbitrary: number },
  { weight: 1, arbitrary: fc.constantFrom("", Buffer.alloc(0)) },
  { weight: 1, arbitrary: long },
  { weight: 1, arbitrary: long.map((text) => Buffer.from(text)) },
);

const anyKey = fc.oneof({ weight: 12, arbitrary: key }, { weight: 1, arbitrary: halves });

const keyed: fc.Arbitrary<Call> = fc
  .record({
    name: fc.constantFrom("get", "set", "SET", "append", "hset", "Rpush", "sadd", "setrange"),
    keys: fc.tuple(anyKey),
    rest: fc.array(argument, { maxLength: 4 }),
  })
  // ioredis takes a lone Buffer for an object of fields, and sends each byte as one.
  .filter(({ name, rest }) => name !== "hset" || rest.length !== 1);

const KEYS = ["mget", "del", "unlink", "exists", "touch"] as const;

const many: fc.Arbitrary<Call> = fc.oneof(
  fc.record({
    name: fc.constantFrom(...KEYS),
    keys: fc.array(anyKey, { minLength: 1, maxLength: 8 }),
    rest: fc.constant([]),
  }),
  fc.array(fc.tuple(anyKey, argument), { minLength: 1, maxLength: 6 }).map((pairs) => ({
    name: "mset",
    keys: pairs.map(([key]) => key),
    rest: pairs.map(([, value]) => value),
  })),
);

/** Mostly ticks of one kind of argument: each kind is written in a way of its own. */
const tick: fc.Arbitrary<Call[]> = fc.oneof(
  fc.array(fc.oneof({ weight: 4, arbitrary: keyed }, { weight: 1, arbitrary: many }), {
    minLength: 1,
    maxLength: 20,
  }),
  fc.array(
    fc.record({
      name: fc.constantFrom("get", "append", "sadd"),
      keys: fc.tuple(text),
      rest: fc.array(fc.oneof(text, halves), { maxLength: 2 }),
    }),
    { minLength: 1, maxLength: 30 },
  ),
);

/** How keys get where they go: with placement in native code or not, rewritten or not. */
const CONFIGURATIONS: Readonly<Record<string, ShardedRedisOptions>> = {
  "slots and tags": {},
  "a scheme that tells text from bytes": { placement: { scheme: "redis-shard" } },
  "a scheme that rewrites keys": { placement: { scheme: "rediscluster" } },
  "a function": { placement: (key) => `node_${1 + (key.reduce((a, b) => a + b, 0) % 3)}` },
  "a prefix": { keyPrefix: "préfixe:{" },
  "no batches": { autoBatch: false },
};

for (const [title, options] of Object.entries(CONFIGURATIONS)) {
  test(`with ${title}, each node gets the bytes that ioredis would send it`, async (t) => {
    const redis = await connect(t, options);
    const writes = redis.nodes().map(recordWrites);
    const names = redis.placement.nodes;
    await checkAsync(
      fc.asyncProperty(tick, async (calls) => {
        const wanted = calls.map((call) => wantedOf(redis, call));
        const results = await Promise.allSettled(calls.map((call) => send(redis, call)));
        for (const [index, result] of results.entries()) {
          const isRefused = result.status === "rejected" && result.reason.code === "BAD_KEY";
          if (isRefused !== (wanted[index] === undefined)) throw new Error(`${index} is refused`);
        }
        for (const [index, name] of names.entries()) {
          const sent = Buffer.concat(writes[index]?.splice(0) ?? []);
          const expected = Buffer.concat(wanted.map((bytes) => bytes?.get(name) ?? EMPTY));
          if (!sent.equals(expected)) throw new Error(difference(name, sent, expected));
        }
      }),
      100,
    );
    t.pass();
  });
}

async function connect(t: ExecutionContext, options: ShardedRedisOptions): Promise<ShardedRedis> {
  const { nodes } = await start(t, 3);
  // Names as rediscluster wants them.
  const named = nodes.map(({ host, port }, index) => ({ name: `node_${index + 1}`, host, port }));
  const redis = newClient(t, named, options);
  await redis.connect();
  return redis;
}

function send(redis: ShardedRedis, { name, keys, rest }: Call): Promise<unknown> {
  const pairs = () => keys.flatMap((key, index) => [key, rest[index] ?? ""]);
  return redis.call(name, ...(name === "mset" ? pairs() : [...keys, ...rest]));
}

/** What ioredis would send of a call, by node; undefined if a key of it is refused. */
function wantedOf(
  redis: ShardedRedis,
  { name, keys, rest }: Call,
): Map<string, Buffer> | undefined {
  const args = new Map<string, (string | Buffer | number)[]>();
  try {
    for (const [index, key] of keys.entries()) {
      const { node, storedKey } = redis.explain(key);
      const own = name === "mset" ? rest.slice(index, index + 1) : rest;
      args.set(node, [...(args.get(node) ?? []), storedKey, ...own]);
    }
  } catch {
    return undefined;
  }
  return new Map(
    [...args].map(([node, args]) => [node, Buffer.from(new Command(name, args).toWritable({}))]),
  );
}

function difference(node: string, sent: Buffer, expected: Buffer): string {
  const at = sent.findIndex((byte, index) => byte !== expected[index]);
  const around = (bytes: Buffer) => bytes.toString("latin1", Math.max(0, at - 80), at + 80);
  return `${node} got …${around(sent)}…, not …${around(expected)}…`;
}
