/** How the steps of an emulation reach their nodes. */
import { ShardisError } from "../../errors.ts";
import type { KeyListener } from "../../topology/key-tracker.ts";
import type { Argument, ReplyEncoding } from "../arguments.ts";
import type { PlacedCommand } from "../placed.ts";

/**
 * Sends commands to a node, one after another in one batch, and waits for all replies. A command
 * that may wait on the server comes alone, and does not: it answers as though its time were up.
 */
export type SendBatch = (
  node: number,
  commands: readonly (readonly [command: string, ...args: Argument[]])[],
  encoding: ReplyEncoding,
) => Promise<PromiseSettledResult<unknown>[]>;

/**
 * Tells when keys of a node may have changed, from when it resolves on.
 *
 * @returns what ends it
 */
export type TrackKeys = (
  node: number,
  keys: readonly (string | Buffer)[],
  listener: KeyListener,
) => Promise<() => void>;

/** The nodes, as emulations reach them. */
export interface Nodes {
  /** The names of all nodes. */
  readonly names: readonly string[];
  readonly send: SendBatch;
  readonly track: TrackKeys;
}

/** What may end before its time what takes long. */
export interface Stop {
  /** @throws ShardisError `ABORTED` once it has */
  check(command: string, keys: readonly unknown[]): void;
  /** Has something called when it does; what it returns takes that back. */
  whenOver(end: () => void): () => void;
}

/** Asks for something once; null is that it is not there. */
export type Attempt = () => Promise<unknown>;

/** Sends one command, and waits for its reply, whose texts are Buffers unless it says otherwise. */
export async function sendOne(
  send: SendBatch,
  node: number,
  command: readonly [command: string, ...args: Argument[]],
  encoding: ReplyEncoding = null,
): Promise<unknown> {
  const [settled] = await send(node, [command], encoding);
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
  if (error instanceof ShardisError && (error.command !== command || error.keys?.length === 0)) {
    const { code, node, sent } = error;
    const message = error.command === command ? error.message : `${command}: ${error.message}`;
    return new ShardisError(code, message, { node, command, keys: given, sent, cause: error });
  }
  if (error instanceof Error && isReply(error)) {
    Object.assign(error, { command: { name: command, args: [...args] } });
  }
  return error;
}
