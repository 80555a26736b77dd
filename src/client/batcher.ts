/** Commands of one tick, sent to each node as one batch. */
import { type Argument, type ReplyEncoding, toWirable, withPrefix } from "../commands/arguments.ts";
import { isBatchable } from "../commands/batchable.ts";
import type { Territory } from "../commands/request.ts";
import { checkKey } from "../keys.ts";
import {
  Batch,
  type Explain,
  isErrorReply,
  type Replies,
  type ReplyContext,
} from "../lane/batch.ts";
import {
  encodeCommand,
  encodeCommands,
  encodeCommandsFor,
  type KeyedCommand,
  type NodeShare,
  type Wirable,
} from "../lane/encode.ts";
import { aboutCommand, shapeReply } from "../lane/shape.ts";
import type { Node } from "../topology/node.ts";

/** Longer arguments go by themselves, as they would only be copied once more. */
const MOST_ARGUMENT = 1 << 16;

/** Bounds what is encoded at once, and with it for how long nothing else runs. */
const MOST_COMMANDS = 5000;

/** Copied rather than written anew, as V8 takes what is written for long-lived: see {@link Batched}. */
const NONE: readonly Batched[] = [];

const FIRST = Uint32Array.of(0);

/**
 * A command that waits for the end of the tick, and then for its reply. A class,
 * for V8 takes object literals that wait for replies for long-lived.
 */
export class Batched implements KeyedCommand {
  readonly name: string;
  readonly args: readonly Wirable[];
  /** As the user gave them. */
  readonly given: readonly Argument[];
  readonly encoding: ReplyEncoding;
  readonly resolve: (reply: unknown) => void;
  readonly reject: (reason: unknown) => void;
  /** The index of the node that the user has chosen, if any. */
  readonly node: number | undefined;

  constructor(
    name: string,
    args: readonly Wirable[],
    given: readonly Argument[],
    encoding: ReplyEncoding,
    resolve: (reply: unknown) => void,
    reject: (reason: unknown) => void,
    node?: number,
  ) {
    this.name = name;
    this.args = args;
    this.given = given;
    this.encoding = encoding;
    this.resolve = resolve;
    this.reject = reject;
    this.node = node;
  }
}

/** What carries a command out by itself. */
export type SendAlone = (command: Batched) => Promise<unknown>;

export class Batcher {
  readonly #nodes: readonly Node[];
  readonly #territory: Territory;
  readonly #sendAlone: SendAlone;
  #waiting: Batched[] = NONE.slice();

  constructor(nodes: readonly Node[], territory: Territory, sendAlone: SendAlone) {
    this.#nodes = nodes;
    this.#territory = territory;
    this.#sendAlone = sendAlone;
  }

  /**
   * Has a command sent at the end of the tick, or before the next command that
   * cannot wait for it. Undefined if it cannot be one of many.
   *
   * @param node the index of the node that it goes to, whatever its key
   */
  add(
    name: string,
    given: readonly Argument[],
    encoding: ReplyEncoding,
    node?: number,
  ): Promise<unknown> | undefined {
    const wirables = this.toWirables(name, given);
    if (wirables === undefined) return undefined;
    const isText = wirables === given;
    const args = isText ? wirables : wirables.map(copied);
    const kept = isText ? given : given.map(copied);
    return new Promise((resolve, reject) => {
      // What is placed is not encoded together with what has its node.
      const [first] = this.#waiting;
      if (first !== undefined && isPlaced(first) !== (node === undefined)) this.flush(true);
      if (this.#waiting.length === 0) this.#flushSoon();
      this.#waiting.push(new Batched(name, args, kept, encoding, resolve, reject, node));
      if (this.#waiting.length === MOST_COMMANDS) this.flush();
    });
  }

  /**
   * At the end of the tick while nothing is on its way. While replies are due, as
   * soon as the event loop has handled what came in with it: so the commands of
   * many requests go together, and none waits for longer than for its turn.
   */
  #flushSoon(): void {
    if (this.#nodes.some((node) => node.awaitsReplies)) setImmediate(() => this.flush());
    else process.nextTick(() => this.flush());
  }

  /** Sends what waits; see {@link Batcher.send}. */
  flush(isOneOfMany = false): void {
    if (this.#waiting.length === 0) return;
    const waiting = this.#waiting;
    this.#waiting = NONE.slice();
    this.send(waiting, isOneOfMany);
  }

  /**
   * Sends commands, those of each node in their order.
   *
   * @param isOneOfMany whether more is sent in this tick, and goes into one write with it
   */
  send(commands: readonly Batched[], isOneOfMany = false): void {
    if (commands.length > MOST_COMMANDS) {
      this.send(commands.slice(0, MOST_COMMANDS), true);
      this.send(commands.slice(MOST_COMMANDS), true);
      return;
    }
    if (isOneOfMany) for (const node of this.#nodes) if (node.takesBatches) node.gather();
    const shares = this.#encode(commands);
    if (shares === undefined) for (const command of commands) this.#alone(command);
    else for (const share of shares) this.#sendShare(commands, share);
  }

  #sendShare(commands: readonly Batched[], { node: index, bytes, positions }: NodeShare): void {
    const node = this.#nodes[index];
    if (node?.takesBatches) {
      const again = (command: Batched) => this.#alone(command);
      const replies = new ShareReplies(node, commands, positions, again);
      node.sendBatch(new Batch(bytes, positions.length, replies));
    } else {
      for (const position of positions) this.#alone(commands[position]);
    }
  }

  /** Undefined where they must be placed one by one. */
  #encode(commands: readonly Batched[]): NodeShare[] | undefined {
    const { placement } = this.#territory;
    const [first] = commands;
    if (first === undefined) return [];
    try {
      if (commands.length === 1) return this.#encodeLone(first);
      if (isPlaced(first)) return encodeCommands(placement, commands);
      const owners = Uint16Array.from(commands, ({ node = 0 }) => node);
      return encodeCommandsFor(placement, owners, commands);
    } catch {
      // A key that cannot be placed: which, is found out one by one.
      return undefined;
    }
  }

  #encodeLone(command: Batched): NodeShare[] | undefined {
    const { placement } = this.#territory;
    const [key = ""] = command.args;
    let { node } = command;
    if (node !== undefined) {
      checkKey(key);
    } else {
      if (placement.rewritesKeys) return undefined;
      node = placement.indexFor(key);
    }
    return [{ node, bytes: encodeCommand(command), positions: FIRST }];
  }

  #alone(command: Batched | undefined): void {
    if (command !== undefined) this.#sendAlone(command).then(command.resolve, command.reject);
  }

