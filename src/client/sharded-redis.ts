/** Many Redis servers with the face of one. */
import { EventEmitter } from "node:events";
import type { Redis } from "ioredis";
import { type Argument, type ReplyEncoding, withPrefix } from "../commands/arguments.ts";
import { type Check, checkCrossNode, checkOneTag } from "../commands/check.ts";
import type { Recovery } from "../commands/emulate/journal.ts";
import { commandRow } from "../commands/table.ts";
import { ShardisError } from "../errors.ts";
import { checkKey, describe, type Key } from "../keys.ts";
import { type Explanation, Placement } from "../placement/placement.ts";
import { Node, type NodeDescription } from "../topology/node.ts";
import { type NodeInput, readNode } from "../topology/node-options.ts";
import { AbortableCarrier } from "./abortable.ts";
import { CheckedCarrier } from "./checked.ts";
import { OwnClasses } from "./classes.ts";
import { Dispatcher } from "./dispatcher.ts";
import { type CommandExplanation, explainCommand } from "./explain.ts";
import { Lifecycle, type ShardedRedisStatus } from "./lifecycle.ts";
import { acquire, type Lock, type LockOptions } from "./lock.ts";
import { attachCommands, attachScanStreams, EXECUTE, type Executor, runNow } from "./methods.ts";
import { checkOptions, type ShardedRedisOptions } from "./options.ts";
import { PinnedCarrier } from "./pinned.ts";
import type { ShardedPipeline } from "./pipeline.ts";
import { attachScript, readScript, runBySha, type ScriptDefinition } from "./scripts.ts";
import { type KeyspaceEvent, Subscriptions } from "./subscriptions.ts";
import type { ShardedTransaction } from "./transaction.ts";
import type { Commands, ScanStreams } from "./types.ts";
import type { CommandView, EachView, NodeView } from "./views.ts";
import { runWatched, type TransactionOptions, type TransactionWork } from "./watched.ts";

