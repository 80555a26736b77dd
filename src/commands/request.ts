/** What a command asks of which nodes. */
import { ShardisError } from "../errors.ts";
import { checkKey, describe } from "../keys.ts";
import type { Placement } from "../placement/placement.ts";
import { type Argument, toArgument, withPairs, withPrefix } from "./arguments.ts";
import type { Shipment } from "./emulate/ship.ts";
import { keyPositions } from "./keys.ts";
import type { Part, PlacedCommand, PlacedKey } from "./placed.ts";
import type { Merge, Policy } from "./policies.ts";
import { ownerOfAll, readSortPatterns } from "./sort-options.ts";
import { optionsBehind, split } from "./split.ts";
import type { CommandRow } from "./table.ts";

/** A command, taken apart: parts that run side by side. */
export interface PartedRequest {
  readonly kind: "parts";
  readonly command: string;
  readonly parts: readonly Part[];
  /** How replies become one; where undefined there is one part, whose reply stands for itself. */
  readonly merge: Merge | undefined;
}

/** A command that needs copies of some of its keys. */
export interface ShippedRequest {
  readonly kind: "ship";
  readonly command: string;
  readonly placed: Shipment;
}

/** SORT with patterns whose keys may lie on any node. */
export interface SortedRequest {
  readonly kind: "sort";
  readonly command: string;
  /** With patterns among the keys as they were given. */
  readonly placed: PlacedCommand;
}

/** A command that moves something from one node to another. */
export interface MovedRequest {
  readonly kind: "move";
  readonly command: string;
  readonly placed: PlacedCommand;
}

/** A command that asks several nodes in several steps. */
export interface SteppedRequest {
  readonly kind: "steps";
  readonly name: Extract<Policy, { kind: "steps" }>["name"];
  readonly command: string;
  readonly placed: PlacedCommand;
}

export type Request =
  | PartedRequest
  | ShippedRequest
  | SortedRequest
  | MovedRequest
  | SteppedRequest;

/** Where keys are placed, and what is put before them. */
export interface Territory {
  readonly placement: Placement;
  readonly prefix: string | undefined;
}

/**
 * Takes a command apart as its row says.
 *
 * @param given its arguments, flat
 * @throws ShardisError `BAD_KEY`, `BAD_ARGUMENT`; `CROSS_NODE` if its keys lie
 *   on several nodes and nothing can be done about it; `UNSUPPORTED` if it
 *   cannot be placed
 */
export function takeApart(
  territory: Territory,
  row: CommandRow,
  command: string,
  given: readonly Argument[],
): Request {
  const { policy } = row;
  switch (policy.kind) {
    case "node":
    case "ship":
    case "move":
    case "steps": {
      const placed = place(territory, command, given);
      return onOneNode(placed) ?? overNodes(territory.placement, policy, placed);
    }
    case "sort":
      return takeSortApart(territory, place(territory, command, given));
    case "split": {
      const { placement, prefix } = territory;
      const parts = split(placement, prefix, policy.shape, command, given);
      if (parts.length > 1 && isUncut(policy, command, given)) {
        throw crossNode(placement, place(territory, command, given));
      }
      return { kind: "parts", command, parts, merge: policy.merge };
    }
    case "every": {
      const parts = territory.placement.nodes.map((_, node) => ({
        node,
        args: [...given],
        keys: [],
      }));
      return { kind: "parts", command, parts, merge: policy.merge };
    }
    case "any": {
      const part = { node: 0, args: [...given], keys: [] };
      return { kind: "parts", command, parts: [part], merge: undefined };
    }
    case "channel": {
      const [channel] = given;
      const node = territory.placement.indexFor(checkKey(channel));
      const part = { node, args: [...given], keys: [channel] };
      return { kind: "parts", command, parts: [part], merge: undefined };
    }
    case "subscribe":
    case "special":
    case "refuse":
      throw unplaceable(command, policy);
  }
}

/**
 * Takes a command apart whose key positions a server has told: it runs on the
 * node where they all lie.
 *
 * @throws ShardisError `BAD_KEY`, `CROSS_NODE`, `UNSUPPORTED` if it has no keys
 */
export function takeToOwner(
  territory: Territory,
  command: string,
  given: readonly Argument[],
  positions: readonly number[],
): PartedRequest {
  const placed = place(territory, command, given, positions);
  const request = onOneNode(placed);
  if (request === undefined) throw crossNode(territory.placement, placed);
  return request;
}

/** The indexes of the nodes that a request may reach, each once. */
export function nodesOf(placement: Placement, request: Request): number[] {
  switch (request.kind) {
    case "parts":
      return [...new Set(request.parts.map(({ node }) => node))];
    case "sort":
      return [...placement.nodes.keys()];
    default:
      return [...new Set(request.placed.keys.map(({ owner }) => owner))];
  }
}

