/** What commands came to, comparable between the lane and ioredis. */
import { isDeepStrictEqual } from "node:util";
import { ReplyError } from "ioredis";

/** A reply, or an error with what users see of it. */
export type Outcome = readonly ["reply" | "error", unknown];

export function outcome(promise: Promise<unknown>): Promise<Outcome> {
  return promise.then(
    (value) => ["reply", comparable(value)],
    (error) => ["error", comparable(error)],
  );
}

/** A value in which errors and objects are the same if users see the same. */
export function comparable(value: unknown): unknown {
  if (value instanceof Error) {
    return [value.name, value.message, value instanceof ReplyError, { ...value }];
  }
  if (Array.isArray(value)) return value.map(comparable);
  if (typeof value !== "object" || value === null || Buffer.isBuffer(value)) return value;
  return { entries: Object.entries(value).map(([key, entry]) => [key, comparable(entry)]) };
}

/** Throws where they differ, with the first that does. */
export function mustEqual(ours: readonly unknown[], theirs: readonly unknown[]): void {
  for (let at = 0; at < Math.max(ours.length, theirs.length); at++) {
    if (isDeepStrictEqual(ours[at], theirs[at])) continue;
    const [a, b] = [ours[at], theirs[at]].map((outcome) => JSON.stringify(outcome));
    throw new Error(`number ${at} came to\n  ${a}, and with ioredis to\n  ${b}`);
  }
}
