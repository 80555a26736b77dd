/** What may still refuse a command that has been taken apart, before anything of it is sent. */
import { ShardisError } from "../errors.ts";
import { checkKey, describe } from "../keys.ts";
import type { Placement } from "../placement/placement.ts";
import { withPrefix } from "./arguments.ts";
import { nodesOf, type Request, type Territory } from "./request.ts";

/** @throws ShardisError `CROSS_NODE` */
export type Check = (request: Request, territory: Territory) => void;

/**
 * What is done with a command whose keys lie on several nodes. `emulate`: all
 * that can be; `split`: it is cut by node, or else refused; `refuse`: it is refused.
 */
export type CrossNode = "emulate" | "split" | "refuse";

export const CROSS_NODE_MODES: readonly CrossNode[] = ["emulate", "split", "refuse"];

export const NO_CHECK: Check = () => {};

/**
 * Holds commands to a mode. Those without keys, which run on every node, pass in any.
 *
 * @param demand who wants it so, for errors: `redis.strict`, or an option
 */
export function checkCrossNode(mode: CrossNode, demand: string): Check {
  if (mode === "emulate") return NO_CHECK;
  return (request, { placement }) => {
    if (request.kind === "parts" && (mode === "split" || request.parts.length === 1)) return;
    const nodes = keyedNodes(placement, request);
    if (nodes.length <= 1) return;
    const limit = mode === "split" ? "refuses what takes several steps" : "takes one node only";
    const verb = request.kind === "sort" ? "may lie" : "lie";
    const places = nodes.map((node) => placement.nodes[node]).join(", ");
    throw new ShardisError(
      "CROSS_NODE",
      `the keys of ${request.command} ${verb} on ${places}, and ${demand} ${limit}: give them a ` +
        "common hash tag, such as {user:1}",
      { command: request.command, keys: keysOf(request) },
    );
  };
}

/** All keys of a command must have one common hash tag, so that they lie together for good. */
export const checkOneTag: Check = (request, territory) => {
  const keys = keysOf(request);
  if (keys.length <= 1) return;
  const tags = new Set(keys.map((key) => tagOf(key, territory)));
  if (tags.size === 1 && !tags.has(undefined)) return;
  throw new ShardisError(
    "CROSS_NODE",
    `the keys of ${request.command} (${keys.slice(0, 3).map(describe).join(", ")}…) have no common ` +
      "hash tag, such as {user:1}",
    { command: request.command, keys },
  );
};

/** The nodes on which keys of a command lie, or may lie, each once. */
function keyedNodes(placement: Placement, request: Request): number[] {
  if (request.kind !== "parts") return nodesOf(placement, request);
  return [...new Set(request.parts.flatMap(({ node, keys }) => (keys.length > 0 ? [node] : [])))];
}

function keysOf(request: Request): readonly unknown[] {
  if (request.kind !== "parts") return request.placed.given;
  return request.parts.flatMap(({ keys }) => keys);
}

function tagOf(key: unknown, { placement, prefix }: Territory): string | undefined {
  return placement.explain(withPrefix(prefix, checkKey(key))).tag?.toString("latin1");
}
