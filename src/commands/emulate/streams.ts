/**
 * XREAD and XREADGROUP over streams on several nodes: each node is asked for its own, all at
 * once, and what they answer becomes one answer. BLOCK does not block here: see `wait.ts`.
 */
import { type NodeFailure, PartialFailureError } from "../../errors.ts";
import type { ReplyEncoding } from "../arguments.ts";
import { failureOf } from "../merge.ts";
import type { PlacedCommand } from "../placed.ts";
import { checkGroups } from "./groups.ts";
import {
  answered,
  byNode,
  byStream,
  commandFor,
  type Reading,
  type ReadingList,
  takeApart,
} from "./readings.ts";
import { type Attempt, type Nodes, type SendBatch, sendOne } from "./send.ts";

/** Round trips until it has read once, for `explain`. */
export function streamRoundTrips(placed: PlacedCommand): number {
  return isOfGroup(placed) || hasLastIds(takeApart(placed)) ? 2 : 1;
}

/** What a node has answered. */
interface Answer {
  readonly readings: readonly Reading[];
  readonly reply: object;
}

/**
 * Reads streams, in the order in which they were asked for; null if there is nothing to read.
 *
 * @throws PartialFailureError if a group was read on some nodes only, as what these delivered is
 *   theirs no more; else the error of the first stream that has one
 */
export function readStreams(placed: PlacedCommand, nodes: Nodes, encoding: ReplyEncoding): Attempt {
  const asked = takeApart(placed);
  const isGroup = isOfGroup(placed);
  let prepared: Promise<ReadingList> | undefined;
  return async () => {
    prepared ??= isGroup ? checkGroups(asked, nodes.send) : fixLastIds(asked, nodes.send);
    return readAll(await prepared, nodes, encoding, isGroup);
  };
}

function isOfGroup({ command }: PlacedCommand): boolean {
  return command.toLowerCase() === "xreadgroup";
}

/** Whether it asks for what comes after the last entries, and waits for it. */
function hasLastIds({ options, readings }: ReadingList): boolean {
  const blocks = options.some((option) => String(option).toLowerCase() === "block");
  return blocks && readings.some(({ id }) => String(id) === "$");
}

/**
 * With BLOCK, `$` is what is the last entry now: who asks again must not mean a later one by it.
 * If it has been deleted, the one before it will do, as no other gets an id between them.
 */
async function fixLastIds(asked: ReadingList, send: SendBatch): Promise<ReadingList> {
  if (!hasLastIds(asked)) return asked;
  const fix = async (reading: Reading): Promise<Reading> => {
    if (String(reading.id) !== "$") return reading;
    const last = ["xrevrange", reading.key, "+", "-", "COUNT", 1] as const;
    const entries = await sendOne(send, reading.owner, last);
    const [entry] = Array.isArray(entries) ? entries : [];
    return { ...reading, id: Array.isArray(entry) ? String(entry[0]) : "0" };
  };
  return { ...asked, readings: await Promise.all(asked.readings.map(fix)) };
}

async function readAll(
  asked: ReadingList,
  { names, send }: Nodes,
  encoding: ReplyEncoding,
  isGroup: boolean,
): Promise<unknown> {
  const groups = byNode(asked.readings);
  const settled = await Promise.all(
    // As bytes, by which a stream is known again.
    groups.map(([node, readings]) => send(node, [commandFor(asked, readings)], null)),
  );
  const answers: Answer[] = [];
  const failures = new Map<string, NodeFailure>();
  for (const [index, [node, readings]] of groups.entries()) {
    const [result] = settled[index] ?? [];
    if (result?.status === "rejected") {
      const given = readings.map((reading) => reading.given);
      failures.set(names[node] ?? "", failureOf(result.reason, given));
    } else if (typeof result?.value === "object" && result.value !== null) {
      answers.push({ readings, reply: result.value });
    }
  }
  const merged = answers.length === 0 ? null : mergeAnswers(asked.readings, answers);
  const reply = encoding === null ? merged : toText(merged);
  const [failure] = failures.values();
  if (failure === undefined) return reply;
  if (!isGroup || reply === null) throw failure.error;
  const applied = answers.flatMap(({ readings }) => readings.map(({ given }) => given));
  throw new PartialFailureError(asked.command.toLowerCase(), reply, failures, applied);
}

/** One reply of those of the nodes, with the streams in the order of the call. */
function mergeAnswers(order: readonly Reading[], answers: readonly Answer[]): object {
  // With `replyMapping: "resp3"` streams by their names.
  if (!answers.every(({ reply }) => Array.isArray(reply))) {
    return Object.assign({}, ...answers.map(({ reply }) => reply));
  }
  const found = new Map<Reading, unknown>();
  let isFlat = false;
  for (const { readings, reply } of answers) {
    if (!Array.isArray(reply)) continue;
    // Of RESP3, and by a name that ioredis does not know, names and entries come in turn.
    isFlat ||= Buffer.isBuffer(reply[0]);
    const streams: readonly unknown[] = isFlat ? pairs(reply) : reply;
    for (const [name, same] of byStream(readings)) {
      const own = streams.filter((stream) => nameOf(stream) === name);
      for (const [index, reading] of answered(same, own.length).entries()) {
        found.set(reading, own[index]);
      }
    }
  }
  const streams = order.flatMap((reading) => (found.has(reading) ? [found.get(reading)] : []));
  return isFlat ? streams.flat() : streams;
}

function pairs(flat: readonly unknown[]): unknown[] {
  return flat.flatMap((_, index) => (index % 2 === 0 ? [flat.slice(index, index + 2)] : []));
}

/** The bytes of a stream's name, as text, in a reply: `[name, entries]`. */
function nameOf(stream: unknown): string | undefined {
  const name: unknown = Array.isArray(stream) ? stream[0] : undefined;
  return Buffer.isBuffer(name) ? name.toString("latin1") : undefined;
}

/** A reply with text for bytes, wherever they stand. */
function toText(reply: unknown): unknown {
  if (Buffer.isBuffer(reply)) return reply.toString();
  if (Array.isArray(reply)) return reply.map(toText);
  if (typeof reply !== "object" || reply === null) return reply;
  return Object.fromEntries(Object.entries(reply).map(([name, value]) => [name, toText(value)]));
}
