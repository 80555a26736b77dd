/** Many Redis servers with the face of one. */
import { EventEmitter } from "node:events";
import type { Redis } from "ioredis";
import { type Argument, type ReplyEncoding, toCommand, withPrefix } from "../commands/arguments.ts";
import { runParts } from "../commands/merge.ts";
import { routeToOwner } from "../commands/route.ts";
import { split } from "../commands/split.ts";
import { SPLIT_COMMANDS } from "../commands/table.ts";
import { ShardisError } from "../errors.ts";
import { checkKey, describe, type Key } from "../keys.ts";
import { type Explanation, Placement } from "../placement/placement.ts";
import { Node, type NodeDescription } from "../topology/node.ts";
import { type NodeInput, readNode } from "../topology/node-options.ts";
import { Lifecycle, type ShardedRedisStatus } from "./lifecycle.ts";
import { attachCommands, attachScanStreams, EXECUTE, type Executor } from "./methods.ts";
import { checkOptions, type ShardedRedisOptions } from "./options.ts";
import type { Commands, ScanStreams } from "./types.ts";
import { EachView, NodeView } from "./views.ts";

/**
 * A client of many independent Redis servers, with every command of ioredis. It
 * knows which node owns each key, sends each command there, and cuts those that
 * can be cut: `mget`, `mset`, `del`, `unlink`, `exists` and `touch`.
 *
 * Every command settles within `commandTimeout`, and none is ever sent twice.
 * Commands reject with a {@link ShardisError} whose `code` says why, or with the
 * error that the server answered.
 *
 * @example
 * const redis = new ShardedRedis(["redis://10.0.0.1:6379?name=a", "redis://10.0.0.2:6379?name=b"]);
 * await redis.set("user:1", "Ada");
 * await redis.mget("user:1", "user:2"); // ["Ada", null]
 */
// biome-ignore lint/suspicious/noUnsafeDeclarationMerging: attachCommands gives it the methods
export class ShardedRedis extends EventEmitter implements Executor, AsyncDisposable {
  /** Not a Redis Cluster, for libraries that ask. */
  readonly isCluster = false;
  /** The options as they were given. */
  readonly options: ShardedRedisOptions;
  /** Which node owns a key. */
  readonly placement: Placement;
  /** Every command on every node: `{ [name]: reply }`. */
  readonly each: EachView;
  readonly #inputs: readonly NodeInput[];
  readonly #nodes: readonly Node[];
  readonly #prefix: string | undefined;
  readonly #lifecycle: Lifecycle;

