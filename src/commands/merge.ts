/** The replies of several nodes, made one; and what is known where some failed. */
import { type NodeFailure, PartialFailureError, ShardisError } from "../errors.ts";
import type { Part } from "./split.ts";
import type { SplitPolicy } from "./table.ts";

/** How replies become one. `undefined` stands for the reply of a node that failed. */
type Merge = (parts: readonly Part[], replies: readonly unknown[]) => unknown;

const MERGES: Readonly<Record<SplitPolicy["merge"], Merge>> = {
  each: (parts, replies) => {
    const values: unknown[] = new Array(parts.reduce((sum, part) => sum + part.keys.length, 0));
    for (const [index, { positions }] of parts.entries()) {
      const reply = replies[index];
      let at = 0;
      for (const position of positions) {
        values[position] = Array.isArray(reply) ? reply[at++] : undefined;
      }
    }
    return values;
  },
  sum: (_, replies) => replies.reduce((sum: number, reply) => sum + Number(reply ?? 0), 0),
  ok: (_, replies) => replies.find((reply) => reply !== undefined),
};

/**
 * Runs all parts of a command side by side, and waits for every one of them.
 *
 * @param names the names of all nodes
 * @throws PartialFailureError with what did arrive; if there is only one part, its own error
 */
export async function runParts<P extends Part>(
  policy: SplitPolicy,
  command: string,
  names: readonly string[],
  parts: readonly P[],
  send: (part: P) => Promise<unknown>,
): Promise<unknown> {
  const [only] = parts;
  const merge = MERGES[policy.merge];
  if (only !== undefined && parts.length === 1) return merge(parts, [await send(only)]);
  const settled = await Promise.allSettled(parts.map(async (part) => send(part)));
  const replies = settled.map((result) =>
    result.status === "fulfilled" ? result.value : undefined,
  );
  const failures = new Map<string, NodeFailure>();
  const applied: unknown[] = [];
  for (const [index, part] of parts.entries()) {
    const result = settled[index];
    if (result?.status === "rejected") {
      failures.set(names[part.node] ?? "", failureOf(result.reason, part.keys));
    } else {
      for (const key of part.keys) applied.push(key);
    }
  }
  const merged = merge(parts, replies);
  if (failures.size === 0) return merged;
  throw new PartialFailureError(command, merged, failures, applied);
}

/** What became of the part of a command that failed for a reason. */
export function failureOf(reason: unknown, keys: readonly unknown[]): NodeFailure {
  const error = reason instanceof Error ? reason : new Error(String(reason));
  const isUnknown = error instanceof ShardisError && error.sent === true;
  return { error, keys, outcome: isUnknown ? "unknown" : "not applied" };
}
