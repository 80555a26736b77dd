/** Commands over several nodes, cut into one command a node. */
import { ShardisError } from "../errors.ts";
import { checkKey } from "../keys.ts";
import type { Placement } from "../placement/placement.ts";
import { type Argument, toArgument, withPairs, withPrefix } from "./arguments.ts";
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
  const { width, isCounted } = shape;
  const args = withPairs(command, given);
  const { start, end } = keyRange(shape, command, args);
  const keys = keysIn(args, shape, start, end);
  const placed = prefixed(prefix, keys);
  const plan = placement.plan(placed);
  const parts: Part[] = [];
  let from = 0;
  for (const [node, count] of plan.counts.entries()) {
    if (count === 0) continue;
    const positions = plan.order.subarray(from, from + count);
    from += count;
    const partArgs: Argument[] = isCounted ? [count] : [];
    const partKeys: Argument[] = [];
    for (const position of positions) {
      const key = placed[position] ?? "";
      partArgs.push(toArgument(placement.rewritesKeys ? placement.storedKey(key) : key));
      const at = start + position * width;
      for (let more = at + 1; more < at + width; more++) partArgs.push(args[more] ?? "");
      partKeys.push(keys[position] ?? "");
    }
    for (let common = end; common < args.length; common++) partArgs.push(args[common] ?? "");
    parts.push({ node, args: partArgs, keys: partKeys, positions });
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
