/** A part of a command that was split, sent as it has been encoded. */
import { type ReplyEncoding, toCommand, toWirable } from "../commands/arguments.ts";
import type { Part } from "../commands/placed.ts";
import {
  Batch,
  type Explain,
  isErrorReply,
  type Replies,
  type ReplyContext,
} from "../lane/batch.ts";
import { aboutCommand, shapeReply } from "../lane/shape.ts";
import type { Node } from "../topology/node.ts";
import type { Calls } from "./calls.ts";

export function isEncoded(part: Part): boolean {
  return part.bytes !== undefined;
}

/** Sends an encoded part as a batch of one, or as any command where the node takes no batches. */
export function sendEncoded(
  node: Node,
  part: Part,
  name: string,
  encoding: ReplyEncoding,
  calls: Calls | undefined,
): Promise<unknown> {
  const { bytes } = part;
  // A part may live on, for errors.
  part.bytes = undefined;
  if (bytes === undefined || !node.takesBatches) {
    return sendOrdinary(node, part, name, encoding, calls);
  }
  const reply = new PartReply(node, part, name, encoding);
  node.sendBatch(new Batch(bytes, 1, reply));
  return calls === undefined ? reply.promise : calls.race(reply.promise, name, part.keys);
}

function sendOrdinary(
  node: Node,
  part: Part,
  name: string,
  encoding: ReplyEncoding,
  calls?: Calls,
): Promise<unknown> {
  const command = toCommand(name, part.args, encoding);
  calls?.add(command);
  return node.send(command, part.keys);
}

/** The one reply to a part. */
class PartReply implements Replies {
  readonly promise: Promise<unknown>;
  readonly #node: Node;
  readonly #part: Part;
  readonly #name: string;
  readonly #encoding: ReplyEncoding;
  #resolve!: (reply: unknown) => void;
  #reject!: (reason: unknown) => void;

  constructor(node: Node, part: Part, name: string, encoding: ReplyEncoding) {
    this.#node = node;
    this.#part = part;
    this.#name = name;
    this.#encoding = encoding;
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  isText(): boolean {
    return this.#encoding !== null;
  }

  settle(_: number, reply: unknown, context: ReplyContext): void {
    if (!isErrorReply(reply)) {
      this.#resolve(shapeReply(this.#name, reply, context));
      return;
    }
    const args = this.#part.args.map((argument) => toWirable(argument) ?? argument);
    const error = aboutCommand(reply, this.#name, args);
    if (this.#node.reactTo(error)) {
      this.#resolve(sendOrdinary(this.#node, this.#part, this.#name, this.#encoding));
    } else {
      this.#reject(error);
    }
  }

  fail(_: number, explain: Explain): void {
    this.#reject(explain(this.#name, this.#part.keys));
  }
}
