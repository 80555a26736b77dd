/** Carries commands out: takes them apart, sends the parts, and makes the replies one. */
import { type Argument, type ReplyEncoding, toCommand } from "../commands/arguments.ts";
import { type Check, NO_CHECK } from "../commands/check.ts";
import { setAllOrNone } from "../commands/emulate/all-or-none.ts";
import type { Recovery } from "../commands/emulate/journal.ts";
import { Lines } from "../commands/emulate/line.ts";
import { Mover } from "../commands/emulate/move.ts";
import { popFirst } from "../commands/emulate/probe.ts";
import { randomKey } from "../commands/emulate/random-key.ts";
import { scanNodes } from "../commands/emulate/scan.ts";
import { type Attempt, inTermsOf, type Nodes, type SendBatch } from "../commands/emulate/send.ts";
import { shipAndRun } from "../commands/emulate/ship.ts";
import { Sorting } from "../commands/emulate/sort.ts";
import { readStreams } from "../commands/emulate/streams.ts";
import { untilFound } from "../commands/emulate/wait.ts";
import { LearnedCommands } from "../commands/learn.ts";
import { mergePieces, mergeReplies, mergeSettled, withoutReply } from "../commands/merge.ts";
import { checkKeys, forEachPiece, isLarge, pieces } from "../commands/pieces.ts";
import { pinToNode } from "../commands/pin.ts";
import type { Part } from "../commands/placed.ts";
import type { Shape } from "../commands/policies.ts";
import {
  type MovedRequest,
  type PartedRequest,
  type Request,
  type SteppedRequest,
  type Territory,
  takeApart,
  takeToOwner,
} from "../commands/request.ts";
import { type CommandRow, commandRow } from "../commands/table.ts";
import { ShardisError } from "../errors.ts";
import { waitOf } from "../topology/blocking.ts";
import type { Node } from "../topology/node.ts";
import { isEncoded, sendEncoded } from "./batched-part.ts";
import { Batcher } from "./batcher.ts";
import { type Calls, unlessCalledOff } from "./calls.ts";
import type { Home, MadePart, MadeRequest } from "./carrier.ts";

const SPECIALS = { scan: scanNodes, randomkey: randomKey };

const STEPS = { probe: popFirst, streams: readStreams, "all or none": setAllOrNone };

/** How one command is carried out. */
export interface Terms {
  /** What it must pass before anything of it is sent; the client's, if left out. */
  readonly check?: Check;
  /** What may call it off. */
  readonly calls?: Calls | undefined;
}

export interface DispatcherOptions {
  /** Whether what is sent in one tick is sent together. */
  readonly autoBatch?: boolean;
  /** Whether commands are split by node; they are, if left out. */
  readonly splits?: boolean;
  /** What each command must pass; what a view asks instead is no less. */
  readonly check?: Check;
}

export class Dispatcher implements Home {
  readonly nodes: readonly Node[];
  readonly territory: Territory;
  readonly batcher: Batcher | undefined;
  readonly #check: Check;
  readonly #splits: boolean;
  readonly #learned = new LearnedCommands((args) => this.#askAnyone(args));
  readonly #reach: Nodes;
  readonly #mover: Mover;
  readonly #lines = new Lines();
  /** Whether parts have been sent in this tick. */
  #hasSentParts = false;

