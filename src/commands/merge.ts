/** The replies of several nodes, made one; and what is known where some failed. */
import { type NodeFailure, PartialFailureError, ShardisError } from "../errors.ts";
import { withoutOwnKeys } from "./own-keys.ts";
import type { Part } from "./placed.ts";
import type { Merge } from "./policies.ts";
import type { PartedRequest } from "./request.ts";

/** The replies of parts, in their order; `undefined` is that of a node that failed. */
type Replies = readonly unknown[];

/** @param names the names of all nodes */
type Combine = (replies: Replies, parts: readonly Part[], names: readonly string[]) => unknown;

const MERGES: Readonly<Record<Merge, Combine>> = {
  each: (replies, parts) => {
    const count = parts.reduce((sum, { positions }) => sum + (positions?.length ?? 0), 0);
    const values: unknown[] = new Array(count);
    for (const [index, { positions = [] }] of parts.entries()) {
      const reply = replies[index];
      const own = Array.isArray(reply) ? reply : [];
      for (let at = 0; at < positions.length; at++) values[positions[at] ?? 0] = own[at];
    }
    return values;
  },
  sum: (replies) => {
    const sum = replies.reduce((sum: number, reply) => sum + Number(reply ?? 0), 0);
    return asTold(sum, replies);
  },
  least: (replies) => placeByPlace(replies, Math.min),
  same: (replies) => arrived(replies)[0],
  some: (replies) => arrived(replies)[0],
  list: (replies) => arrived(replies).flat(),
  keys: (replies) => withoutOwnKeys(arrived(replies).flat()),
  text: joinTexts,
};

/** Numbers of several nodes, or arrays of them, whose places belong together. */
function placeByPlace(replies: Replies, combine: (...numbers: number[]) => number): unknown {
  const there = arrived(replies);
  const [first] = there;
  if (first === undefined) return undefined;
  if (!Array.isArray(first)) return asTold(combine(...there.map(Number)), there);
  return first.map((_, place) => {
    const numbers = there.map((reply) => (Array.isArray(reply) ? reply[place] : reply));
    return asTold(combine(...numbers.map(Number)), numbers);
  });
}

/** A number as those are that it was made of: with `stringNumbers` ioredis gives them as text. */
function asTold(number: number, replies: Replies): number | string {
  return replies.some((reply) => typeof reply === "string") ? String(number) : number;
}

/** Texts one after another, each below the name of its node. */
function joinTexts(replies: Replies, parts: readonly Part[], names: readonly string[]): unknown {
  const chunks = parts.flatMap(({ node }, index) => {
    const reply = replies[index];
    if (reply === undefined) return [];
    const text = Buffer.isBuffer(reply) ? reply : String(reply);
    return ["\r\n", `# Node ${names[node]}\r\n`, text];
  });
  chunks.shift();
  if (!replies.some(Buffer.isBuffer)) return chunks.join("");
  return Buffer.concat(chunks.map((chunk) => Buffer.from(chunk)));
}

function arrived(replies: Replies): unknown[] {
  return replies.filter((reply) => reply !== undefined);
}

/**
 * The one reply to a request, of what became of all its parts.
 *
 * @param names the names of all nodes
 * @throws PartialFailureError with what did arrive; the error itself, if there is only one
 *   part, or all servers answered the same one
 */
export function mergeSettled(
  request: PartedRequest,
  settled: readonly PromiseSettledResult<unknown>[],
  names: readonly string[],
): unknown {
  const refusal = commonRefusal(settled);
  if (refusal !== undefined) throw refusal;
  const merged = mergeReplies(request, settled, names);
  checkFailures(request, settled, names, merged);
  return merged;
}

/** What did arrive, made one. */
export function mergeReplies(
  { parts, merge }: PartedRequest,
  settled: readonly PromiseSettledResult<unknown>[],
  names: readonly string[],
): unknown {
  const replies = settled.map((result) =>
    result.status === "fulfilled" ? result.value : undefined,
  );
  return merge === undefined ? replies[0] : MERGES[merge](replies, parts, names);
}

/**
 * @param merged what did arrive
 * @throws PartialFailureError if a part failed, and its reply is missed
 */
function checkFailures(
  { command, parts, merge }: PartedRequest,
  settled: readonly PromiseSettledResult<unknown>[],
  names: readonly string[],
  merged: unknown,
): void {
  const failed = settled.filter(({ status }) => status === "rejected").length;
  const isEnough = merge === "some" && failed < parts.length;
  if (failed === 0 || isEnough) return;
  const failures = new Map<string, NodeFailure>();
  const applied: unknown[] = [];
  for (const [index, { node, keys }] of parts.entries()) {
    const result = settled[index];
    if (result?.status === "rejected") {
      const name = names[node] ?? "";
      failures.set(name, joinFailures(failures.get(name), failureOf(result.reason, keys)));
    } else {
      for (const key of keys) applied.push(key);
    }
  }
  throw new PartialFailureError(command, merged, failures, applied);
}

/** What became of a part whose reply has been merged: only whether it failed is still of interest. */
export function withoutReply(result: PromiseSettledResult<unknown>): PromiseSettledResult<unknown> {
  return result.status === "fulfilled" ? { status: "fulfilled", value: undefined } : result;
}

/**
 * The one reply to a command that was cut into pieces.
 *
 * @param merged the replies of each piece, made one
 * @param whole all parts of all pieces
 */
export function mergePieces(
  merged: readonly unknown[],
  whole: PartedRequest,
  settled: readonly PromiseSettledResult<unknown>[],
  names: readonly string[],
): unknown {
  const refusal = commonRefusal(settled);
  if (refusal !== undefined) throw refusal;
  const { merge } = whole;
  const isList = merge === undefined || merge === "each";
  const none: unknown[] = [];
  const results = isList ? none.concat(...merged) : MERGES[merge](merged, [], names);
  checkFailures(whole, settled, names, results);
  return results;
}

/** What the only part failed of; or what all servers answered alike, as to a wrong argument. */
function commonRefusal(settled: readonly PromiseSettledResult<unknown>[]): unknown {
  const [first, ...others] = settled;
  if (first?.status !== "rejected") return undefined;
  const { reason } = first;
  const isCommon = others.every(
    (other) =>
      other.status === "rejected" &&
      isReplyError(reason) &&
      isReplyError(other.reason) &&
      other.reason.message === reason.message,
  );
  return isCommon ? reason : undefined;
}

/** What became of two parts of a command on one node. */
function joinFailures(first: NodeFailure | undefined, second: NodeFailure): NodeFailure {
  if (first === undefined) return second;
  const isUnknown = first.outcome === "unknown" || second.outcome === "unknown";
  return {
    error: first.error,
    keys: [...first.keys, ...second.keys],
    outcome: isUnknown ? "unknown" : "not applied",
  };
}

function isReplyError(error: unknown): error is Error {
  return error instanceof Error && error.name === "ReplyError";
}

/** What became of the part of a command that failed for a reason. */
export function failureOf(reason: unknown, keys: readonly unknown[]): NodeFailure {
  const error = reason instanceof Error ? reason : new Error(String(reason));
  const isUnknown = error instanceof ShardisError && error.sent === true;
  return { error, keys, outcome: isUnknown ? "unknown" : "not applied" };
}
