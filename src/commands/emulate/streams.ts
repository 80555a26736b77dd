/** XREAD over streams on several nodes: each node is asked for its own, all at once. */
import { ShardisError } from "../../errors.ts";
import type { Argument, ReplyEncoding } from "../arguments.ts";
import type { PlacedCommand, PlacedKey } from "../placed.ts";
import type { SendBatch } from "./send.ts";

/**
 * Reads streams, in the order in which they were asked for; null if there is nothing to read.
 *
 * @throws ShardisError `CROSS_NODE` for BLOCK, which one node cannot do for another
 */
export async function readStreams(
  { command, args, keys, given }: PlacedCommand,
  send: SendBatch,
  encoding: ReplyEncoding,
): Promise<unknown> {
  const first = keys[0]?.position ?? 0;
  const options = args.slice(0, first);
  if (options.some((option) => String(option).toLowerCase() === "block")) {
    throw new ShardisError(
      "CROSS_NODE",
      `${command} cannot wait for streams on several nodes: leave BLOCK out, or give the streams ` +
        "a common hash tag",
      { command, keys: given },
    );
  }
  const owners = [...new Set(keys.map(({ owner }) => owner))];
  const found = new Map<PlacedKey, unknown>();
  let isFlat = false;
  await Promise.all(
    owners.map(async (owner) => {
      const own = keys.filter((key) => key.owner === owner);
      // A stream and its id stand as far from each other as there are streams.
      const ids = own.map(({ position }) => args[position + keys.length] ?? "");
      const asked: Argument[] = [...options, ...own.map(({ key }) => key), ...ids];
      // As bytes, by which a stream is known again.
      const [reply] = await send(owner, [[command, ...asked]], null);
      if (reply?.status === "rejected") throw reply.reason;
      const value: unknown[] = Array.isArray(reply?.value) ? reply.value : [];
      // Of RESP3, and by a name that ioredis does not know, names and entries come in turn.
      if (Buffer.isBuffer(value[0])) isFlat = true;
      const streams = Buffer.isBuffer(value[0]) ? pairs(value) : value;
      let next = 0;
      for (const key of own) if (isOf(streams[next], key)) found.set(key, streams[next++]);
    }),
  );
  if (found.size === 0) return null;
  const streams = keys.flatMap((key) => (found.has(key) ? [found.get(key)] : []));
  const inOrder = isFlat ? streams.flat() : streams;
  return encoding === null ? inOrder : toText(inOrder);
}

function pairs(flat: readonly unknown[]): unknown[] {
  return flat.flatMap((_, index) => (index % 2 === 0 ? [flat.slice(index, index + 2)] : []));
}

/** Whether an entry of a reply, `[name, entries]`, is of a key. */
function isOf(stream: unknown, { key }: PlacedKey): boolean {
  const name: unknown = Array.isArray(stream) ? stream[0] : undefined;
  return Buffer.isBuffer(name) && name.equals(Buffer.from(key));
}

/** A reply with text for bytes, wherever they stand. */
function toText(reply: unknown): unknown {
  if (Buffer.isBuffer(reply)) return reply.toString();
  return Array.isArray(reply) ? reply.map(toText) : reply;
}
