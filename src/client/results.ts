/** What the commands of a pipeline come to, in their order. */
import type { Argument, ReplyEncoding } from "../commands/arguments.ts";
import type { Wirable } from "../lane/encode.ts";
import { Batched } from "./batcher.ts";
import type { Callback } from "./methods.ts";

/** What a command of a pipeline came to, as in ioredis. */
export type PipelineResult = [error: Error | null, result: unknown];

/** A command of a pipeline. */
export interface Entry {
  readonly name: string;
  readonly args: Argument[];
  readonly encoding: ReplyEncoding;
  readonly callback: Callback | undefined;
}

export class Results {
  /** All results, once all are there. */
  readonly all: Promise<PipelineResult[]>;
  readonly #entries: readonly Entry[];
  readonly #results: PipelineResult[];
  #count = 0;
  /** Who waits until so many results are there. */
  #waiting: { readonly count: number; readonly go: () => void }[] = [];

  constructor(entries: readonly Entry[]) {
    this.#entries = entries;
    this.#results = new Array(entries.length);
    this.all = this.first(entries.length).then(() => this.#results);
  }

  /** Waits for the results of the first commands, of which those after them are not sent yet. */
  first(count: number): Promise<void> {
    return new Promise((go) => {
      if (this.#count >= count) go();
      else this.#waiting.push({ count, go });
    });
  }

  /** A command whose result is the one at an index. */
  batched(
    index: number,
    { name, args: given, encoding }: Entry,
    args: readonly Wirable[],
  ): Batched {
    return new Batched(
      name,
      args,
      given,
      encoding,
      (reply) => this.#set(index, null, reply),
      (reason) => this.#set(index, reason, undefined),
    );
  }

  /** Takes what a promise comes to, which nobody else need catch. */
  follow(index: number, reply: Promise<unknown>): Promise<void> {
    return reply.then(
      (result) => this.#set(index, null, result),
      (reason) => this.#set(index, reason, undefined),
    );
  }

  #set(index: number, reason: unknown, result: unknown): void {
    const error = reason === null || reason instanceof Error ? reason : new Error(String(reason));
    this.#results[index] = [error, result];
    this.#count++;
    const callback = this.#entries[index]?.callback;
    // On a tick of its own, what it throws is its own affair.
    if (callback !== undefined) process.nextTick(callback, error, result);
    if (this.#waiting.length === 0) return;
    const ready = this.#waiting.filter(({ count }) => count <= this.#count);
    if (ready.length === 0) return;
    this.#waiting = this.#waiting.filter(({ count }) => count > this.#count);
    for (const { go } of ready) go();
  }
}
