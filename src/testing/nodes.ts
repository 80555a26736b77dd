import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findBinary } from "./binary.ts";
import {
  type Launch,
  startTcpNode,
  startUnixNode,
  type TcpTestNode,
  type TestNode,
  type UnixTestNode,
} from "./node.ts";

/** How {@link startNodes} starts its servers. */
export interface StartNodesOptions {
  /**
   * The server program, by name or path. Default: the environment's `SHARDIS_REDIS_SERVER`, else
   * `redis-server`, else `valkey-server`.
   */
  binary?: string | undefined;
  /** More arguments for every server, for instance `["--requirepass", "secret"]`. */
  args?: readonly string[] | undefined;
  /** The names of the nodes, as many as there are nodes. Default: `node1`, `node2` and so on. */
  names?: readonly string[] | undefined;
  /** Whether to listen on Unix domain sockets and not on TCP ports. Default: `false`. */
  unixSocket?: boolean | undefined;
}

/** Servers that were started together. An iterable of its nodes. */
export class TestNodes<Node extends TestNode = TestNode> {
  /** The nodes, in the order of their names: a list that a client takes as it is. */
  readonly nodes: readonly Node[];
  #directory: string;
  #stopped: Promise<void> | undefined;

  /** @internal */
  constructor(nodes: readonly Node[], directory: string) {
    this.nodes = nodes;
    this.#directory = directory;
  }

  /**
   * One node, by its place (from 0) or its name.
   *
   * @throws {RangeError} when there is none
   */
  node(which: number | string): Node {
    const found =
      typeof which === "number"
        ? this.nodes[which]
        : this.nodes.find((node) => node.name === which);
    if (found !== undefined) return found;
    const names = this.nodes.map((node) => node.name).join(", ");
    throw new RangeError(`There is no test node ${JSON.stringify(which)}, only: ${names}.`);
  }

  /** The URLs of the nodes: a list that a client takes as it is. */
  get urls(): string[] {
    return this.nodes.map((node) => node.url);
  }

  [Symbol.iterator](): Iterator<Node> {
    return this.nodes[Symbol.iterator]();
  }

  /** Stops every server and removes its files. Any call after the first returns the same promise. */
  stop(): Promise<void> {
    this.#stopped ??= stopAll(this.nodes, this.#directory);
    return this.#stopped;
  }

  /** The same as {@link TestNodes.stop}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }
}

/**
 * Starts real Redis servers on this machine, for tests. They keep nothing on disk, and they end
 * when this process does, in whatever way it ends. They do not keep this process alive.
 *
 * Needs `redis-server` or `valkey-server`, and a system with `/bin/sh`.
 *
 * @param count how many servers, at least 1
 * @param options names, arguments, sockets; see {@link StartNodesOptions}
 * @returns the nodes, once every server answers
 * @throws {TestServerError} when there is no server program, or when a server ends at once or does
 *   not answer within 10 seconds; its message has what the server wrote. No server is left then.
 * @throws {RangeError} when `count` or `names` make no sense
 *
 * @example
 * ```ts
 * import { ShardedRedis } from "shardis";
 * import { startNodes } from "shardis/testing";
 *
 * const servers = await startNodes(3);
 * const redis = new ShardedRedis(servers.nodes);
 * await redis.set("greeting", "hello");
 *
 * await servers.node("node2").kill(); // see how your service takes it
 *
 * await redis.quit();
 * await servers.stop();
 * ```
 */
export function startNodes(
  count: number,
  options: StartNodesOptions & { unixSocket: true },
): Promise<TestNodes<UnixTestNode>>;
export function startNodes(
  count: number,
  options?: StartNodesOptions & { unixSocket?: false | undefined },
): Promise<TestNodes<TcpTestNode>>;
export async function startNodes(
  count: number,
  options: StartNodesOptions = {},
): Promise<TestNodes> {
  const names = checkedNames(count, options.names);
  const binary = findBinary(options.binary);
  const directory = await mkdtemp(join(tmpdir(), "shardis-"));
  const starts = names.map((name, index): Promise<TestNode> => {
    const launch: Launch = {
      name,
      binary,
      args: options.args ?? [],
      directory: join(directory, String(index + 1)),
      setDirectory: directory,
    };
    return options.unixSocket
      ? startUnixNode(launch, join(directory, `${index + 1}.sock`))
      : startTcpNode(launch);
  });
  const results = await Promise.allSettled(starts);
  const nodes = results.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
  const failure = results.find((result) => result.status === "rejected");
  if (failure !== undefined) {
    await stopAll(nodes, directory);
    throw failure.reason;
  }
  return new TestNodes(nodes, directory);
}

function checkedNames(count: number, names: readonly string[] | undefined): readonly string[] {
  if (!Number.isInteger(count) || count < 1) {
    throw new RangeError(`The number of test nodes must be a whole number from 1, not ${count}.`);
  }
  const checked = names ?? Array.from({ length: count }, (_, index) => `node${index + 1}`);
  if (checked.length !== count) {
    throw new RangeError(`${count} test nodes were asked for, and ${checked.length} names given.`);
  }
  if (new Set(checked).size !== count) {
    throw new RangeError(`The names of test nodes must differ: ${checked.join(", ")}.`);
  }
  return checked;
}

async function stopAll(nodes: readonly TestNode[], directory: string): Promise<void> {
  await Promise.all(nodes.map((node) => node.stop()));
  await rm(directory, { recursive: true, force: true });
}
