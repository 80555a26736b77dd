/**
 * LMPOP and ZMPOP over several nodes: keys are asked in their order, those that
 * lie together at once, and the first that has something gives it.
 */
import type { Argument, ReplyEncoding } from "../arguments.ts";
import type { PlacedCommand } from "../placed.ts";
import type { SendBatch } from "./send.ts";

/**
 * Pops from the first key that is not empty.
 *
 * @throws the error of the first key that the server refuses, if none before it had something
 */
export async function popFirst(
  { command, args, keys }: PlacedCommand,
  send: SendBatch,
  encoding: ReplyEncoding,
): Promise<unknown> {
  const last = keys.at(-1)?.position ?? 0;
  const options = args.slice(last + 1);
  for (const run of runsOfOneNode(keys)) {
    const asked: Argument[] = run.map(({ key }) => key);
    const [reply] = await send(
      run[0]?.owner ?? 0,
      [[command, run.length, ...asked, ...options]],
      encoding,
    );
    if (reply?.status === "rejected") throw reply.reason;
    if (reply?.value !== null) return reply?.value;
  }
  return null;
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
