/** How the steps of an emulation reach their nodes. */
import { ShardisError } from "../../errors.ts";
import type { Argument } from "../arguments.ts";
import type { PlacedCommand } from "../placed.ts";

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

/** Whether an error is a server's answer. */
export function isReply(error: unknown): boolean {
  return error instanceof Error && error.name === "ReplyError";
}

/** Whether a command has certainly not run. */
export function isUnsent(error: unknown): boolean {
  return error instanceof ShardisError && error.sent !== true;
}

/** An error of one step, as that of the command that the user knows. */
export function inTermsOf({ command, args, given }: PlacedCommand, error: unknown): unknown {
  if (error instanceof ShardisError && error.command !== command) {
    const { code, node, sent } = error;
    const details = { node, command, keys: given, sent, cause: error };
    return new ShardisError(code, `${command}: ${error.message}`, details);
  }
  if (error instanceof Error && isReply(error) && "command" in error) {
    error.command = { name: command, args: [...args] };
  }
  return error;
}
