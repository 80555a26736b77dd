/** What the tests of failures share: nodes behind proxies, and promises that are counted. */
import { setTimeout as delay } from "node:timers/promises";
import type { ExecutionContext, TestFn } from "ava";
import {
  PartialFailureError,
  ShardedRedis,
  type ShardedRedisOptions,
  ShardisError,
} from "../../src/index.ts";
import {
  type StartNodesOptions,
  startNodes,
  type TcpTestNode,
  type TestNodes,
} from "../../src/testing/index.ts";
import { type FaultProxy, startProxy } from "./proxy.ts";

/** What a busy machine may add to a promised bound, in milliseconds. */
export const SCHEDULING = 1500;

/** A client, and for each of its nodes the server and the proxy between them. */
export interface Rig {
  readonly redis: ShardedRedis;
  readonly servers: readonly TcpTestNode[];
  readonly proxies: readonly FaultProxy[];
  /** The client's nodes: the proxies, under the names of the servers. */
  readonly nodes: readonly { name: string; host: string; port: number }[];
}

let starting: Promise<unknown> = Promise.resolve();

/**
 * Starts servers that are stopped when the test has ended; those of one test
 * after those of another, as many at once would keep the machine busy for
 * longer than the commands of the tests may take.
 */
export function start(
  t: ExecutionContext,
  count: number,
  options: StartNodesOptions = {},
): Promise<TestNodes<TcpTestNode>> {
  const started = starting.then(() => startNodes(count, { ...options, unixSocket: false }));
  starting = started.catch(() => {});
  t.teardown(async () => (await started).stop());
  return started;
}

/** Starts servers and their proxies, and a client that is connected to all. */
export async function setUp(
  t: ExecutionContext,
  count: number,
  options: ShardedRedisOptions = {},
  servers: StartNodesOptions = {},
): Promise<Rig> {
  const started = await start(t, count, servers);
  const proxies = await Promise.all(started.nodes.map((node) => startProxy(node)));
  t.teardown(() => Promise.all(proxies.map((proxy) => proxy.stop())));
  const nodes = started.nodes.map(({ name }, index) => ({
    name,
    host: "127.0.0.1",
    port: proxies[index]?.port ?? 0,
  }));
  const redis = newClient(t, nodes, options);
  if (!options.lazyConnect) await redis.connect();
  return { redis, servers: started.nodes, proxies, nodes };
}

/** A client that is disconnected when the test has ended. */
export function newClient(
  t: ExecutionContext,
  nodes: ConstructorParameters<typeof ShardedRedis>[0],
  options: ShardedRedisOptions = {},
): ShardedRedis {
  const redis = new ShardedRedis(nodes, options);
  redis.on("error", () => {});
  t.teardown(() => redis.disconnect());
  return redis;
}

/** The only element, or the one at an index, that the test knows to be there. */
export function at<T>(list: readonly T[], index = 0): T {
  const element = list[index];
  if (element === undefined) throw new RangeError(`there is nothing at ${index}`);
  return element;
}

/** Keys that lie on a node. */
export function keysOn(redis: ShardedRedis, node: string, count: number, stem = "key"): string[] {
  const keys: string[] = [];
  for (let number = 0; keys.length < count; number++) {
    const key = `${stem}:${number}`;
    if (redis.nodeFor(key).name === node) keys.push(key);
  }
  return keys;
}

/** One key that lies on a node. */
export function keyOn(redis: ShardedRedis, node: string, stem?: string): string {
  return at(keysOn(redis, node, 1, stem));
}

/** How a promise ended, and after how many milliseconds. */
export interface Ending {
  readonly value: unknown;
  readonly error: unknown;
  readonly elapsed: number;
}

/**
 * Waits until every promise has settled, and fails the test if one has not within a bound.
 *
 * @param bound in milliseconds, from now
 */
export async function settle(
  t: ExecutionContext,
  promises: readonly Promise<unknown>[],
  bound: number,
): Promise<Ending[]> {
  const start = performance.now();
  const elapsed = () => performance.now() - start;
  let pending = promises.length;
  const endings = promises.map((promise) =>
    promise.then(
      (value): Ending => ({ value, error: undefined, elapsed: elapsed() }),
      (error: unknown): Ending => ({ value: undefined, error, elapsed: elapsed() }),
    ),
  );
  for (const ending of endings) ending.then(() => pending--);
  const late = new AbortController();
  await Promise.race([
    Promise.all(endings),
    delay(bound + SCHEDULING, undefined, { signal: late.signal }).catch(() => {}),
  ]);
  late.abort();
  t.is(pending, 0, `${pending} of ${promises.length} promises are pending after ${bound} ms`);
  return pending === 0 ? Promise.all(endings) : [];
}

/** A promise that a test looks at later: until then its rejection is not unhandled. */
export function held<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => {});
  return promise;
}

/** The error of one command, which settles within a bound. */
export async function failure(
  t: ExecutionContext,
  promise: Promise<unknown>,
  bound: number,
): Promise<ShardisError> {
  const { error, value } = at(await settle(t, [promise], bound));
  if (error instanceof ShardisError) return error;
  throw new Error(`no ShardisError, but ${error ?? JSON.stringify(value)}`, { cause: error });
}

/** The partial failure of one command, which settles within a bound. */
export async function partialFailure(
  t: ExecutionContext,
  promise: Promise<unknown>,
  bound: number,
): Promise<PartialFailureError> {
  const error = await failure(t, promise, bound);
  if (error instanceof PartialFailureError) return error;
  throw new Error(`no PartialFailureError, but ${error}`, { cause: error });
}

/** Waits until something holds; it is looked at again and again. */
export async function until(
  holds: () => boolean | Promise<boolean>,
  what = String(holds),
): Promise<void> {
  const deadline = performance.now() + 30_000;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`not seen in 30 s: ${what}`);
    await delay(2);
  }
}

/** What a command gives once its node is well again; it is sent until then, so it may be repeated. */
export async function eventually<T>(command: () => Promise<T>): Promise<T> {
  const deadline = performance.now() + 30_000;
  for (;;) {
    try {
      return await command();
    } catch (error) {
      if (!(error instanceof ShardisError) || performance.now() > deadline) throw error;
    }
  }
}

/** How often a server has run a command, by its own count. */
export async function callsOf(redis: ShardedRedis, node: string, command: string): Promise<number> {
  const info = await redis.node(node).info("commandstats");
  return Number(new RegExp(`^cmdstat_${command}:calls=(\\d+)`, "m").exec(info)?.[1] ?? 0);
}

/** Fails the tests of a file if a promise of any of them was rejected and nobody listened. */
export function watchRejections(test: TestFn): void {
  const unhandled: string[] = [];
  const note = (reason: unknown) => unhandled.push(String(reason));
  process.on("unhandledRejection", note);
  const warnings: string[] = [];
  const hear = ({ name, message }: Error) => warnings.push(`${name}: ${message}`);
  process.on("warning", hear);
  test.after.always("no rejection was left unhandled, and no listener too many was added", (t) => {
    process.off("unhandledRejection", note);
    process.off("warning", hear);
    t.deepEqual(unhandled, []);
    t.deepEqual(
      warnings.filter((warning) => /MaxListeners|TimeoutOverflow/.test(warning)),
      [],
    );
  });
}

/** As many keys as asked for, each on another node. */
export function onDifferentNodes(redis: ShardedRedis, count: number): string[] {
  const keys = new Map<string, string>();
  for (let n = 0; keys.size < count; n++) keys.set(redis.nodeFor(`key:${n}`).name, `key:${n}`);
  return [...keys.values()];
}
