/** How the steps of an emulation reach their nodes. */
import type { Argument } from "../arguments.ts";

/** Sends commands to a node, one after another in one batch, and waits for all replies. */
export type SendBatch = (
  node: number,
  commands: readonly (readonly [command: string, ...args: Argument[]])[],
  encoding: "utf8" | null,
) => Promise<PromiseSettledResult<unknown>[]>;

/** Sends one command, and waits for its reply, whose texts are Buffers. */
export async function sendOne(
  send: SendBatch,
  node: number,
  command: readonly [command: string, ...args: Argument[]],
): Promise<unknown> {
  const [settled] = await send(node, [command], null);
  if (settled?.status === "rejected") throw settled.reason;
  return settled?.value;
}

/** Runs a script on a node. */
export function runScript(
  send: SendBatch,
  node: number,
  script: string,
  keys: readonly Argument[],
  args: readonly Argument[] = [],
): Promise<unknown> {
  return sendOne(send, node, ["eval", script, keys.length, ...keys, ...args]);
}
