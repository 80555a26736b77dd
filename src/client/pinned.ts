/** Commands pinned to one node, whatever their keys. */
import {
  type Argument,
  type ReplyEncoding,
  toArgument,
  toCommand,
  withPrefix,
} from "../commands/arguments.ts";
import { pinToNode } from "../commands/pin.ts";
import type { PartedRequest, Territory } from "../commands/request.ts";
import { checkKey } from "../keys.ts";
import type { Node } from "../topology/node.ts";
import type { Home, MadePart, MadeRequest } from "./carrier.ts";
import type { Dispatcher } from "./dispatcher.ts";

/** Carries commands out on one node. Keys get their prefix, and are not placed. */
export class PinnedCarrier implements Home {
  readonly territory: Territory;
  // Commands of its pipelines are not placed, as those of a batch are.
  readonly batcher = undefined;
  readonly #dispatcher: Dispatcher;
  readonly #node: number;

  /** @param node the index of the node */
  constructor(dispatcher: Dispatcher, node: number) {
    this.territory = dispatcher.territory;
    this.#dispatcher = dispatcher;
    this.#node = node;
  }

  run(name: string, given: readonly Argument[], encoding: ReplyEncoding): Promise<unknown> {
    const batched = this.#dispatcher.batcher?.add(name, given, encoding, this.#node);
    return batched ?? this.#dispatcher.runOn(this.#node, name, given, encoding);
  }

  prepare(name: string, given: readonly Argument[], encoding: ReplyEncoding): MadeRequest {
    const command = name.toLowerCase();
    const part = { node: 0, ...pinToNode(this.territory.prefix, command, given) };
    const made = { node: 0, command: toCommand(name, part.args, encoding), keys: part.keys };
    return {
      request: { kind: "parts", command, parts: [part], merge: undefined },
      parts: [made],
    };
  }

  prepareWatch(keys: readonly Argument[]): MadePart {
    const { prefix } = this.territory;
    const args = keys.map((key) => toArgument(withPrefix(prefix, checkKey(key))));
    return { node: 0, command: toCommand("watch", args, "utf8"), keys };
  }

  async replyTo(_: PartedRequest, [reply]: readonly Promise<unknown>[]): Promise<unknown> {
    return reply;
  }

  nodeAt(): Node {
    return this.#dispatcher.nodeAt(this.#node);
  }
}
