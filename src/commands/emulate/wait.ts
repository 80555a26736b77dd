/**
 * Waiting over several nodes. Redis waits for keys of one server only, and two servers on which
 * one waited could both give something, of which one were too much. So nothing blocks here:
 * what is asked for is asked for again whenever one of its keys has changed. Waiting takes
 * nothing, so however it ends, nothing is lost by it.
 *
 * Whoever waits on a server itself is served first: here one only asks after a change.
 */
import { setTimeout as delay } from "node:timers/promises";
import { ShardisError } from "../../errors.ts";
import type { KeyListener, KeyNews } from "../../topology/key-tracker.ts";
import type { PlacedCommand, PlacedKey } from "../placed.ts";
import type { Lines } from "./line.ts";
import type { Attempt, Stop, TrackKeys } from "./send.ts";

/** In milliseconds: how long nodes may say nothing until they are asked whether they are there. */
const LONGEST_SILENCE = 5000;

/** In milliseconds; a longer one would end at once. */
const LONGEST_TIMER = 2 ** 31 - 1;

/** Keys that are tracked. */
interface Watch {
  /** What is told of any of them first. */
  readonly news: Promise<KeyNews>;
  end(): void;
}

/**
 * Asks for something until it is there, or the time is up.
 *
 * @param waiting what is asked for, with the keys whose change may bring it
 * @param wait for how many milliseconds
 * @param stop what may end the wait before; not while something is being given
 * @returns null if it did not come
 * @throws what an attempt throws; ShardisError as soon as a node cannot be waited for, `ABORTED`
 */
export async function untilFound(
  attempt: Attempt,
  waiting: PlacedCommand,
  wait: number,
  track: TrackKeys,
  lines: Lines,
  stop?: Stop,
): Promise<unknown> {
  const end = performance.now() + wait;
  const reply = await attempt();
  if (reply !== null || performance.now() >= end) return reply;
  const turn = lines.join(waiting);
  try {
    const news = turn.isFirst ? undefined : await within(end - performance.now(), turn.comes, stop);
    const found = await search(attempt, waiting, end, track, news === "found", stop);
    turn.leave(found === null ? "ended" : "found");
    return found;
  } catch (error) {
    if (isCalledOff(error)) turn.leave("ended");
    else turn.breakUp();
    throw error;
  }
}

/** @param isNews whether there may be something since it was last asked for */
async function search(
  attempt: Attempt,
  waiting: PlacedCommand,
  end: number,
  track: TrackKeys,
  isNews: boolean,
  stop: Stop | undefined,
): Promise<unknown> {
  let watch: Watch | undefined;
  try {
    for (;;) {
      stop?.check(waiting.command, waiting.given);
      if (isNews) {
        const reply = await attempt();
        if (reply !== null) return reply;
      }
      // A node of which nothing is heard may be gone: it has to answer this before it is asked to
      // give something, which it might give to nobody.
      watch = await begin(waiting, track);
      // What came before the keys were tracked.
      const reply = await attempt();
      const left = end - performance.now();
      if (reply !== null || left <= 0) return reply;
      const news = await within(Math.min(left, LONGEST_SILENCE), watch.news, stop);
      watch.end();
      isNews = news === "changed";
    }
  } finally {
    watch?.end();
  }
}

/** Has the keys tracked on all their nodes. */
async function begin(waiting: PlacedCommand, track: TrackKeys): Promise<Watch> {
  let tell: KeyListener = () => {};
  const news = new Promise<KeyNews>((resolve) => {
    tell = resolve;
  });
  const byNode = new Map<number, PlacedKey["key"][]>();
  for (const { owner, key } of waiting.keys) {
    const keys = byNode.get(owner);
    if (keys === undefined) byNode.set(owner, [key]);
    else keys.push(key);
  }
  const tracked = await Promise.allSettled(
    [...byNode].map(([node, keys]) => track(node, keys, tell)),
  );
  const end = () => {
    for (const result of tracked) if (result.status === "fulfilled") result.value();
  };
  for (const result of tracked) {
    if (result.status === "fulfilled") continue;
    end();
    throw inVain(waiting, result.reason);
  }
  return { news, end };
}

/** Why keys cannot be waited for; nothing has been taken from them. */
function inVain({ command, given }: PlacedCommand, error: unknown): unknown {
  if (!(error instanceof ShardisError)) return error;
  const message = `${command} cannot wait for its keys, and has taken nothing: ${error.message}`;
  const details = { node: error.node, command, keys: given, sent: false, cause: error };
  return new ShardisError(error.code, message, details);
}

function isCalledOff(error: unknown): boolean {
  return error instanceof ShardisError && error.code === "ABORTED";
}

/** What comes within so many milliseconds, and before the stop, if anything does. */
async function within<Result>(
  ms: number,
  coming: Promise<Result>,
  stop: Stop | undefined,
): Promise<Result | undefined> {
  const timer = new AbortController();
  const forget = stop?.whenOver(() => timer.abort());
  const limit = Math.min(ms, LONGEST_TIMER);
  const isOver = delay(limit, undefined, { signal: timer.signal }).catch(() => undefined);
  const result = await Promise.race([coming, isOver]);
  timer.abort();
  forget?.();
  return result;
}
