/** Commands for a node that the caller has chosen. */
import { ShardisError } from "../errors.ts";
import { checkKey } from "../keys.ts";
import { type Argument, toArgument, withPairs, withPrefix } from "./arguments.ts";
import { isKnown, keyPositionsOnNode } from "./keys.ts";
import { commandRow } from "./table.ts";

/** The arguments of a command as they go to a node. */
export interface WireArguments {
  /** With keys as they go on the wire. */
  readonly args: Argument[];
  /** The keys as the user gave them. */
  readonly keys: readonly unknown[];
}

/** A command for a node that the caller has chosen: its keys get their prefix, no more. */
export function pinToNode(
  prefix: string | undefined,
  command: string,
  given: readonly Argument[],
): WireArguments {
  refuseAlways(command, given);
  const args = [...withPairs(command, given)];
  // Without a prefix nobody needs to know where keys are, so any command will do.
  if (prefix === undefined && !isKnown(command)) return { args, keys: [] };
  const positions = keyPositionsOnNode(command, args);
  const keys = positions.map((position) => args[position]);
  for (const position of positions) {
    args[position] = toArgument(withPrefix(prefix, checkKey(args[position])));
  }
  return { args, keys };
}

function refuseAlways(command: string, args: readonly unknown[]): void {
  const policy = commandRow(command, args)?.policy;
  const wayOut =
    policy?.kind === "subscribe"
      ? `redis.${command}(…), or redis.node(name).duplicate()`
      : policy?.kind === "refuse" && policy.always
        ? policy.wayOut
        : undefined;
  if (wayOut === undefined) return;
  throw new ShardisError(
    "UNSUPPORTED",
    `${command} would change a connection that all commands to a node share; use ${wayOut}`,
    { command },
  );
}
