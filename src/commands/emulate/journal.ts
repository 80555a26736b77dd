/**
 * The journal of moves between two nodes: what a crash leaves unfinished, and
 * how the next run finishes it.
 *
 * An entry is a hash on the node of the source, written in the same script that
 * reads or takes what is moved. A note on the node of the destination, written
 * in the same script that writes there, says that this has happened. So the next
 * run knows for certain whether it still has to write.
 *
 * For a key that note is a mark under the name of the destination: as long as it
 * may have to be undone, no other move takes the key up or writes over it.
 *
 * What is to be all or none has an entry until it is all: see `all-or-none.ts`.
 *
 * Once means once as long as the note lives, a day: only if nobody has used a
 * move for that long after a crash, an element that had arrived may arrive once
 * more. It is never lost.
 */
import { randomBytes } from "node:crypto";
import type { Argument } from "../arguments.ts";
import { OWN_PREFIX } from "../own-keys.ts";
import { UNSET_PART } from "./all-or-none-scripts.ts";
import { CLAIM, DELETE_MOVED, DROP, HAS_ARRIVED, PUT, PUT_BACK, UNMARK } from "./move-scripts.ts";
import { isReply, runScript, type SendBatch, sendOne } from "./send.ts";

/** The entries of a node, sorted by when each was last touched. */
export const JOURNAL_INDEX = `${OWN_PREFIX}journal`;

/** In milliseconds: how long an entry is left to the client that wrote it. */
export const LEASE = 30_000;

/** In milliseconds: how long marks and notes live. */
export const MARK_LIFE = 24 * 60 * 60 * 1000;

/** In milliseconds: how long what stood at a destination is kept, should nobody remove it. */
export const KEPT_LIFE = 10 * 60 * 1000;

/** How many entries of a node are finished in one go. */
const MOST_ENTRIES = 1000;

/** What tells the entries of this process from those of others. */
export const OWNER = randomBytes(8).toString("hex");

let entries = 0;

/** The names of the keys that belong to one move. */
export interface MoveKeys {
  /** On the node of the source. */
  readonly entry: string;
  /** On the node of the destination, as is what follows: says that an element has arrived. */
  readonly done: string;
  /** What stood at the destination before. */
  readonly kept: string;
}

export function newMoveKeys(): MoveKeys {
  return moveKeys(`${OWNER}:${entries++}`);
}

function moveKeys(id: string): MoveKeys {
  return {
    entry: `${JOURNAL_INDEX}:${id}`,
    done: `${OWN_PREFIX}done:${id}`,
    kept: `${OWN_PREFIX}kept:${id}`,
  };
}

/** What says on a node what has been set there, or taken back: see `all-or-none.ts`. */
export function noteOn(done: string, node: string): string {
  return `${done}:${node}`;
}

/** Where a move with an entry keeps what stood at its destination. */
export function keptOf(entry: string): string {
  return moveKeys(entry.slice(JOURNAL_INDEX.length + 1)).kept;
}

/** The mark of a key that a move has written, until that is for good. */
export function markOf(key: string | Buffer): Buffer {
  return Buffer.concat([Buffer.from(`${OWN_PREFIX}mark:`), Buffer.from(key)]);
}

/** What a recovery came to. */
export interface Recovery {
  /** How many moves were finished, or undone. */
  readonly settled: number;
  /** Why others, which stay in the journal, could not be. */
  readonly errors: readonly unknown[];
}

/**
 * Finishes the moves that crashed clients have left in the journals of all nodes.
 *
 * @param names the names of all nodes
 * @param lease how many milliseconds an entry must not have been touched
 */
export async function recoverMoves(
  send: SendBatch,
  names: readonly string[],
  lease: number = LEASE,
): Promise<Recovery> {
  let settled = 0;
  const errors: unknown[] = [];
  const recoverNode = async (node: number): Promise<void> => {
    const last = MOST_ENTRIES - 1;
    const found = await sendOne(send, node, ["zrange", JOURNAL_INDEX, 0, last]);
    for (const entry of Array.isArray(found) ? found : []) {
      try {
        const outcome = await recoverEntry(send, names, node, String(entry), lease);
        // Those that follow are younger still.
        if (outcome === "young") return;
        if (outcome === "settled") settled++;
      } catch (error) {
        errors.push(error);
      }
    }
  };
  const outcomes = await Promise.allSettled(names.map((_, node) => recoverNode(node)));
  for (const outcome of outcomes) {
    if (outcome.status === "rejected") errors.push(outcome.reason);
  }
  return { settled, errors };
}

