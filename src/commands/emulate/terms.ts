/** Errors of the steps of an emulation, as those of the command that the user knows. */
import { ShardisError } from "../../errors.ts";
import type { PlacedCommand } from "../placed.ts";
import { isReply } from "./journal.ts";

/** An error of one step, in terms of the command. */
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