/**
 * A client of many independent Redis servers, with every command of ioredis. It
 * knows which node owns each key, sends each command there, cuts those that can
 * be cut, and for others copies keys to where the command runs.
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
  /** Every command, refused (`CROSS_NODE`) where its keys do not all lie on one node. */
  readonly strict: CommandView;
  /** Every command, refused (`CROSS_NODE`) where its keys have no common hash tag. */
  readonly tagged: CommandView;
  readonly #inputs: readonly NodeInput[];
  readonly #nodes: readonly Node[];
  readonly #prefix: string | undefined;
  readonly #lifecycle: Lifecycle;
  readonly #dispatcher: Dispatcher;
  readonly #subscriptions: Subscriptions;
  readonly #classes = new OwnClasses();

  /**
   * @param nodes at least one, in any form of {@link NodeInput}
   * @throws ShardisError `BAD_OPTION`, `BAD_PLACEMENT`; nothing is connected then
   */
  constructor(nodes: readonly NodeInput[], options: ShardedRedisOptions = {}) {
    super();
    if (!Array.isArray(nodes) || nodes.length === 0) {
      throw new ShardisError("BAD_OPTION", "the nodes are an array of at least one node");
    }
    const checked = checkOptions(options);
    const { keyPrefix, crossNode, scripts, lazyConnect, redisOptions, ...limits } = checked;
    const read = nodes.map((node: NodeInput) => readNode(node));
    this.#inputs = [...nodes];
    this.#prefix = keyPrefix;
    this.options = options;
    this.placement = new Placement(read, options.placement);
    const common = { ...redisOptions, ...(keyPrefix === undefined ? {} : { keyPrefix }) };
    this.#nodes = read.map((node) => new Node(node, common, limits));
    this.#lifecycle = new Lifecycle(this.#nodes, this);
    const territory = { placement: this.placement, prefix: keyPrefix };
    this.#dispatcher = new Dispatcher(this.#nodes, territory, {
      autoBatch: limits.autoBatch,
      splits: crossNode !== "refuse",
      check: checkCrossNode(crossNode, `the option crossNode: "${crossNode}"`),
    });
    this.#subscriptions = new Subscriptions(this.#nodes, territory, this);
    this.each = new this.#classes.EachView(this.#nodes, keyPrefix);
    this.strict = this.#checkedView(checkCrossNode("refuse", "redis.strict"));
    this.tagged = this.#checkedView(checkOneTag);
    for (const [name, script] of Object.entries(scripts)) this.defineCommand(name, script);
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
    this.#subscriptions.close();
    for (const node of this.#nodes) node.disconnect();
  }

  /** Closes all connections once the replies that are due have come. */
  async quit(): Promise<"OK"> {
    this.#dispatcher.batcher?.flush();
    this.#subscriptions.close();
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
   * The ioredis client of a node. What it is given in this tick comes after what
   * this client has been given before.
   *
   * @throws ShardisError `BAD_ARGUMENT` if there is none of that name
   */
  node(name: string): Redis {
    this.#dispatcher.batcher?.flush();
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
    this.#dispatcher.batcher?.flush();
    return this.#nodes.map((node) => node.client);
  }

  /**
   * The node that owns a key.
   *
   * @throws ShardisError `BAD_KEY`
   */
  nodeFor(key: Key): NodeDescription {
    return this.#dispatcher.nodeAt(this.#owner(key)).description;
  }

  /**
   * Why a key lies where it lies, its prefix included; or, with arguments, how a
   * command would be carried out.
   *
   * @throws ShardisError `BAD_KEY`; for a command what it would throw when it is placed
   * @example
   * redis.explain("user:1").node; // "b"
   * redis.explain("sinter", ["a", "b"]).strategy; // "ship"
   */
  explain(key: Key): Explanation;
  explain(command: string, args: readonly Argument[]): CommandExplanation;
  explain(key: Key, args?: readonly Argument[]): Explanation | CommandExplanation {
    if (args !== undefined) return explainCommand(this.#dispatcher, String(key), args.flat());
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
    const carrier = new PinnedCarrier(this.#dispatcher, this.#owner(hashKey));
    return new this.#classes.NodeView(carrier, this.#classes);
  }

  /**
   * Every command, which the signal calls off: it rejects at once (`ABORTED`, with the
   * signal's reason as its `cause`), and is not sent if it has not been. One that has been
   * sent may have run, as its `sent` says.
   *
   * @throws ShardisError `BAD_ARGUMENT`
   * @example
   * await redis.withSignal(AbortSignal.timeout(50)).mget(keys);
   */
  withSignal(signal: AbortSignal): CommandView {
    if (!isAbortSignal(signal)) {
      throw new ShardisError("BAD_ARGUMENT", `${describe(signal)} is no AbortSignal`);
    }
    const carrier = new AbortableCarrier(this.#dispatcher, signal);
    return new this.#classes.CommandView(carrier, this.#classes);
  }

  /**
   * A pipeline over all nodes: one write for each, results in the order of the calls.
   *
   * @param commands commands to begin with, as arrays: `[["set", "a", "1"], ["get", "a"]]`
   */
  pipeline(commands?: readonly unknown[][] | null): ShardedPipeline {
    return new this.#classes.Pipeline(this.#dispatcher).addBatch(commands ?? []);
  }

  /** A transaction, on the node of its first key. Its `exec` refuses keys of other nodes. */
  multi(commands?: readonly unknown[][] | null): ShardedTransaction {
    if (commands !== undefined && commands !== null && !Array.isArray(commands)) {
      throw new ShardisError(
        "UNSUPPORTED",
        "multi takes commands as arrays; without a pipeline it is on redis.node(name) only",
        { command: "multi" },
      );
    }
    return new this.#classes.Transaction(this.#dispatcher).addBatch(commands ?? []);
  }

  /**
   * A transaction that reads before it writes. The keys are watched on a connection
   * of their own; what `tx.multi()…exec()` writes is written only if nobody else has
   * changed any of them since. If somebody has, the work is run again from its
   * beginning, so it should do nothing else that must not be done twice.
   *
   * `tx` has every command, `pipeline()` and `multi()`, on that connection: what has
   * keys of other nodes is refused. `tx.watch(…)` watches more keys. `exec()` ends
   * it, as does the end of the work.
   *
   * @param keys at least one, all on one node
   * @returns what the work returns
   * @throws ShardisError `CONFLICT` if others have changed the keys in each of its
   *   attempts; `CROSS_NODE`, `BAD_KEY`, `BAD_ARGUMENT`; what the work throws
   * @example
   * const left = await redis.transaction(["{user:1}:balance"], async (tx) => {
   *   const balance = Number(await tx.get("{user:1}:balance")) - price;
   *   if (balance < 0) throw new Error("not enough");
   *   await tx.multi().set("{user:1}:balance", balance).rpush("{user:1}:log", price).exec();
   *   return balance;
   * });
   */
  transaction<Result>(
    keys: readonly Key[],
    work: TransactionWork<Result>,
    options: TransactionOptions = {},
  ): Promise<Result> {
    return runWatched(this.#dispatcher, this.#classes, keys, work, options);
  }

  /**
   * Gives this client, and its views, pipelines and transactions, a method and its
   * `…Buffer` twin that runs a Lua script on the node of its keys, as in ioredis.
   * The option `scripts` does the same.
   *
   * @throws ShardisError `BAD_ARGUMENT`
   */
  defineCommand(name: string, definition: ScriptDefinition): void {
    const script = readScript(name, definition);
    attachScript(this, script, runBySha);
    this.#classes.define(script);
  }

  /**
   * The events of the key spaces of all nodes, as they come, with the name of the
   * node. The servers tell them if `notify-keyspace-events` is set; those that
   * happen while a node is not connected are lost, as always with Redis.
   *
   * @param options.pattern what to listen to; all key events by default
   * @example
   * for await (const { node, channel, message } of redis.keyspaceEvents()) {
   *   console.log(node, channel, message); // a __keyevent@0__:expired user:1
   * }
   */
  keyspaceEvents(
    options: { readonly pattern?: string; readonly signal?: AbortSignal } = {},
  ): AsyncGenerator<KeyspaceEvent> {
    const { pattern = "__keyevent@*__:*", signal } = options;
    return this.#subscriptions.keyspaceEvents(pattern, signal);
  }

  /**
   * Finishes what crashed clients have left unfinished between nodes, as the first
   * `rename`, `lmove`, `msetnx` and so on of a client does too.
   *
   * @param lease how many milliseconds an entry of the journal must not have been
   *   touched: whoever wrote it may still be at it; half a minute by default
   * @returns how many were finished, and why others could not be
   * @throws ShardisError `BAD_ARGUMENT`
   */
  async recover(lease?: number): Promise<Recovery> {
    if (lease !== undefined && !(Number.isInteger(lease) && lease >= 0)) {
      throw new ShardisError("BAD_ARGUMENT", "a lease is a whole number of milliseconds");
    }
    return this.#dispatcher.recover(lease);
  }

  /**
   * Acquires a lock: a key that only its holder can give back, with a fencing
   * number that grows with every acquisition. `key:fence` beside it counts them.
   *
   * @throws ShardisError `LOCKED` if another holds it for longer than `wait`;
   *   `BAD_KEY`, `BAD_ARGUMENT`
   * @example
   * const lock = await redis.lock("report", { ttl: 10_000, wait: 5_000 });
   * try {
   *   await write(report, lock.fence);
   * } finally {
   *   await lock.release();
   * }
   */
  async lock(key: string, options: LockOptions): Promise<Lock> {
    const carrier = new PinnedCarrier(this.#dispatcher, this.#owner(key));
    return acquire(carrier, key, options);
  }

  /** @internal */
  [EXECUTE](name: string, args: Argument[], encoding: ReplyEncoding): Promise<unknown> {
    const batched = this.#dispatcher.batcher?.add(name, args, encoding);
    if (batched !== undefined) return batched;
    const command = name.toLowerCase();
    if (commandRow(command, args)?.policy.kind === "subscribe") {
      return this.#subscriptions.run(command, args);
    }
    return this.#dispatcher.run(name, args, encoding);
  }

  #checkedView(check: Check): CommandView {
    const carrier = new CheckedCarrier(this.#dispatcher, check);
    return new this.#classes.CommandView(carrier, this.#classes);
  }

  #owner(key: Key): number {
    return this.placement.indexFor(this.#prefixed(key));
  }

  #prefixed(key: Key): string | Uint8Array {
    return withPrefix(this.#prefix, checkKey(key));
  }
}

function isAbortSignal(value: unknown): value is AbortSignal {
  return typeof value === "object" && value !== null && "aborted" in value;
}

export interface ShardedRedis extends Commands, ScanStreams {}

attachCommands(ShardedRedis.prototype, runNow);
attachScanStreams(ShardedRedis.prototype);
