/**
 * Pipelines over all nodes: commands are collected, sent with one write for each
 * node, and answered in the order of the calls.
 */
import type { ChainableCommander } from "ioredis";
import { ShardisError } from "../errors.ts";
import { isBlocking } from "../topology/blocking.ts";
import type { Batched } from "./batcher.ts";
import type { Carrier, MadePart, MadeRequest } from "./carrier.ts";
import { attachCommands, type Run, withCallback } from "./methods.ts";
import { type Entry, type PipelineResult, Results } from "./results.ts";

/** A command that is sent together with those before and after it. */
interface Parted {
  readonly made: MadeRequest;
  readonly settle: (reply: Promise<unknown>) => void;
}

/**
 * A pipeline over all nodes. Each command has its own result and its own error;
 * a node that is down fails its commands, and no others.
 *
 * @example
 * await redis.pipeline().set("a", "1").incr("b").exec(); // [[null, "OK"], [null, 1]]
 */
// biome-ignore lint/suspicious/noUnsafeDeclarationMerging: attachCommands gives it the methods
export class ShardedPipeline {
  protected readonly carrier: Carrier;
  protected readonly entries: Entry[] = [];

  /** @internal */
  constructor(carrier: Carrier) {
    this.carrier = carrier;
  }

  /** How many commands it has. */
  get length(): number {
    return this.entries.length;
  }

  /**
   * Adds a command: what methods do. Static, as a script of a user may have any name.
   *
   * @internal
   */
  static readonly enqueue: Run<ShardedPipeline> = (pipeline, name, args, encoding, callback) => {
    pipeline.entries.push({ name, args, encoding, callback });
    return pipeline;
  };

  /** Adds commands given as arrays of a method's name and its arguments. */
  addBatch(commands: readonly unknown[][]): this {
    for (const [name, ...args] of commands) {
      const method: unknown = Reflect.get(this, String(name));
      if (typeof method !== "function") {
        throw new ShardisError("BAD_ARGUMENT", `a pipeline has no command ${String(name)}`);
      }
      method.apply(this, args);
    }
    return this;
  }

  /** Sends the commands; rejects for none of their errors. */
  exec(
    callback?: (error: Error | null | undefined, results?: PipelineResult[] | null) => void,
  ): Promise<PipelineResult[] | null> {
    const results = this.carryOut();
    withCallback(results, callback);
    return results;
  }

  protected async carryOut(): Promise<PipelineResult[] | null> {
    const results = new Results([...this.entries]);
    // Commands that go together, of one kind: those with one key are placed and encoded at once.
    let keyed: Batched[] = [];
    let parted: Parted[] = [];
    const send = () => {
      if (keyed.length > 0) this.carrier.batcher?.send(keyed, true);
      this.#sendParts(parted);
      keyed = [];
      parted = [];
    };
    for (const [index, entry] of this.entries.entries()) {
      const args = this.carrier.batcher?.toWirables(entry.name, entry.args);
      if (args !== undefined) {
        if (parted.length > 0) send();
        keyed.push(results.batched(index, entry, args));
        continue;
      }
      const prepared = this.#prepare(entry);
      if ("made" in prepared) {
        if (keyed.length > 0) send();
        parted.push({ made: prepared.made, settle: (reply) => results.follow(index, reply) });
        continue;
      }
      // What takes several steps must see what came before, and be seen by what comes after.
      send();
      await results.follow(index, prepared.alone());
    }
    send();
    return results.all;
  }

  #prepare({ name, args, encoding }: Entry): { made: MadeRequest } | { alone(): Promise<unknown> } {
    try {
      // Between MULTI and EXEC nothing blocks; here it would hold up what comes after it.
      const blocks = isBlocking(name.toLowerCase());
      const made = blocks ? undefined : this.carrier.prepare(name, args, encoding);
      return made === undefined
        ? { alone: () => this.carrier.run(name, args, encoding) }
        : { made };
    } catch (error) {
      return { alone: () => Promise.reject(error) };
    }
  }

  /** Sends the parts of all commands, those of each node together. */
  #sendParts(batch: readonly Parted[]): void {
    const byNode = new Map<number, MadePart[]>();
    for (const part of batch.flatMap(({ made }) => made.parts)) {
      const parts = byNode.get(part.node);
      if (parts === undefined) byNode.set(part.node, [part]);
      else parts.push(part);
    }
    const replies = new Map<MadePart, Promise<unknown>>();
    for (const [node, parts] of byNode) {
      const promises = this.carrier.nodeAt(node).sendAll(parts);
      for (const [index, part] of parts.entries()) {
        replies.set(part, promises[index] ?? Promise.resolve());
      }
    }
    for (const { made, settle } of batch) {
      const ofParts = made.parts.map((part) => replies.get(part) ?? Promise.resolve());
      settle(this.carrier.replyTo(made.request, ofParts));
    }
  }
}

export interface ShardedPipeline extends ChainableCommander {}

attachCommands(ShardedPipeline.prototype, ShardedPipeline.enqueue);
