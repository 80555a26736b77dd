/**
 * Commands of very many keys, cut into pieces: neither a server nor the event
 * loop is to stand still for one of them.
 */
import { setImmediate } from "node:timers/promises";
import { checkKey } from "../keys.ts";
import { type Argument, withPrefix } from "./arguments.ts";
import type { Shape } from "./policies.ts";
import type { Territory } from "./request.ts";

/** A command of more keys is cut. */
export const MOST_KEYS = 10_000;

/**
 * How many keys a piece has. A server takes a millisecond for those that it owns, so it is soon
 * free for others, and no more replies come at once than the event loop can take between two turns.
 */
const KEYS_IN_PIECE = 2500;

/** How many pieces are on their way at once: while one is answered, the next is made. */
const MOST_PIECES = 2;

/** A piece of a command. */
export interface Piece {
  readonly args: readonly Argument[];
  readonly index: number;
}

/** Whether a command is to be cut. */
export function isLarge(shape: Shape, args: readonly Argument[]): boolean {
  return !shape.isCounted && shape.common === 0 && args.length > MOST_KEYS * shape.width;
}

/** The pieces of a command. */
export function* pieces(shape: Shape, args: readonly Argument[]): Generator<Piece> {
  const length = KEYS_IN_PIECE * shape.width;
  for (let index = 0; index * length < args.length; index++) {
    yield { args: args.slice(index * length, (index + 1) * length), index };
  }
}

/**
 * Checks all keys, as a command of which one is bad is not sent in part.
 *
 * @throws ShardisError `BAD_KEY`; `BAD_PLACEMENT` if a placement function names no node
 */
export async function checkKeys(
  { placement, prefix }: Territory,
  shape: Shape,
  args: readonly Argument[],
): Promise<void> {
  for (const piece of pieces(shape, args)) {
    const keys: (string | Uint8Array)[] = [];
    for (let at = 0; at < piece.args.length; at += shape.width) {
      keys.push(withPrefix(prefix, checkKey(piece.args[at])));
    }
    // What takes keys as they are takes all of them.
    if (placement.native === undefined) placement.plan(keys);
    await setImmediate();
  }
}

/** Runs something for each piece, a few at a time; those who run them share the pieces. */
export async function forEachPiece(
  all: Generator<Piece>,
  run: (piece: Piece) => Promise<void>,
): Promise<void> {
  const runSome = async () => {
    for (const piece of all) await run(piece);
  };
  await Promise.all(Array.from({ length: MOST_PIECES }, runSome));
}
