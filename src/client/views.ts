/** Views of a client: the same commands, sent elsewhere. */
import type { Argument, ReplyEncoding } from "../commands/arguments.ts";
import { toCommand } from "../commands/arguments.ts";
import { failureOf } from "../commands/merge.ts";
import { pinToNode } from "../commands/pin.ts";
import { type NodeFailure, PartialFailureError } from "../errors.ts";
import type { Key } from "../keys.ts";
import type { Node } from "../topology/node.ts";
import type { Carrier, Home } from "./carrier.ts";
import { attachCommands, EXECUTE, type Executor, runNow } from "./methods.ts";
import type { ShardedPipeline } from "./pipeline.ts";
import type { ShardedTransaction } from "./transaction.ts";
import type { ByNode, Commands, EachCommands } from "./types.ts";
import { runWatched, type TransactionOptions, type TransactionWork } from "./watched.ts";

/**
 * Runs each command on every node: the result is an object with the reply of
 * each node by its name. So is that of a callback, of which ioredis' types say
 * that it is one reply.
 *
 * @example
 * await redis.each.dbsize(); // { a: 10, b: 12 }
 */
// biome-ignore lint/suspicious/noUnsafeDeclarationMerging: attachCommands gives it the methods
export class EachView implements Executor {
  readonly #nodes: readonly Node[];
  readonly #prefix: string | undefined;

  /** @internal */
  constructor(nodes: readonly Node[], prefix: string | undefined) {
    this.#nodes = nodes;
    this.#prefix = prefix;
  }

  /** @internal */
  async [EXECUTE](
    name: string,
    given: Argument[],
    encoding: ReplyEncoding,
  ): Promise<ByNode<unknown>> {
    const command = name.toLowerCase();
    const { args, keys } = pinToNode(this.#prefix, command, given);
    const made = this.#nodes.map((node) => ({ node, made: toCommand(name, args, encoding) }));
    const settled = await Promise.allSettled(
      made.map(async ({ node, made }) => node.send(made, keys)),
    );
    const results: ByNode<unknown> = {};
    const failures = new Map<string, NodeFailure>();
    for (const [index, { name }] of this.#nodes.entries()) {
      const result = settled[index];
      if (result?.status === "fulfilled") results[name] = result.value;
      else failures.set(name, failureOf(result?.reason, []));
    }
    if (failures.size > 0) throw new PartialFailureError(command, results, failures, []);
    return results;
  }
}

export interface EachView extends EachCommands {}

attachCommands(EachView.prototype, runNow);

/** What pipelines, transactions and views of a client are made of. */
export interface Classes {
  readonly Pipeline: typeof ShardedPipeline;
  readonly Transaction: typeof ShardedTransaction;
  readonly CommandView: typeof CommandView;
}

/** Every command of a client, with pipelines and transactions, carried out in another way. */
// biome-ignore lint/suspicious/noUnsafeDeclarationMerging: attachCommands gives it the methods
export class CommandView implements Executor {
  readonly #carrier: Carrier;
  readonly #classes: Classes;

  /** @internal */
  constructor(carrier: Carrier, classes: Classes) {
    this.#carrier = carrier;
    this.#classes = classes;
  }

  /** A pipeline whose commands are carried out in that way. */
  pipeline(commands?: readonly unknown[][] | null): ShardedPipeline {
    return new this.#classes.Pipeline(this.#carrier).addBatch(commands ?? []);
  }

  /** A transaction whose commands are carried out in that way. */
  multi(commands?: readonly unknown[][] | null): ShardedTransaction {
    return new this.#classes.Transaction(this.#carrier).addBatch(commands ?? []);
  }

  /** @internal */
  [EXECUTE](name: string, args: Argument[], encoding: ReplyEncoding): Promise<unknown> {
    return this.#carrier.run(name, args, encoding);
  }
}

export interface CommandView extends Commands {}

attachCommands(CommandView.prototype, runNow);

/**
 * Runs each command on the owner of one key, whatever keys it has: for data
 * whose hash key is not in the key.
 *
 * @example
 * await redis.by("userinfo").get("foo");
 */
export class NodeView extends CommandView {
  readonly #home: Home;
  readonly #classes: Classes;

  /** @internal */
  constructor(home: Home, classes: Classes) {
    super(home, classes);
    this.#home = home;
    this.#classes = classes;
  }

  /** A transaction that reads before it writes, as that of the client, on the node. */
  transaction<Result>(
    keys: readonly Key[],
    work: TransactionWork<Result>,
    options: TransactionOptions = {},
  ): Promise<Result> {
    return runWatched(this.#home, this.#classes, keys, work, options);
  }
}
