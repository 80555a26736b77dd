/** What would become of a command, without sending it. */
import type { Argument } from "../commands/arguments.ts";
import { ALL_OR_NONE_ROUND_TRIPS } from "../commands/emulate/all-or-none.ts";
import { moveRoundTrips } from "../commands/emulate/move.ts";
import { probeRoundTrips } from "../commands/emulate/probe.ts";
import { sortRoundTrips } from "../commands/emulate/sort.ts";
import { streamRoundTrips } from "../commands/emulate/streams.ts";
import { nodesOf, type Request } from "../commands/request.ts";
import type { Dispatcher } from "./dispatcher.ts";

/** How a command would be carried out. */
export interface CommandExplanation {
  readonly command: string;
  /**
   * `node`: on the node of its keys, unchanged; `split`: cut by node; `ship`: on
   * one node, with copies of keys from others; `move`: from one node to another;
   * `steps`: asked of several nodes; `every`: on every node; `any`: on the first;
   * `special`: by code of its own.
   */
  readonly strategy: "node" | "split" | "ship" | "move" | "steps" | "every" | "any" | "special";
  /** The names of the nodes it would be sent to. */
  readonly nodes: readonly string[];
  /** How often an answer is waited for before the next step; of what blocks, until it waits. */
  readonly roundTrips: number;
  /**
   * `atomic`: at once; `per node`: at once on each node; `emulated`: in several
   * steps, which others may see between.
   */
  readonly atomicity: "atomic" | "per node" | "emulated";
  /** What would make it atomic, if it is not. */
  readonly hint?: string;
}

const HINT = "give its keys a common hash tag, such as {user:1}, and it runs on one node";

const STRATEGIES = { ship: "ship", sort: "ship", move: "move", steps: "steps" } as const;

const STEP_ROUND_TRIPS = {
  probe: probeRoundTrips,
  streams: streamRoundTrips,
  "all or none": () => ALL_OR_NONE_ROUND_TRIPS,
};

function roundTripsOf(request: Exclude<Request, { kind: "parts" }>): number {
  switch (request.kind) {
    case "ship":
      return SHIP_ROUND_TRIPS;
    case "sort":
      return sortRoundTrips(request.placed);
    case "move":
      return moveRoundTrips(request.command);
    case "steps":
      return STEP_ROUND_TRIPS[request.name](request.placed);
  }
}

/** DUMP, RESTORE, and the command. */
const SHIP_ROUND_TRIPS = 3;

/**
 * Explains a command.
 *
 * @throws ShardisError as the command itself would when it is placed; what only its steps look
 *   at, such as a cursor, is not looked at
 */
export function explainCommand(
  dispatcher: Dispatcher,
  name: string,
  args: readonly Argument[],
): CommandExplanation {
  const command = name.toLowerCase();
  const row = dispatcher.rowOf(command, args);
  const { placement } = dispatcher.territory;
  if (row.policy.kind === "special") {
    return {
      command,
      strategy: "special",
      nodes: placement.nodes,
      roundTrips: row.policy.name === "scan" ? 1 : 2,
      atomicity: "per node",
    };
  }
  const request = dispatcher.take(row, command, args);
  const nodes = nodesOf(placement, request).map((index) => placement.nodes[index] ?? "");
  if (request.kind !== "parts") {
    return {
      command,
      strategy: STRATEGIES[request.kind],
      nodes,
      roundTrips: roundTripsOf(request),
      atomicity: "emulated",
      hint: HINT,
    };
  }
  const { kind } = row.policy;
  const isAlone = request.parts.length === 1;
  const strategy = kind === "every" || kind === "any" ? kind : isAlone ? "node" : "split";
  return {
    command,
    strategy,
    nodes,
    roundTrips: 1,
    atomicity: isAlone ? "atomic" : "per node",
    ...(strategy === "split" ? { hint: HINT } : {}),
  };
}
