/** Commands that must pass a check of their own. */
import type { Argument, ReplyEncoding } from "../commands/arguments.ts";
import type { Check } from "../commands/check.ts";
import type { PartedRequest, Territory } from "../commands/request.ts";
import type { Node } from "../topology/node.ts";
import type { Batcher } from "./batcher.ts";
import type { Carrier, MadeRequest } from "./carrier.ts";
import type { Dispatcher } from "./dispatcher.ts";

/** Carries commands out as a client does, but each must pass a check before it is sent. */
export class CheckedCarrier implements Carrier {
  readonly territory: Territory;
  readonly batcher: Batcher | undefined;
  readonly #dispatcher: Dispatcher;
  readonly #check: Check;

  /** @param check that all commands of one key pass, so that they may go in batches */
  constructor(dispatcher: Dispatcher, check: Check) {
    this.territory = dispatcher.territory;
    this.batcher = dispatcher.batcher;
    this.#dispatcher = dispatcher;
    this.#check = check;
  }

  run(name: string, args: readonly Argument[], encoding: ReplyEncoding): Promise<unknown> {
    const batched = this.batcher?.add(name, args, encoding);
    return batched ?? this.#dispatcher.run(name, args, encoding, { check: this.#check });
  }

  prepare(
    name: string,
    args: readonly Argument[],
    encoding: ReplyEncoding,
  ): MadeRequest | undefined {
    return this.#dispatcher.prepare(name, args, encoding, this.#check);
  }

  replyTo(request: PartedRequest, replies: readonly Promise<unknown>[]): Promise<unknown> {
    return this.#dispatcher.replyTo(request, replies);
  }

  nodeAt(index: number): Node {
    return this.#dispatcher.nodeAt(index);
  }
}