async function recoverEntry(
  send: SendBatch,
  names: readonly string[],
  source: number,
  entry: string,
  lease: number,
): Promise<"settled" | "young" | "gone"> {
  // Another owner than this client's own moves, which it may still be at.
  const owner = `${OWNER}:recovery`;
  const keys = [JOURNAL_INDEX, entry, JOURNAL_INDEX];
  const claimed = await runScript(send, source, CLAIM, keys, [owner, lease]);
  if (claimed === 0) return "young";
  const fields = readHash(claimed);
  const read = (field: string) => fields.get(field) ?? Buffer.alloc(0);
  if (fields.size === 0) return "gone";
  if (String(read("kind")) === "keys") {
    const { done } = moveKeys(entry.slice(JOURNAL_INDEX.length + 1));
    await unsetAll(send, names, done, String(read("to")));
    await runScript(send, source, DROP, [done, entry, JOURNAL_INDEX], [owner]);
    return "settled";
  }
  const to = names.indexOf(String(read("to")));
  if (to === -1) {
    throw new Error(`${entry} is about node ${read("to")}, which there is no more`);
  }
  const journaled = [read("source"), entry, JOURNAL_INDEX, markOf(read("source"))];
  const { done, kept } = moveKeys(entry.slice(JOURNAL_INDEX.length + 1));
  const destination = read("destination");
  if (String(read("kind")) === "key") {
    const mark = markOf(destination);
    // Both keys as the crash left them: it is as if the move took place only now. Otherwise both
    // stay, as nobody can say which of them is wanted.
    if ((await runScript(send, to, HAS_ARRIVED, [destination, mark], [entry])) === 1) {
      await runScript(send, source, DELETE_MOVED, journaled, [owner]);
    }
    await runScript(send, source, DROP, journaled, [owner]);
    // The entry is gone, so nobody is at it any more.
    await runScript(send, to, UNMARK, [mark, kept], [entry]);
    return "settled";
  }
  try {
    const args = [read("kind"), read("into"), read("element"), MARK_LIFE];
    await runScript(send, to, PUT, [destination, done], args);
  } catch (error) {
    if (!isReply(error)) throw error;
    await runScript(send, source, PUT_BACK, journaled, [owner]);
    return "settled";
  }
  // The note stays: the client that was thought dead may have sent the same.
  await runScript(send, source, DROP, journaled, [owner]);
  return "settled";
}

/** Takes back what was to be all or none, and may be some: see `all-or-none.ts`. */
async function unsetAll(
  send: SendBatch,
  names: readonly string[],
  done: string,
  to: string,
): Promise<void> {
  const nodes: unknown = JSON.parse(to);
  for (const name of Array.isArray(nodes) ? nodes : []) {
    const node = names.indexOf(String(name));
    if (node === -1) throw new Error(`${done} is about node ${name}, which there is no more`);
    const note = noteOn(done, String(name));
    let outcome: unknown;
    do {
      const set = await sendOne(send, node, ["lrange", note, 0, -1]);
      const list: Argument[] = Array.isArray(set) && set.length > 1 ? set : [];
      const keys = list.filter((_, index) => index % 2 === 0);
      outcome = await runScript(send, node, UNSET_PART, [note, ...keys], [MARK_LIFE]);
      // A client that was thought dead may have set them just now.
    } while (String(outcome) === "others");
  }
}

function readHash(reply: unknown): Map<string, Buffer> {
  const fields = new Map<string, Buffer>();
  const list: readonly unknown[] = Array.isArray(reply) ? reply : [];
  for (let at = 0; at + 1 < list.length; at += 2) {
    const value = list[at + 1];
    if (Buffer.isBuffer(value)) fields.set(String(list[at]), value);
  }
  return fields;
}
