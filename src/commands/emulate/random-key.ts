/** RANDOMKEY over all nodes: every key is as likely as any other. */
import type { Argument, ReplyEncoding } from "../arguments.ts";
import { isOwnKey } from "../own-keys.ts";
import { type Nodes, sendOne } from "./send.ts";

/** How often a node is asked again for a key that is not our own. */
const MOST_DRAWS = 16;

/** A key; null if there is none. Keys of our own are passed over, as `keys` and `scan` do. */
export async function randomKey(
  args: readonly Argument[],
  nodes: Nodes,
  encoding: ReplyEncoding,
): Promise<unknown> {
  for (let draw = 1; draw <= MOST_DRAWS; draw++) {
    const key = await drawKey(args, nodes, encoding);
    if (!isOwnKey(key)) return key;
  }
  return null;
}

/** A node is chosen by how many keys it has. */
async function drawKey(
  args: readonly Argument[],
  { names, send }: Nodes,
  encoding: ReplyEncoding,
): Promise<unknown> {
  const sizes = await Promise.all(
    names.map(async (_, node) => Number(await sendOne(send, node, ["dbsize"]))),
  );
  let left = Math.random() * sizes.reduce((sum, size) => sum + size, 0);
  for (const [node, size] of sizes.entries()) {
    left -= size;
    if (left >= 0 || size === 0) continue;
    return sendOne(send, node, ["randomkey", ...args], encoding);
  }
  return null;
}
