/**
 * SCAN over all nodes, one after another. A cursor is that of a node and the
 * node, in one number: `cursor × nodes + node`. So it is text of digits, as a
 * client expects, and "0" both begins and ends, as in Redis. (Redis' cursors
 * have 64 bits, so these may have more.)
 */
import { ShardisError } from "../../errors.ts";
import { describe } from "../../keys.ts";
import type { Argument, ReplyEncoding } from "../arguments.ts";
import { withoutOwnKeys } from "../own-keys.ts";
import { type Nodes, sendOne } from "./send.ts";

/**
 * Scans on from a cursor.
 *
 * @throws ShardisError `BAD_ARGUMENT` if no scan over these nodes gave the cursor
 */
export async function scanNodes(
  given: readonly Argument[],
  { names, send }: Nodes,
  encoding: ReplyEncoding,
): Promise<unknown> {
  const { node, args } = readCursor(names.length, given);
  return writeCursor(names.length, node, await sendOne(send, node, ["scan", ...args], encoding));
}

/** One SCAN of one node. */
interface NodeScan {
  readonly node: number;
  readonly args: Argument[];
}

/** Which node a cursor means, and with which cursor of its own. */
function readCursor(nodes: number, [cursor, ...options]: readonly Argument[]): NodeScan {
  const text = String(cursor);
  if (!/^\d{1,40}$/.test(text)) {
    throw new ShardisError("BAD_ARGUMENT", `${describe(cursor)} is no cursor of scan`, {
      command: "scan",
    });
  }
  const number = BigInt(text);
  const node = Number(number % BigInt(nodes));
  return { node, args: [String(number / BigInt(nodes)), ...options] };
}

/** The reply of a node, with the cursor that goes on from there. */
function writeCursor(nodes: number, node: number, reply: unknown): unknown {
  if (!Array.isArray(reply)) return reply;
  const [cursor, keys] = reply;
  const own = BigInt(String(cursor));
  // A node that is done is followed by the start of the next, the last by the end.
  const next = own === 0n ? BigInt((node + 1) % nodes) : own * BigInt(nodes) + BigInt(node);
  const text = String(next);
  return [Buffer.isBuffer(cursor) ? Buffer.from(text) : text, withoutOwnKeys(keys)];
}
