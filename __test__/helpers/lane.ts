/** What the tests of the lane share: many commands at once, each of whose outcomes can be told. */
import type { ExecutionContext } from "ava";
import { Redis } from "ioredis";
import { PartialFailureError, type ShardedRedis, ShardisError } from "../../src/index.ts";
import type { TcpTestNode } from "../../src/testing/index.ts";
import { type Call, fill } from "./pipelines.ts";
import { at, until } from "./setup.ts";

/** What became of one key. */
export interface Outcome {
  readonly value: unknown;
  readonly error: unknown;
}

/** Sends something about each of many keys in one tick. */
export type Ask = (redis: ShardedRedis, keys: readonly string[]) => Promise<Outcome[]>;

/** The value of a key, which no other key has. */
export function textOf(key: string): string {
  return `<${key}> is ${key}`;
}

/** Ways to read keys that hold their values. */
export const READS: Readonly<Record<string, Ask>> = {
  "gets in one tick": (redis, keys) => all(keys.map((key) => redis.get(key))),
  "getBuffers in one tick": (redis, keys) =>
    all(keys.map(async (key) => String(await redis.getBuffer(key)))),
  mget: (redis, keys) => each(keys, redis.mget([...keys])),
  "a pipeline of gets": (redis, keys) => {
    const pipeline = redis.pipeline();
    for (const key of keys) pipeline.get(key);
    return results(pipeline.exec());
  },
  "a pipeline of mgets of one key each": async (redis, keys) => {
    const pipeline = redis.pipeline();
    for (const key of keys) pipeline.mget(key);
    return (await results(pipeline.exec())).map(({ value, error }) => ({
      value: Array.isArray(value) ? value[0] : value,
      error,
    }));
  },
};

/** Ways to count keys up that are not there. */
export const COUNTS: Readonly<Record<string, Ask>> = {
  "incrs in one tick": (redis, keys) => all(keys.map((key) => redis.incr(key))),
  "a pipeline of incrs": (redis, keys) => {
    const pipeline = redis.pipeline();
    for (const key of keys) pipeline.incr(key);
    return results(pipeline.exec());
  },
};

/** Ways to write the value of each key, which is answered with OK. */
export const WRITES: Readonly<Record<string, Ask>> = {
  "sets in one tick": (redis, keys) => all(keys.map((key) => redis.set(key, textOf(key)))),
  mset: (redis, keys) => {
    const pairs = keys.flatMap((key) => [key, textOf(key)]);
    return each(
      keys,
      redis.mset(pairs).then(() => keys.map(() => "OK")),
    );
  },
  "a pipeline of sets": (redis, keys) => {
    const pipeline = redis.pipeline();
    for (const key of keys) pipeline.set(key, textOf(key));
    return results(pipeline.exec());
  },
};

/** What becomes of promises, each by itself. */
export async function all(promises: readonly Promise<unknown>[]): Promise<Outcome[]> {
  const settled = await Promise.allSettled(promises);
  return settled.map((result) =>
    result.status === "fulfilled"
      ? { value: result.value, error: undefined }
      : { value: undefined, error: result.reason },
  );
}

/** Calls methods by their names, one after another. */
export function inOneTick(client: object, calls: readonly Call[]): Promise<Outcome[]> {
  const promises = calls.map(([name, ...args]): Promise<unknown> => {
    const method: unknown = Reflect.get(client, String(name));
    if (typeof method !== "function") throw new TypeError(`there is no method ${name}`);
    return Reflect.apply(method, client, args);
  });
  return all(promises);
}

/** Executes a pipeline, or a transaction, of calls of methods. */
export function inPipeline(pipeline: Executable, calls: readonly Call[]): Promise<Outcome[]> {
  return results(fill(pipeline, calls).exec());
}

interface Executable {
  exec(): Promise<[Error | null, unknown][] | null>;
}

async function results(exec: Promise<[Error | null, unknown][] | null>): Promise<Outcome[]> {
  return ((await exec) ?? []).map(([error, value]) => ({ value, error: error ?? undefined }));
}

/** What became of each key of one command over several nodes. */
async function each(keys: readonly string[], command: Promise<unknown>): Promise<Outcome[]> {
  try {
    const values = Object(await command);
    return keys.map((_, index) => ({ value: values[index], error: undefined }));
  } catch (error) {
    if (!(error instanceof PartialFailureError)) {
      return keys.map(() => ({ value: undefined, error }));
    }
    const { results, failures } = error;
    return keys.map((key, index) => {
      const failure = [...failures.values()].find((its) => its.keys.includes(key));
      if (failure !== undefined) return { value: undefined, error: failure.error };
      return { value: Array.isArray(results) ? results[index] : results, error: undefined };
    });
  }
}

/** Which node an error of the connection is about, and what it says. */
export interface Loss {
  readonly node: string;
  readonly message: RegExp;
  /** Of which code it is; by default any of a connection that failed with commands in flight. */
  readonly code?: RegExp;
}

/** Asserts that an error says of a command in flight that its node failed, and why. */
export function checkLoss(t: ExecutionContext, error: unknown, loss: Loss): void {
  if (!(error instanceof ShardisError)) throw new Error(`not ours: ${error}`, { cause: error });
  t.regex(error.code, loss.code ?? /^(CONNECTION_LOST|TIMEOUT)$/, error.message);
  t.is(error.node, loss.node);
  t.true(error.sent, error.message);
  t.regex(error.message, loss.message);
}

/** ioredis' own client of a server, around its proxy. */
export function adminOf(t: ExecutionContext, { host, port }: TcpTestNode): Redis {
  const admin = new Redis(port, host);
  admin.on("error", () => {});
  t.teardown(() => admin.disconnect());
  return admin;
}

/** Waits until a node is ready again, and all that its connection has been asked is answered. */
export async function calm(redis: ShardedRedis, node: string): Promise<void> {
  const client = redis.node(node);
  await until(async () => {
    if (client.status !== "ready") return false;
    return client.ping().then(
      () => true,
      () => false,
    );
  }, `${node} is ready`);
}

/** Lists of the same length, one element of each in turn. */
export function mixed<T>(lists: readonly (readonly T[])[]): T[] {
  return at(lists).flatMap((_, index) => lists.map((list) => at(list, index)));
}
