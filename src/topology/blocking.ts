/** Commands that may wait on the server. */
import { Command } from "ioredis";

/** Whether a command is one of those; XREAD waits only if it is asked to. */
export function isBlocking(command: string): boolean {
  return Command.checkFlag("BLOCKING_COMMANDS", command);
}

/**
 * How many milliseconds a command may wait on the server: Infinity for ever, 0 if that cannot be
 * read, so that the server refuses it; undefined for a command that does not wait.
 */
export function waitOf(command: Command): number | undefined {
  if (!isBlocking(command.name)) return undefined;
  const wait = command.extractBlockingTimeout();
  // XREAD without BLOCK.
  if (wait === null) return undefined;
  return wait === 0 ? Number.POSITIVE_INFINITY : (wait ?? 0);
}
