/** Transactions: commands that all run on one node, with nothing between them. */
import type { Argument } from "../commands/arguments.ts";
import { takeApart } from "../commands/request.ts";
import { commandRow } from "../commands/table.ts";
import { ShardisError } from "../errors.ts";
import { describe } from "../keys.ts";
import type { MadePart } from "./dispatcher.ts";
import { withCallback } from "./methods.ts";
import { type Entry, type PipelineResult, ShardedPipeline } from "./pipeline.ts";

/**
 * A transaction. It belongs to the node of its first key, and is held to it
 * before anything is sent.
 *
 * @example
 * await redis.multi().incr("{user:1}:visits").get("{user:1}:name").exec();
 */
export class ShardedTransaction extends ShardedPipeline {
  /**
   * Sends the commands between MULTI and EXEC.
   *
   * @returns a result for each command; null if the server did not run them
   * @throws ShardisError `CROSS_NODE` if a key lies on another node than the
   *   first; what the server answers, such as `EXECABORT`
   */
  protected override carryOut(): Promise<PipelineResult[] | null> {
    const running = this.#run();
    for (const [index, { callback }] of this.entries.entries()) {
      if (callback === undefined) continue;
      withCallback(
        running.then((results) => {
          const [error, result] = results?.[index] ?? [null, null];
          if (error !== null) throw error;
          return result;
        }),
        callback,
      );
    }
    return running;
  }

  async #run(): Promise<PipelineResult[] | null> {
    const parts = this.entries.map((entry) => this.#onlyPart(entry));
    const [first] = parts.filter(({ keys }) => keys.length > 0);
    const node = first?.node ?? 0;
    const stray = parts.find((part) => part.keys.length > 0 && part.node !== node);
    if (stray !== undefined) throw this.#strayed(first, stray);
    return this.carrier.nodeAt(node).transact(parts);
  }

  #onlyPart({ name, args, encoding }: Entry): MadePart {
    const made = this.carrier.prepare(name, args, encoding);
    const [part, other] = made?.parts ?? [];
    if (part !== undefined && other === undefined) return part;
    const command = name.toLowerCase();
    if (commandRow(command, args) === undefined) {
      const message =
        `${command} is not among the commands whose keys shardis knows: use redis.by(key).multi(); ` +
        "nothing was sent";
      throw new ShardisError("UNSUPPORTED", message, { command });
    }
    throw new ShardisError(
      "CROSS_NODE",
      `${command} would run on several nodes, but a transaction is on one; nothing was sent`,
      { command, keys: made?.parts.flatMap((part) => part.keys) ?? this.#keysOf(command, args) },
    );
  }

  /** The keys of a command that takes several steps. */
  #keysOf(command: string, args: readonly Argument[]): readonly unknown[] {
    const row = commandRow(command, args);
    if (row === undefined || row.policy.kind === "special") return [];
    const request = takeApart(this.carrier.territory, row, command, args);
    return request.kind === "parts" ? [] : request.placed.given;
  }

  #strayed(first: MadePart | undefined, stray: MadePart): ShardisError {
    const { nodes } = this.carrier.territory.placement;
    const [key, pin] = [describe(stray.keys[0]), describe(first?.keys[0])];
    return new ShardisError(
      "CROSS_NODE",
      `the key ${key} lies on ${nodes[stray.node]}, but ${pin} holds the transaction to ` +
        `${nodes[first?.node ?? 0]}; nothing was sent. Give the keys a common hash tag`,
      { command: "multi", keys: [stray.keys[0]] },
    );
  }
}
