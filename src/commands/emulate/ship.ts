/**
 * Ship and run: the keys that a command reads elsewhere are copied, as
 * short-lived keys, to the node where it runs, and the server itself does the
 * work. So the reply is the server's own, whatever the command.
 *
 * A copy is a DUMP that is RESTOREd: bytes and types arrive as they were, also
 * the wrong types that the command shall refuse. A key that is written is never
 * copied: the command runs where it lies, and replaces it as it always does.
 */
import type { Argument } from "../arguments.ts";
import type { PlacedCommand, PlacedKey } from "../placed.ts";
import { COPY_LIFE, newCopyName, succeed } from "./copies.ts";
import type { SendBatch } from "./send.ts";

/** A command with keys on several nodes. */
export interface Shipment extends PlacedCommand {
  /** The position among `keys` of the one that is written, if one is. */
  readonly written: number | undefined;
}

/**
 * Runs a command on one node with copies of the keys that lie on others.
 *
 * @returns the reply of the server
 * @throws the error of the server, or of the node that could not be reached;
 *   nothing has been written then, unless the error says otherwise
 */
export async function shipAndRun(
  shipment: Shipment,
  send: SendBatch,
  encoding: "utf8" | null,
): Promise<unknown> {
  const target = chooseNode(shipment);
  const foreign = distinct(shipment.keys.filter(({ owner }) => owner !== target));
  const payloads = await dump(shipment, foreign, send);
  const names = new Map<string, string>();
  const restores: (readonly [string, ...Argument[]])[] = [];
  for (const key of foreign) {
    const name = newCopyName();
    names.set(identity(key), name);
    const payload = payloads.get(key);
    // A key that does not exist has no copy; its stand-in does not exist either.
    if (payload !== undefined) restores.push(["restore", name, COPY_LIFE, payload]);
  }
  if (restores.length > 0) await succeed(shipment, send(target, restores, "utf8"));
  const args = [...shipment.args];
  for (const key of shipment.keys) {
    args[key.position] = names.get(identity(key)) ?? key.key;
  }
  const copied = restores.map(([, name]) => name ?? "");
  const cleanup = copied.length > 0 ? [["unlink", ...copied] as const] : [];
  const [reply] = await send(target, [[shipment.command, ...args], ...cleanup], encoding);
  if (reply?.status === "rejected") throw reply.reason;
  return reply?.value;
}

/** The node of the key that is written; else the one that has most keys already. */
function chooseNode({ keys, written }: Shipment): number {
  const fixed = written === undefined ? undefined : keys[written];
  if (fixed !== undefined) return fixed.owner;
  const counts = new Map<number, number>();
  for (const { owner } of keys) counts.set(owner, (counts.get(owner) ?? 0) + 1);
  const [[most] = [0]] = [...counts].sort(([, a], [, b]) => b - a);
  return most;
}

async function dump(
  shipment: Shipment,
  keys: readonly PlacedKey[],
  send: SendBatch,
): Promise<Map<PlacedKey, Buffer>> {
  const owners = new Set(keys.map(({ owner }) => owner));
  const payloads = new Map<PlacedKey, Buffer>();
  await Promise.all(
    [...owners].map(async (owner) => {
      const group = keys.filter((key) => key.owner === owner);
      const dumps = group.map(({ key }) => ["dump", key] as const);
      const replies = await succeed(shipment, send(owner, dumps, null));
      for (const [index, key] of group.entries()) {
        const payload = replies[index];
        if (Buffer.isBuffer(payload)) payloads.set(key, payload);
      }
    }),
  );
  return payloads;
}

function distinct(keys: readonly PlacedKey[]): PlacedKey[] {
  return [...new Map(keys.map((key) => [identity(key), key])).values()];
}

/** The same for a text and for its bytes, unless these are placed apart. */
function identity({ key, owner }: PlacedKey): string {
  return `${owner} ${Buffer.from(key).toString("latin1")}`;
}
