/** What the tests of pipelines and of transactions share. */
import type { ExecutionContext } from "ava";
import { Redis } from "ioredis";
import type { ShardedRedisOptions } from "../../src/index.ts";
import { newClient, start } from "./setup.ts";

/** A method's name, and its arguments. */
export type Call = readonly unknown[];

export async function sharded(t: ExecutionContext, options: ShardedRedisOptions = {}) {
  const servers = await start(t, 3);
  const redis = newClient(t, servers.nodes, options);
  if (!options.lazyConnect) await redis.connect();
  return { redis, servers };
}

export async function plainClient(t: ExecutionContext): Promise<Redis> {
  const single = await start(t, 1);
  const plain = new Redis(single.node(0).port);
  t.teardown(() => plain.disconnect());
  return plain;
}

/** Adds calls by their methods' names. */
export function fill<Pipeline extends object>(
  pipeline: Pipeline,
  calls: readonly Call[],
): Pipeline {
  for (const [name, ...args] of calls) {
    const method: unknown = Reflect.get(pipeline, String(name));
    if (typeof method !== "function") throw new TypeError(`there is no method ${name}`);
    Reflect.apply(method, pipeline, args);
  }
  return pipeline;
}

/** A result with its error as text. */
export function comparable(result: readonly [Error | null, unknown] | undefined): unknown {
  const [error, value] = result ?? [];
  return error instanceof Error ? error.message : value;
}
