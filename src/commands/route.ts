/** To which node a command goes. */
import { ShardisError } from "../errors.ts";
import { checkKey, describe } from "../keys.ts";
import type { Placement } from "../placement/placement.ts";
import { type Argument, toArgument, withPairs, withPrefix } from "./arguments.ts";
import { isKnown, keyPositions, keyPositionsOnNode } from "./keys.ts";
import { CONNECTION_COMMANDS } from "./table.ts";

/** The arguments of a command as they go to a node. */
export interface WireArguments {
  /** With keys as they go on the wire. */
  readonly args: Argument[];
  /** The keys as the user gave them. */
  readonly keys: readonly unknown[];
}

/** The same, with the node. */
export interface NodeCommand extends WireArguments {
  /** The index of the node. */
  readonly node: number;
}

/**
 * A command for the node where all its keys lie.
 *
 * @param given its arguments, flat
 * @throws ShardisError `BAD_KEY`; `CROSS_NODE` if its keys lie on several
 *   nodes; `UNSUPPORTED` if it has no key to be placed by
 */
export function routeToOwner(
  placement: Placement,
  prefix: string | undefined,
  command: string,
  given: readonly Argument[],
): NodeCommand {
  refuseConnectionCommand(command);
  const args = [...withPairs(command, given)];
  const positions = keyPositions(command, args);
  if (positions.length === 0) {
    throw new ShardisError(
      "UNSUPPORTED",
      `${command} has no key by which it could be placed: run it on one node with ` +
        `redis.node(name).${command}(…), or on all with redis.each.${command}(…)`,
      { command },
    );
  }
  const keys: Argument[] = [];
  const owners: number[] = [];
  for (const position of positions) {
    const argument = args[position];
    const key = withPrefix(prefix, checkKey(argument));
    if (argument !== undefined) keys.push(argument);
    owners.push(placement.indexFor(key));
    args[position] = toArgument(placement.rewritesKeys ? placement.storedKey(key) : key);
  }
  const [node = 0] = owners;
  if (owners.some((owner) => owner !== node)) throw crossNode(placement, command, keys, owners);
  return { node, args, keys };
}

/** A command for a node that the caller has chosen: its keys get their prefix, no more. */
export function routeToNode(
  prefix: string | undefined,
  command: string,
  given: readonly Argument[],
): WireArguments {
  refuseConnectionCommand(command);
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

function refuseConnectionCommand(command: string): void {
  const wayOut = CONNECTION_COMMANDS.get(command);
  if (wayOut === undefined) return;
  throw new ShardisError(
    "UNSUPPORTED",
    `${command} would change a connection that all commands to a node share; use ${wayOut}`,
    { command },
  );
}

function crossNode(
  placement: Placement,
  command: string,
  keys: readonly unknown[],
  owners: readonly number[],
): ShardisError {
  const places = owners.map(
    (owner, index) => `${describe(keys[index])} on ${placement.nodes[owner]}`,
  );
  const shown = places.slice(0, 4).join(", ") + (places.length > 4 ? ", …" : "");
  return new ShardisError(
    "CROSS_NODE",
    `the keys of ${command} lie on several nodes (${shown}), and this version runs it on one ` +
      "only: give its keys a common hash tag, such as {user:1}",
    { command, keys },
  );
}