/** A command whose keys lie on one node goes there unchanged, whatever else could be done. */
function onOneNode(placed: PlacedCommand): PartedRequest | undefined {
  const [first] = placed.keys;
  if (placed.keys.some(({ owner }) => owner !== first?.owner)) return undefined;
  return whole(first?.owner ?? 0, placed);
}

function whole(node: number, { command, args, given }: PlacedCommand): PartedRequest {
  const part = { node, args: [...args], keys: given };
  return { kind: "parts", command, parts: [part], merge: undefined };
}

/** SORT goes to one node if all that its patterns name is known to lie there, too. */
function takeSortApart({ placement, prefix }: Territory, sort: PlacedCommand): Request {
  const { command, keys } = sort;
  const args = [...sort.args];
  const given = [...sort.given];
  const owners: (number | undefined)[] = keys.map(({ owner }) => owner);
  for (const { position } of readSortPatterns(command, args)) {
    given.push(args[position]);
    // A pattern gets the prefix as a key does, as in ioredis.
    const pattern = toArgument(withPrefix(prefix, checkKey(args[position])));
    args[position] = pattern;
    owners.push(ownerOfAll(placement, pattern));
  }
  const placed = { ...sort, args, given };
  const [node] = owners;
  if (node !== undefined && owners.every((owner) => owner === node)) return whole(node, placed);
  if (owners.length > keys.length) return { kind: "sort", command, placed };
  return { kind: "ship", command, placed: { ...placed, written: keys.length - 1 } };
}

/** Whether a command has an option by which it is all or nothing. */
function isUncut(
  { shape, uncut = [] }: Extract<Policy, { kind: "split" }>,
  command: string,
  given: readonly Argument[],
): boolean {
  return uncut.length > 0 && optionsBehind(shape, command, given).some((o) => uncut.includes(o));
}

/** What can be done for a command whose keys lie on several nodes. */
function overNodes(
  placement: Placement,
  policy: Extract<Policy, { kind: "node" | "ship" | "move" | "steps" }>,
  placed: PlacedCommand,
): Request {
  const { command } = placed;
  switch (policy.kind) {
    case "node":
      throw crossNode(placement, placed);
    case "ship":
      return {
        kind: "ship",
        command,
        placed: { ...placed, written: writtenKey(policy.written, placed) },
      };
    case "move":
      return { kind: "move", command, placed };
    case "steps":
      return { kind: "steps", name: policy.name, command, placed };
  }
}

/** Finds the owner of each key of a command. */
function place(
  { placement, prefix }: Territory,
  command: string,
  given: readonly Argument[],
  told?: readonly number[],
): PlacedCommand {
  const args = [...withPairs(command, given)];
  const positions = told ?? keyPositions(command, args);
  if (positions.length === 0) throw unplaceable(command, undefined);
  const keys: PlacedKey[] = [];
  const asGiven: Argument[] = [];
  for (const position of positions) {
    const argument = args[position];
    const placed = withPrefix(prefix, checkKey(argument));
    if (argument !== undefined) asGiven.push(argument);
    const key = toArgument(placement.rewritesKeys ? placement.storedKey(placed) : placed);
    keys.push({ position, owner: placement.indexFor(placed), key });
    args[position] = key;
  }
  return { command, args, given: asGiven, keys };
}

function writtenKey(
  written: "none" | "first" | "last",
  { keys }: PlacedCommand,
): number | undefined {
  if (written === "none") return undefined;
  return written === "first" ? 0 : keys.length - 1;
}

function unplaceable(command: string, policy: Policy | undefined): ShardisError {
  const wayOut =
    policy?.kind === "refuse" ? policy.wayOut : `redis.node(name).${command}(…) or redis.by(key)`;
  const reason =
    policy?.kind === "refuse" && policy.always
      ? "would change a connection that all commands to a node share"
      : "has no key by which it could be placed, and is not run on every node";
  return new ShardisError("UNSUPPORTED", `${command} ${reason}: use ${wayOut}`, { command });
}

function crossNode(placement: Placement, { command, keys, given }: PlacedCommand): ShardisError {
  const places = keys.map(
    ({ owner }, index) => `${describe(given[index])} on ${placement.nodes[owner]}`,
  );
  const shown = places.slice(0, 4).join(", ") + (places.length > 4 ? ", …" : "");
  return new ShardisError(
    "CROSS_NODE",
    `the keys of ${command} lie on several nodes (${shown}), and it runs on one only: give its ` +
      "keys a common hash tag, such as {user:1}",
    { command, keys: given },
  );
}
