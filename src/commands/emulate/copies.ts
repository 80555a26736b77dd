/** Short-lived copies of keys, on nodes where these do not lie. */
import { randomBytes } from "node:crypto";
import { ShardisError } from "../../errors.ts";
import { OWN_PREFIX } from "../own-keys.ts";
import type { PlacedCommand } from "../placed.ts";

const COPY_PREFIX = `${OWN_PREFIX}copy:`;

/** In milliseconds: what a crash left behind is gone after it. */
export const COPY_LIFE = 60_000;

let copies = 0;
const token = randomBytes(6).toString("hex");

/** A name that no other copy has. */
export function newCopyName(): string {
  return `${COPY_PREFIX}${token}:${copies++}`;
}

/** The replies to a step before the command, which does not run if any part of the step fails. */
export async function succeed(
  { command, given }: PlacedCommand,
  step: Promise<PromiseSettledResult<unknown>[]>,
): Promise<unknown[]> {
  return (await step).map((result) => {
    if (result.status === "fulfilled") return result.value;
    const { reason } = result;
    if (!(reason instanceof ShardisError)) throw reason;
    const message = `${command} has not run: ${reason.message}`;
    const { node } = reason;
    const details = { node, command, keys: given, sent: false, cause: reason };
    throw new ShardisError(reason.code, message, details);
  });
}
