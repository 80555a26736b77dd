/** What a command asks of which nodes. */
import { ShardisError } from "../errors.ts";
import { checkKey, describe } from "../keys.ts";
import type { Placement } from "../placement/placement.ts";
import { type Argument, toArgument, withPairs, withPrefix } from "./arguments.ts";
import type { Move } from "./emulate/move.ts";
import type { Shipment, ShippedKey } from "./emulate/ship.ts";
import { keyPositions } from "./keys.ts";
import type { Merge, Policy } from "./policies.ts";
import { split } from "./split.ts";
import type { CommandRow } from "./table.ts";

/** The part of a command that goes to one node. */
export interface Part {
  /** The index of the node. */
  readonly node: number;
  /** With keys as they go on the wire. */
  readonly args: Argument[];
  /** The keys as the user gave them. */
  readonly keys: readonly unknown[];
  /** Of each key of the part, its position among the keys of the command. */
  readonly positions?: Uint32Array;
}

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
  readonly kind: "shipment";
  readonly command: string;
  readonly shipment: Shipment;
}

/** A command that moves something from one node to another. */
export interface MovedRequest {
  readonly kind: "move";
  readonly command: string;
  readonly shipment: Move;
}

/** A command that asks several nodes in several steps. */
export interface SteppedRequest {
  readonly kind: "steps";
  readonly name: "probe" | "streams";
  readonly command: string;
  readonly shipment: PlacedCommand;
}

export type Request = PartedRequest | ShippedRequest | MovedRequest | SteppedRequest;

/** Where keys are placed, and what is put before them. */
export interface Territory {
  readonly placement: Placement;
  readonly prefix: string | undefined;
}

/** A command whose keys have been placed. */
export interface PlacedCommand extends Placed {
  readonly command: string;
}

interface Placed {
  /** With keys as they go on the wire. */
  readonly args: Argument[];
  /** The keys as the user gave them. */
  readonly given: readonly unknown[];
  readonly keys: readonly ShippedKey[];
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
      const [first] = placed.keys;
      if (placed.keys.every(({ owner }) => owner === first?.owner)) {
        const part = { node: first?.owner ?? 0, args: placed.args, keys: placed.given };
        return { kind: "parts", command, parts: [part], merge: undefined };
      }
      if (policy.kind === "node") throw crossNode(territory.placement, command, placed);
      if (policy.kind === "steps") {
        return { kind: "steps", name: policy.name, command, shipment: { command, ...placed } };
      }
      if (policy.kind === "move") {
        return { kind: "move", command, shipment: { command, ...placed } };
      }
      const shipment = { command, ...placed, written: writtenKey(policy.written, placed) };
      return { kind: "shipment", command, shipment };
    }
    case "split": {
      const { placement, prefix } = territory;
      const parts = split(placement, prefix, policy, command, given);
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
): Request {
  const placed = place(territory, command, given, positions);
  const [first] = placed.keys;
  if (placed.keys.some(({ owner }) => owner !== first?.owner)) {
    throw crossNode(territory.placement, command, placed);
  }
  const part = { node: first?.owner ?? 0, args: placed.args, keys: placed.given };
  return { kind: "parts", command, parts: [part], merge: undefined };
}

/** Finds the owner of each key of a command. */
function place(
  { placement, prefix }: Territory,
  command: string,
  given: readonly Argument[],
  told?: readonly number[],
): Placed {
  const args = [...withPairs(command, given)];
  const positions = told ?? keyPositions(command, args);
  if (positions.length === 0) throw unplaceable(command, undefined);
  const keys: ShippedKey[] = [];
  const asGiven: Argument[] = [];
  for (const position of positions) {
    const argument = args[position];
    const placed = withPrefix(prefix, checkKey(argument));
    if (argument !== undefined) asGiven.push(argument);
    const key = toArgument(placement.rewritesKeys ? placement.storedKey(placed) : placed);
    keys.push({ position, owner: placement.indexFor(placed), key });
    args[position] = key;
  }
  return { args, given: asGiven, keys };
}

function writtenKey(written: "none" | "first" | "last", { keys }: Placed): number | undefined {
  if (written === "none") return undefined;
  return written === "first" ? 0 : keys.length - 1;
}

function unplaceable(command: string, policy: Policy | undefined): ShardisError {
  const wayOut =
    policy?.kind === "refuse" ? policy.wayOut : `redis.node(name).${command}(…) or redis.by(key)`;
  return new ShardisError(
    "UNSUPPORTED",
    `${command} has no key by which it could be placed, and is not run on every node: use ${wayOut}`,
    { command },
  );
}

function crossNode(placement: Placement, command: string, { keys, given }: Placed): ShardisError {
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
