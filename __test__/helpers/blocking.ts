/** What the tests of waiting over several nodes share. */
import { setTimeout as delay } from "node:timers/promises";
import type { ExecutionContext } from "ava";
import { Redis, type RedisOptions } from "ioredis";
import type { ShardedRedis, ShardedRedisOptions } from "../../src/index.ts";
import type { Argument, Call } from "./beside-plain.ts";
import { at, callsOf, keyOn, newClient, type Rig, setUp, start, until } from "./setup.ts";

/** Three nodes, and a key on each. */
export interface Trio extends Rig {
  /** A client that goes past the proxies. */
  readonly direct: ShardedRedis;
  readonly a: string;
  readonly b: string;
  readonly c: string;
}

export async function openTrio(
  t: ExecutionContext,
  options: ShardedRedisOptions = {},
): Promise<Trio> {
  const rig = await setUp(t, 3, options);
  const [a = "", b = "", c = ""] = rig.servers.map(({ name }) => keyOn(rig.redis, name));
  const direct = newClient(
    t,
    rig.servers,
    options.placement ? { placement: options.placement } : {},
  );
  await direct.connect();
  return { ...rig, direct, a, b, c };
}

/** Options under which replies have other shapes. */
export const REPLY_SHAPES = [
  { protocol: 2 },
  { protocol: 3 },
  { protocol: 3, replyMapping: "resp3" },
] as const;

/** What is asked of a client, in terms of names that stand for keys. */
export interface Comparison {
  /** The keys by their names. */
  readonly keys: ReadonlyMap<string, string>;
  /** What is there before each of the calls. */
  readonly seed: readonly Call[];
  readonly calls: readonly Call[];
  /** What is looked at after each of the calls. */
  readonly looks: readonly Call[];
}

/** Asks both for the same in every form, and compares replies, errors, and what is left. */
export async function agree(
  t: ExecutionContext,
  sharded: ShardedRedis,
  plain: Redis,
  { keys, seed, calls, looks }: Comparison,
): Promise<void> {
  const placed = (args: readonly Argument[]) =>
    args.map((arg) => keys.get(String(arg)) ?? (typeof arg === "number" ? String(arg) : arg));
  const ask = async (client: ShardedRedis | Redis, method: string, args: readonly unknown[]) => {
    await client.flushall();
    for (const [command, ...given] of seed) await client.call(command, placed(given));
    const run: unknown = Reflect.get(client, method);
    if (typeof run !== "function") throw new TypeError(`there is no ${method}`);
    const reply: unknown = await Reflect.apply(run, client, args).catch(
      (error: Error) => error.message,
    );
    const left: unknown[] = [];
    for (const [command, ...given] of looks) {
      left.push(await client.callBuffer(command, placed(given)));
    }
    return { reply, left };
  };
  for (const [command, ...words] of calls) {
    const args = placed(words);
    for (const [method, given] of [
      [command, args],
      [`${command}Buffer`, args],
      ["call", [command, ...args]],
      ["callBuffer", [command.toUpperCase(), ...args]],
    ] as const) {
      const told = `${method} ${words.join(" ")}`;
      t.deepEqual(await ask(sharded, method, given), await ask(plain, method, given), told);
    }
  }
}

/** One plain Redis. */
export async function openPlain(t: ExecutionContext, options: RedisOptions = {}): Promise<Redis> {
  const started = await start(t, 1);
  const plain = new Redis(at(started.nodes).port, options);
  t.teardown(() => plain.disconnect());
  return plain;
}

/**
 * Waits until so many commands wait for keys, of which one lies on the node: all that is left
 * for them is to be told of a change.
 *
 * @param asking what they ask the node for, again and again
 */
export function untilWaiting(
  redis: ShardedRedis,
  node: string,
  asking: string,
  count = 1,
): Promise<void> {
  // Once before the keys are tracked, and once thereafter.
  return untilAsked(redis, node, { exists: count, [asking]: 2 * count });
}

/** Waits until a node has been asked for commands so often. */
export async function untilAsked(
  redis: ShardedRedis,
  node: string,
  calls: Readonly<Record<string, number>>,
): Promise<void> {
  for (const [command, count] of Object.entries(calls)) {
    const isAsked = async () => (await callsOf(redis, node, command)) >= count;
    await until(isAsked, `${count} ${command} on ${node}`);
  }
}

/** Waits until a node is asked for a command no more. */
export async function untilQuiet(redis: ShardedRedis, node: string, asking: string): Promise<void> {
  for (let before = -1; ; ) {
    const now = await callsOf(redis, node, asking);
    if (now === before) return;
    before = now;
    await delay(200);
  }
}

/** Asserts that no command waits on any server. */
export async function noneIsBlocked(t: ExecutionContext, redis: ShardedRedis): Promise<void> {
  for (const [node, info] of Object.entries(await redis.each.info("clients"))) {
    t.regex(info, /^blocked_clients:0\r$/m, node);
  }
}
