/**
 * Pops over several nodes: keys are asked in their order, those that lie together at once, and
 * the first that has something gives it. Those that block are asked so too, and do not wait
 * meanwhile: see `wait.ts`.
 */
import type { Argument, ReplyEncoding } from "../arguments.ts";
import type { PlacedCommand } from "../placed.ts";
import type { Attempt, Nodes } from "./send.ts";

/** Round trips until it has asked all keys once, for `explain`. */
export function probeRoundTrips({ keys }: PlacedCommand): number {
  return runsOfOneNode(keys).length;
}

/**
 * Pops from the first key that is not empty.
 *
 * @throws the error of the first key that the server refuses, if none before it had something
 */
export function popFirst(
  { command, args, keys }: PlacedCommand,
  { send }: Nodes,
  encoding: ReplyEncoding,
): Attempt {
  const before = args.slice(0, keys[0]?.position);
  const after = args.slice((keys.at(-1)?.position ?? 0) + 1);
  return async () => {
    for (const run of runsOfOneNode(keys)) {
      // What stands before keys ends with how many they are.
      const counted = before.length === 0 ? [] : [...before.slice(0, -1), run.length];
      const asked: Argument[] = [...counted, ...run.map(({ key }) => key), ...after];
      const [reply] = await send(run[0]?.owner ?? 0, [[command, ...asked]], encoding);
      if (reply?.status === "rejected") throw reply.reason;
      if (reply?.value !== null) return reply?.value;
    }
    return null;
  };
}

/** Keys in their order, cut wherever the next one lies elsewhere. */
function runsOfOneNode<Key extends { readonly owner: number }>(keys: readonly Key[]): Key[][] {
  const runs: Key[][] = [];
  for (const key of keys) {
    const run = runs.at(-1);
    if (run?.[0]?.owner === key.owner) run.push(key);
    else runs.push([key]);
  }
  return runs;
}