  constructor(nodes: readonly Node[], territory: Territory, options: DispatcherOptions) {
    this.nodes = nodes;
    this.territory = territory;
    this.#check = options.check ?? NO_CHECK;
    this.#splits = options.splits ?? true;
    this.batcher = options.autoBatch ? this.#makeBatcher() : undefined;
    this.#reach = {
      names: territory.placement.nodes,
      send: this.#sendBatch,
      track: (node, keys, listener) => this.nodeAt(node).track(keys, listener),
    };
    this.#mover = new Mover(this.#sendBatch, territory.placement.nodes);
  }

  /**
   * Carries a command out.
   *
   * @param name in any case
   * @param args flat, as the user gave them
   */
  async run(
    name: string,
    args: readonly Argument[],
    encoding: ReplyEncoding,
    { check = this.#check, calls }: Terms = {},
  ): Promise<unknown> {
    const command = name.toLowerCase();
    const row = commandRow(command, args);
    if (row?.policy.kind === "special") {
      const reply = SPECIALS[row.policy.name](args, this.#reach, encoding);
      return calls === undefined ? reply : calls.race(reply, name, []);
    }
    // What a view checks, it checks of the whole.
    const mayBeCut = check === this.#check && this.#splits;
    if (row?.policy.kind === "split" && mayBeCut && isLarge(row.policy.shape, args)) {
      return this.#runInPieces(row, row.policy.shape, name, args, encoding, calls);
    }
    const request =
      row === undefined
        ? await this.#takeUnknown(command, args, check)
        : this.take(row, command, args, check);
    return this.#carryOut(request, name, encoding, calls);
  }

  /** Takes a command apart; throws what refuses it. */
  take(
    row: CommandRow,
    command: string,
    args: readonly Argument[],
    check: Check = this.#check,
  ): Request {
    const request = takeApart(this.territory, row, command, args);
    check(request, this.territory);
    return request;
  }

  async #takeUnknown(command: string, args: readonly Argument[], check: Check): Promise<Request> {
    const positions = await this.#learned.positions(command, args);
    const request = takeToOwner(this.territory, command, args, positions);
    check(request, this.territory);
    return request;
  }

  /** Carries out what has been taken apart. */
  async #carryOut(
    request: Request,
    name: string,
    encoding: ReplyEncoding,
    calls: Calls | undefined,
  ): Promise<unknown> {
    switch (request.kind) {
      case "parts":
        return this.replyTo(request, this.#sendParts(request, name, encoding, calls));
      case "ship": {
        // By the name as it was given: ioredis shapes replies by it.
        const placed = { ...request.placed, command: name };
        return unlessCalledOff(calls, placed, shipAndRun(placed, this.#sendBatch, encoding));
      }
      case "sort": {
        const placed = { ...request.placed, command: name };
        const sorting = new Sorting(placed, this.territory.placement, this.#sendBatch);
        return unlessCalledOff(calls, placed, sorting.run(encoding));
      }
      case "move":
      case "steps":
        return this.#carryOutInSteps(request, name, encoding, calls);
    }
  }

  /** Carries out what takes several steps: once, or, if it may wait, until it finds something. */
  async #carryOutInSteps(
    request: SteppedRequest | MovedRequest,
    name: string,
    encoding: ReplyEncoding,
    calls: Calls | undefined,
  ): Promise<unknown> {
    const { placed } = request;
    const wait = waitOf(toCommand(name, [...placed.args], encoding));
    const attempt = this.#attempt(request, name, encoding);
    // What is moved comes to the first key.
    const keys = request.kind === "move" ? placed.keys.slice(0, 1) : placed.keys;
    // Who only reads takes nothing from others, and has nobody to wait for.
    const isTaking = this.rowOf(request.command, placed.args).access === "write";
    const lines = isTaking ? this.#lines : new Lines();
    try {
      if (wait === undefined) return await unlessCalledOff(calls, placed, attempt());
      const waiting = { ...placed, keys };
      return await untilFound(attempt, waiting, wait, this.#reach.track, lines, calls);
    } catch (error) {
      throw inTermsOf(placed, error);
    }
  }

  #attempt(request: SteppedRequest | MovedRequest, name: string, encoding: ReplyEncoding): Attempt {
    if (request.kind === "move") return () => this.#mover.run(request.placed, encoding);
    // It has the journal of moves.
    if (request.name === "all or none") this.#mover.recoverNowAndThen();
    return STEPS[request.name]({ ...request.placed, command: name }, this.#reach, encoding);
  }

  /** Others may be served between pieces: a large command is not atomic on a node either. */
  async #runInPieces(
    row: CommandRow,
    shape: Shape,
    name: string,
    args: readonly Argument[],
    encoding: ReplyEncoding,
    calls: Calls | undefined,
  ): Promise<unknown> {
    await checkKeys(this.territory, shape, args);
    const { nodes } = this.territory.placement;
    const merged: unknown[] = [];
    const parts: Part[] = [];
    const settled: PromiseSettledResult<unknown>[] = [];
    let whole: PartedRequest | undefined;
    let isCut = false;
    await forEachPiece(pieces(shape, args), async ({ args, index }) => {
      isCut ||= calls?.isOver === true;
      if (isCut) return;
      const request = takeApart(this.territory, row, name.toLowerCase(), args);
      if (request.kind !== "parts") return;
      whole ??= { ...request, parts };
      const results = await Promise.allSettled(this.#sendParts(request, name, encoding, calls));
      merged[index] = mergeReplies(request, results, nodes);
      parts.push(...request.parts);
      settled.push(...results.map(withoutReply));
    });
    if (calls !== undefined && isCut) throw calls.calledOff(name, [], parts.length > 0);
    return whole && mergePieces(merged, whole, settled, nodes);
  }

  #sendParts(
    request: PartedRequest,
    name: string,
    encoding: ReplyEncoding,
    calls: Calls | undefined,
  ): Promise<unknown>[] {
    if (request.parts.every(isEncoded)) {
      this.#gatherAfterFirst(request.parts);
      return request.parts.map((part) =>
        sendEncoded(this.nodeAt(part.node), part, name, encoding, calls),
      );
    }
    const { parts } = this.make(request, name, encoding);
    for (const { command } of parts) calls?.add(command);
    return parts.map(async ({ node, command, keys }) => this.nodeAt(node).send(command, keys));
  }

  /**
   * The first command of a tick is written at once, so that servers are at work while others are
   * made; those after it go together, as a write costs more than they do.
   */
  #gatherAfterFirst(parts: readonly Part[]): void {
    if (this.#hasSentParts) {
      const nodes = parts.map(({ node }) => this.nodeAt(node));
      for (const node of nodes) if (node.takesBatches) node.gather();
      return;
    }
    this.#hasSentParts = true;
    process.nextTick(() => {
      this.#hasSentParts = false;
    });
  }

  prepare(
    name: string,
    args: readonly Argument[],
    encoding: ReplyEncoding,
    check: Check = this.#check,
  ): MadeRequest | undefined {
    const command = name.toLowerCase();
    const row = commandRow(command, args);
    if (row === undefined || row.policy.kind === "special") return undefined;
    const request = this.take(row, command, args, check);
    return request.kind === "parts" ? this.make(request, name, encoding) : undefined;
  }

  prepareWatch(keys: readonly Argument[]): MadePart {
    const request = takeToOwner(this.territory, "watch", keys, [...keys.keys()]);
    const [part] = this.make(request, "watch", "utf8").parts;
    if (part === undefined) throw new RangeError("what runs on one node has one part");
    return part;
  }

  make(request: PartedRequest, name: string, encoding: ReplyEncoding): MadeRequest {
    const parts = request.parts.map(({ node, args, keys }) => ({
      node,
      command: toCommand(name, args, encoding),
      keys,
    }));
    return { request, parts };
  }

  async replyTo(request: PartedRequest, replies: readonly Promise<unknown>[]): Promise<unknown> {
    if (request.merge === undefined) return replies[0];
    const settled = await Promise.allSettled(replies);
    return mergeSettled(request, settled, this.territory.placement.nodes);
  }

  /** Carries a command out on a node, whatever its keys. */
  async runOn(
    node: number,
    name: string,
    given: readonly Argument[],
    encoding: ReplyEncoding,
  ): Promise<unknown> {
    const { args, keys } = pinToNode(this.territory.prefix, name.toLowerCase(), given);
    return this.nodeAt(node).send(toCommand(name, args, encoding), keys);
  }

  /** @throws ShardisError `UNSUPPORTED` for a command that is not known */
  rowOf(command: string, args: readonly Argument[]): CommandRow {
    const row = commandRow(command, args);
    if (row !== undefined) return row;
    throw new ShardisError(
      "UNSUPPORTED",
      `${command} is not among the commands whose keys shardis knows: send it to one node with ` +
        "redis.by(key).call(…) or redis.node(name).call(…)",
      { command },
    );
  }

  /**
   * Finishes what crashed clients have left unfinished between two nodes.
   *
   * @param lease how many milliseconds it must have been untouched; half a minute, if left out
   */
  recover(lease?: number): Promise<Recovery> {
    return this.#mover.recover(lease);
  }

  #makeBatcher(): Batcher {
    const batcher = new Batcher(this.nodes, this.territory, ({ node, name, given, encoding }) =>
      node === undefined
        ? this.run(name, given, encoding)
        : this.runOn(node, name, given, encoding),
    );
    for (const node of this.nodes) node.beforeSending = () => batcher.flush();
    return batcher;
  }

  nodeAt(index: number): Node {
    const node = this.nodes[index];
    if (node === undefined) throw new RangeError(`there is no node ${index}`);
    return node;
  }

  /** Asks one node after another, until one answers. */
  async #askAnyone(args: Argument[]): Promise<unknown> {
    let failure: unknown;
    for (const node of this.nodes) {
      try {
        return await node.send(toCommand("command", args, null), []);
      } catch (error) {
        failure = error;
      }
    }
    throw failure;
  }

  readonly #sendBatch: SendBatch = async (index, commands, encoding) => {
    const node = this.nodeAt(index);
    const deliveries = commands.map(([name, ...args]) => ({
      command: toCommand(name, args, encoding),
      keys: [],
    }));
    const [first] = deliveries;
    if (first !== undefined && waitOf(first.command) !== undefined) {
      return Promise.allSettled([node.sendUnblocked(first.command, [])]);
    }
    return Promise.allSettled(node.sendAll(deliveries));
  };
}