  /**
   * @param nodes at least one, in any form of {@link NodeInput}
   * @throws ShardisError `BAD_OPTION`, `BAD_PLACEMENT`; nothing is connected then
   */
  constructor(nodes: readonly NodeInput[], options: ShardedRedisOptions = {}) {
    super();
    if (!Array.isArray(nodes) || nodes.length === 0) {
      throw new ShardisError("BAD_OPTION", "the nodes are an array of at least one node");
    }
    const { keyPrefix, lazyConnect, redisOptions, ...limits } = checkOptions(options);
    const read = nodes.map((node: NodeInput) => readNode(node));
    this.#inputs = [...nodes];
    this.#prefix = keyPrefix;
    this.options = options;
    this.placement = new Placement(read, options.placement);
    const common = { ...redisOptions, ...(keyPrefix === undefined ? {} : { keyPrefix }) };
    this.#nodes = read.map((node) => new Node(node, common, limits));
    this.#lifecycle = new Lifecycle(this.#nodes, this);
    this.each = new EachView(this.#nodes, keyPrefix);
    for (const warning of this.placement.warnings) process.emitWarning(warning, "ShardisWarning");
    // Who wants to know whether it went well calls connect() too.
    if (!lazyConnect) this.connect().catch(() => {});
  }

  get status(): ShardedRedisStatus {
    return this.#lifecycle.status;
  }

  /**
   * Connects what is not connected, and waits until every node has been.
   *
   * @throws ShardisError `NODE_DOWN` if a node could not be reached: it is tried
   *   again all the same, and the others can be used. `SAME_SERVER` if two
   *   names stand for one server.
   */
  connect(): Promise<void> {
    return this.#lifecycle.connect();
  }

  /** Closes all connections at once; what is in flight is rejected. */
  disconnect(): void {
    for (const node of this.#nodes) node.disconnect();
  }

  /** Closes all connections once the replies that are due have come. */
  async quit(): Promise<"OK"> {
    await Promise.allSettled(this.#nodes.map((node) => node.quit()));
    return "OK";
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.quit();
  }

  /**
   * A new client with the same nodes and options, save those given; as in
   * ioredis, no nodes are the same nodes, and `redisOptions` are merged too.
   */
  duplicate(nodes: readonly NodeInput[] = [], options: ShardedRedisOptions = {}): ShardedRedis {
    const redisOptions = { ...this.options.redisOptions, ...options.redisOptions };
    return new ShardedRedis(nodes.length > 0 ? nodes : this.#inputs, {
      ...this.options,
      ...options,
      redisOptions,
    });
  }

  /**
   * The ioredis client of a node.
   *
   * @throws ShardisError `BAD_ARGUMENT` if there is none of that name
   */
  node(name: string): Redis {
    const node = this.#nodes.find((node) => node.name === name);
    if (node !== undefined) return node.client;
    const names = this.#nodes.map((node) => node.name).join(", ");
    throw new ShardisError(
      "BAD_ARGUMENT",
      `there is no node ${describe(name)}; there are ${names}`,
    );
  }

  /** The ioredis clients of all nodes, in the order of the nodes. */
  nodes(): Redis[] {
    return this.#nodes.map((node) => node.client);
  }

  /**
   * The node that owns a key.
   *
   * @throws ShardisError `BAD_KEY`
   */
  nodeFor(key: Key): NodeDescription {
    return this.#owner(key).description;
  }

  /**
   * Why a key lies where it lies, its prefix included.
   *
   * @throws ShardisError `BAD_KEY`
   */
  explain(key: Key): Explanation {
    return { ...this.placement.explain(this.#prefixed(key)), key };
  }

  /**
   * Keys by the name of the node that owns them, each node's in their order.
   *
   * @throws ShardisError `BAD_KEY`, `BAD_ARGUMENT`
   */
  groupByNode<K extends Key>(keys: readonly K[]): Map<string, K[]> {
    if (!Array.isArray(keys)) {
      throw new ShardisError("BAD_ARGUMENT", "the keys to be grouped are an array");
    }
    const groups = new Map<string, K[]>();
    const plan = this.placement.plan(keys.map((key) => this.#prefixed(key)));
    for (const [node, positions] of plan.groups()) {
      const group: K[] = [];
      for (const position of positions) {
        const key = keys[position];
        if (key !== undefined) group.push(key);
      }
      groups.set(node, group);
    }
    return groups;
  }

  /**
   * Every command, pinned to the owner of a key, whatever keys it has.
   *
   * @throws ShardisError `BAD_KEY`
   */
  by(hashKey: Key): NodeView {
    return new NodeView(this.#owner(hashKey), this.#prefix);
  }

  /** Not in this version: the pipelines of single nodes are in {@link by} and {@link node}. */
  pipeline(): never {
    throw unsupported("pipeline");
  }

  /** Not in this version: the transactions of single nodes are in {@link by} and {@link node}. */
  multi(): never {
    throw unsupported("multi");
  }

  /** @internal */
  async [EXECUTE](name: string, args: Argument[], encoding: ReplyEncoding): Promise<unknown> {
    const command = name.toLowerCase();
    const policy = SPLIT_COMMANDS.get(command);
    if (policy === undefined) {
      const routed = routeToOwner(this.placement, this.#prefix, command, args);
      return this.#nodeAt(routed.node).send(toCommand(name, routed.args, encoding), routed.keys);
    }
    const parts = split(this.placement, this.#prefix, policy, command, args);
    // All are made before any is sent: if one cannot be, none is.
    const made = parts.map((part) => ({ ...part, made: toCommand(name, part.args, encoding) }));
    return runParts(policy, command, this.placement.nodes, made, ({ node, made, keys }) =>
      this.#nodeAt(node).send(made, keys),
    );
  }

  #owner(key: Key): Node {
    return this.#nodeAt(this.placement.indexFor(this.#prefixed(key)));
  }

  #prefixed(key: Key): string | Uint8Array {
    return withPrefix(this.#prefix, checkKey(key));
  }

  #nodeAt(index: number): Node {
    const node = this.#nodes[index];
    if (node === undefined) throw new RangeError(`there is no node ${index}`);
    return node;
  }
}

export interface ShardedRedis extends Commands, ScanStreams {}

attachCommands(ShardedRedis.prototype);
attachScanStreams(ShardedRedis.prototype);

function unsupported(command: string): ShardisError {
  return new ShardisError(
    "UNSUPPORTED",
    `this version has no ${command} over all nodes; redis.by(key).${command}() is one on a node`,
    { command },
  );
}