  /** The arguments as they go on the wire; undefined if the command does not fit into a batch. */
  toWirables(name: string, given: readonly Argument[]): readonly Wirable[] | undefined {
    if (!isBatchable(name, given.length)) return undefined;
    const { prefix } = this.#territory;
    if (prefix === undefined && areShortStrings(given)) return given;
    const args: Wirable[] = [];
    for (const argument of given) {
      const wirable = toWirable(argument);
      if (wirable === undefined || wirable.length > MOST_ARGUMENT) return undefined;
      args.push(wirable);
    }
    const [key] = given;
    if (!isKey(key)) return undefined;
    args[0] = withPrefix(prefix, args[0] ?? "");
    return args;
  }
}

function isPlaced({ node }: Batched): boolean {
  return node === undefined;
}

/** As with ioredis, a Buffer may be written over as soon as the call has returned. */
function copied<T>(argument: T): T | Buffer {
  return Buffer.isBuffer(argument) ? Buffer.from(argument) : argument;
}

/** Numbers that have no digits are none. */
function isKey(key: unknown): boolean {
  return typeof key !== "number" || Number.isFinite(key);
}

function areShortStrings(args: readonly Argument[]): args is readonly string[] {
  for (const arg of args) {
    if (typeof arg !== "string" || arg.length > MOST_ARGUMENT) return false;
  }
  return true;
}

/** The commands of a batch that went to one node. */
class ShareReplies implements Replies {
  readonly #node: Node;
  readonly #commands: readonly Batched[];
  readonly #positions: Uint32Array;
  readonly #sendAgain: (command: Batched) => void;

  constructor(
    node: Node,
    commands: readonly Batched[],
    positions: Uint32Array,
    sendAgain: (command: Batched) => void,
  ) {
    this.#node = node;
    this.#commands = commands;
    this.#positions = positions;
    this.#sendAgain = sendAgain;
  }

  isText(index: number): boolean {
    return this.#at(index)?.encoding !== null;
  }

  settle(index: number, reply: unknown, context: ReplyContext): void {
    const command = this.#at(index);
    if (command === undefined) return;
    const { name, args, resolve, reject } = command;
    if (isErrorReply(reply)) {
      const error = aboutCommand(reply, name, args);
      if (this.#node.reactTo(error)) this.#sendAgain(command);
      else reject(error);
      return;
    }
    try {
      resolve(shapeReply(name, reply, context));
    } catch (error) {
      reject(error);
    }
  }

  fail(index: number, explain: Explain): void {
    const command = this.#at(index);
    command?.reject(explain(command.name, command.given.slice(0, 1)));
  }

  #at(index: number): Batched | undefined {
    return this.#commands[this.#positions[index] ?? 0];
  }
}
