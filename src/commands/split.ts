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
 *   without a value
 */
export function split(
  placement: Placement,
  prefix: string | undefined,
  policy: { readonly shape: Shape },
  command: string,
  given: readonly Argument[],
): Part[] {
  const width = policy.shape === "pairs" ? 2 : 1;
  const args = withPairs(command, given);
  if (args.length === 0 || args.length % width !== 0) {
    const wanted = width === 2 ? "at least one key, and a value for each" : "at least one key";
    throw new ShardisError("BAD_ARGUMENT", `${command} needs ${wanted}`, { command });
  }
  const keys = width === 1 ? args : args.filter((_, index) => index % 2 === 0);
  const placed = prefixed(prefix, keys);
  const plan = placement.plan(placed);
  const parts: Part[] = [];
  let start = 0;
  for (const [node, count] of plan.counts.entries()) {
    if (count === 0) continue;
    const positions = plan.order.subarray(start, start + count);
    start += count;
    const partArgs: Argument[] = [];
    const partKeys: Argument[] = [];
    for (const position of positions) {
      const key = placed[position] ?? "";
      partArgs.push(toArgument(placement.rewritesKeys ? placement.storedKey(key) : key));
      if (width === 2) partArgs.push(args[2 * position + 1] ?? "");
      partKeys.push(keys[position] ?? "");
    }
    parts.push({ node, args: partArgs, keys: partKeys, positions });
  }
  return parts;
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
