/**
 * What XREADGROUP checks before it delivers anything: one Redis does so for all its streams, and
 * here no node must deliver while another has no such group.
 */
import type { Argument } from "../arguments.ts";
import { byNode, commandFor, type Reading, type ReadingList } from "./readings.ts";
import { isReply, type SendBatch, sendOne } from "./send.ts";

/** Ids that XREADGROUP takes. */
const ID = /^(>|\d+(-\d+)?)$/;

/** Behind which no entry is; one more, and it would mean `>`. */
const BEHIND_ALL = "18446744073709551615-18446744073709551614";

/**
 * Checks that every stream has the group.
 *
 * @returns what was asked for
 * @throws what the server says of the first stream that has not, or of a wrong argument
 */
export async function checkGroups(asked: ReadingList, send: SendBatch): Promise<ReadingList> {
  const group = groupOf(asked.options);
  const faulty = new Set<Reading>();
  await Promise.all(
    byNode(asked.readings).map(async ([node, readings]) => {
      const checks = readings.map(({ key }) => ["xpending", key, group, "-", "+", 1] as const);
      const results = await send(node, checks, null);
      for (const [index, reading] of readings.entries()) {
        const result = results[index];
        const isRefused = result?.status === "rejected";
        // A node that did not answer need not be asked in other words.
        if (isRefused && !isReply(result.reason)) throw result.reason;
        if (isRefused || !ID.test(String(reading.id))) faulty.add(reading);
      }
    }),
  );
  for (const reading of asked.readings) {
    if (!faulty.has(reading)) continue;
    // In its own words: what the server refuses it refuses with this id too, which reads nothing.
    const id = ID.test(String(reading.id)) ? BEHIND_ALL : reading.id;
    await sendOne(send, reading.owner, commandFor(asked, [{ ...reading, id }]));
  }
  return asked;
}

/** The name of the group; without one, which the server refuses, whatever stands first. */
function groupOf(options: readonly Argument[]): Argument {
  const at = options.findIndex((option) => String(option).toLowerCase() === "group");
  return options[at + 1] ?? "";
}
