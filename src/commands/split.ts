/** Commands over several nodes, cut into one command a node. */
import { ShardisError } from "../errors.ts";
import { checkKey } from "../keys.ts";
import { encodeKeys, type Wirable } from "../lane/encode.ts";
import type { Placement } from "../placement/placement.ts";
import { type Argument, toArgument, toWirable, withPairs, withPrefix } from "./arguments.ts";
import { isBatchable } from "./batchable.ts";
import type { Part } from "./placed.ts";
import type { Shape } from "./policies.ts";

/**
 * Cuts a command into one for each node that owns any of its keys.
 *
 * @param given its arguments, flat
 * @throws ShardisError `BAD_KEY`; `BAD_ARGUMENT` if there are no keys, or a key
 *   without what belongs to it
 */
export function split(
  placement: Placement,
  prefix: string | undefined,
  shape: Shape,
  command: string,
  given: readonly Argument[],
): Part[] {
  const args = withPairs(command, given);
  const job = new Job(placement, prefix, shape, command, args);
  return encodeParts(job) ?? planParts(job);
}

/**
 * A command to be split. A class, as are parts: V8 takes object literals that
 * wait for replies for long-lived, and makes them, and all they refer to, work
 * for the garbage collector of old objects.
 */
class Job {
  readonly placement: Placement;
  readonly prefix: string | undefined;
  readonly shape: Shape;
  readonly command: string;
  readonly args: readonly Argument[];
  /** Where among the arguments the keys begin, and where they end, with what is theirs. */
  readonly start: number;
  readonly end: number;

  constructor(
    placement: Placement,
    prefix: string | undefined,
    shape: Shape,
    command: string,
    args: readonly Argument[],
  ) {
    this.placement = placement;
    this.prefix = prefix;
    this.shape = shape;
    this.command = command;
    this.args = args;
    const { start, end } = keyRange(shape, command, args);
    this.start = start;
    this.end = end;
  }

  /** The keys at some positions, as they were given. */
  keysAt(positions: Uint32Array): Argument[] {
    const { width } = this.shape;
    return Array.from(positions, (position) => this.args[this.start + width * position] ?? "");
  }

  /** The arguments of the keys at some positions, as they go on the wire. */
  argumentsAt(positions: Uint32Array): Argument[] {
    const { placement, prefix, shape, args, start, end } = this;
    const own: Argument[] = shape.isCounted ? [positions.length] : [];
    for (const position of positions) {
      const at = start + position * shape.width;
      const key = withPrefix(prefix, checkKey(args[at]));
      own.push(toArgument(placement.rewritesKeys ? placement.storedKey(key) : key));
      for (let more = at + 1; more < at + shape.width; more++) own.push(args[more] ?? "");
    }
    for (let common = end; common < args.length; common++) own.push(args[common] ?? "");
    return own;
  }
}

/** A part of a command; what is only for errors, or for ioredis, is made if it is asked for. */
class SplitPart implements Part {
  readonly node: number;
  readonly positions: Uint32Array;
  bytes: Buffer | string | undefined;
  readonly #job: Job;

  constructor(job: Job, node: number, positions: Uint32Array, bytes?: Buffer | string) {
    this.node = node;
    this.positions = positions;
    this.bytes = bytes;
    this.#job = job;
  }

  get keys(): readonly Argument[] {
    return this.#job.keysAt(this.positions);
  }

  get args(): Argument[] {
    return this.#job.argumentsAt(this.positions);
  }
}

/** Keys are placed and parts written at once, natively; undefined where that cannot be done. */
function encodeParts(job: Job): Part[] | undefined {
  const { width, isCounted, common } = job.shape;
  if ((width !== 1 && width !== 2) || isCounted || common > 0) return undefined;
  const wirable = isBatchable(job.command, width) ? toWirables(job) : undefined;
  if (wirable === undefined) return undefined;
  try {
    const shares = encodeKeys(job.placement, job.command, width, wirable);
    return shares.map(({ node, positions, bytes }) => new SplitPart(job, node, positions, bytes));
  } catch {
    // A key that cannot be placed: which, is found out one by one.
    return undefined;
  }
}

function toWirables({ prefix, shape, args }: Job): readonly Wirable[] | undefined {
  if (prefix === undefined && areStrings(args)) return args;
  const wirables: Wirable[] = [];
  for (const [index, arg] of args.entries()) {
    const isKey = index % shape.width === 0;
    const wirable = isKey ? withPrefix(prefix, checkKey(arg)) : toWirable(arg);
    if (wirable === undefined) return undefined;
    wirables.push(wirable);
  }
  return wirables;
}

function planParts(job: Job): Part[] {
  const { placement, prefix, shape, args, start, end } = job;
  const plan = placement.plan(prefixed(prefix, keysIn(args, shape, start, end)));
  const parts: Part[] = [];
  let from = 0;
  for (const [node, count] of plan.counts.entries()) {
    if (count === 0) continue;
    parts.push(new SplitPart(job, node, plan.order.subarray(from, from + count)));
    from += count;
  }
  return parts;
}

/** What stands behind the keys of a command, in lower case. */
export function optionsBehind(shape: Shape, command: string, given: readonly Argument[]): string[] {
  const args = withPairs(command, given);
  return args
    .slice(keyRange(shape, command, args).end)
    .map((option) => String(option).toLowerCase());
}

/** Where among its arguments the keys of a command begin, and where they end, with what is theirs. */
function keyRange(
  { width, isCounted, common }: Shape,
  command: string,
  args: readonly Argument[],
): { start: number; end: number } {
  const start = isCounted ? 1 : 0;
  const end = isCounted ? start + readCount(args[0]) * width : args.length - common;
  const isWhole = end > start && end <= args.length && (end - start) % width === 0;
  if (isWhole) return { start, end };
  const wanted = ["", ", and a value for each", ", and two arguments more for each"][width - 1];
  const message = `${command} needs at least one key${wanted}`;
  throw new ShardisError("BAD_ARGUMENT", message, { command });
}

/** A count of keys as a server reads it; 0 for what it would refuse. */
function readCount(argument: Argument | undefined): number {
  const text = String(argument);
  return /^[1-9]\d{0,9}$/.test(text) ? Number(text) : 0;
}

/** Each key, whatever it is: it has yet to be checked. */
function keysIn(
  args: readonly Argument[],
  { width }: Shape,
  start: number,
  end: number,
): readonly Argument[] {
  if (width === 1 && start === 0 && end === args.length) return args;
  return args.slice(start, end).filter((_, index) => index % width === 0);
}

/** Keys as they are placed. Strings without a prefix are: the plan checks them. */
function prefixed(
  prefix: string | undefined,
  keys: readonly Argument[],
): readonly (string | Uint8Array)[] {
  if (prefix === undefined && areStrings(keys)) return keys;
  return keys.map((key) => withPrefix(prefix, checkKey(key)));
}

function areStrings(keys: readonly Argument[]): keys is readonly string[] {
  for (const key of keys) if (typeof key !== "string") return false;
  return true;
}
