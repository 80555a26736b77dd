/** What carries commands out, for a client and for each of its views. */
import type { Argument, ReplyEncoding } from "../commands/arguments.ts";
import type { PartedRequest, Territory } from "../commands/request.ts";
import type { Sendable, Sender } from "../topology/connection.ts";
import type { Node } from "../topology/node.ts";
import type { Batcher } from "./batcher.ts";

/** A part of a command, made and ready to be sent. */
export interface MadePart extends Sendable {
  readonly node: number;
}

/** A command whose parts have been made: if one cannot be, none is sent. */
export interface MadeRequest {
  readonly request: PartedRequest;
  readonly parts: readonly MadePart[];
}

/** What carries the commands of views and pipelines out. */
export interface Carrier {
  readonly territory: Territory;
  /** Sends many commands together, if that is wanted, and possible where they go. */
  readonly batcher?: Batcher | undefined;
  run(name: string, args: readonly Argument[], encoding: ReplyEncoding): Promise<unknown>;
  /**
   * A command made ready to be sent, for those who send it themselves; undefined
   * if it takes several steps, or must be asked about.
   */
  prepare(
    name: string,
    args: readonly Argument[],
    encoding: ReplyEncoding,
  ): MadeRequest | undefined;
  /** The one reply of a command, of those of its parts. */
  replyTo(request: PartedRequest, replies: readonly Promise<unknown>[]): Promise<unknown>;
  nodeAt(index: number): Sender;
}

/** A carrier that knows whole nodes, where transactions may watch keys. */
export interface Home extends Carrier {
  /**
   * WATCH, made ready.
   *
   * @throws ShardisError `BAD_KEY`; `CROSS_NODE` if its keys lie on several nodes
   */
  prepareWatch(keys: readonly Argument[]): MadePart;
  nodeAt(index: number): Node;
}
