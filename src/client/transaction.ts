/** Transactions: commands that all run on one node, with nothing between them. */
import { checkTogether, onlyPart } from "./held.ts";
import { withCallback } from "./methods.ts";
import { ShardedPipeline } from "./pipeline.ts";
import type { PipelineResult } from "./results.ts";

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
    const parts = this.entries.map(({ name, args, encoding }) =>
      onlyPart(this.carrier, name, args, encoding),
    );
    const node = checkTogether(this.carrier, parts);
    return this.carrier.nodeAt(node).transact(parts);
  }
}
