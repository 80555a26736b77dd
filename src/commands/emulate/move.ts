/**
 * Moves: commands that take something from a key on one node and give it to a
 * key on another.
 *
 * A key is copied first, and deleted only if it is then still what was copied;
 * for a moment both are there. An element is taken into the journal, on the node
 * where it was, and from there given to the other node. So a crash leaves both
 * keys, or an entry in the journal, which the next run finishes: see
 * `journal.ts`. What two clients move at once, one of them moves.
 *
 * The order of checks, and so the errors, are those of Redis: a source that does
 * not exist comes before a destination of the wrong type.
 */
import { setTimeout as delay } from "node:timers/promises";
import { ShardisError } from "../../errors.ts";
import { describe } from "../../keys.ts";
import type { Argument, ReplyEncoding } from "../arguments.ts";
import { OWN_PREFIX } from "../own-keys.ts";
import type { PlacedCommand } from "../placed.ts";
import {
  JOURNAL_INDEX,
  KEPT_LIFE,
  keptOf,
  LEASE,
  MARK_LIFE,
  type MoveKeys,
  markOf,
  newMoveKeys,
  OWNER,
  type Recovery,
  recoverMoves,
} from "./journal.ts";
import {
  DELETE_MOVED,
  DROP,
  PUT,
  PUT_BACK,
  READ,
  READ_TO_MOVE,
  TAKE,
  UNMARK,
  UNWRITE,
  WRITE,
} from "./move-scripts.ts";
import { isReply, isUnsent, runScript, type SendBatch, sendOne } from "./send.ts";

/** A key and the node where it lies. */
interface Place {
  readonly node: number;
  readonly key: string | Buffer;
}

type End = "left" | "right";

/** What a command says shall be moved. */
type Task =
  | { readonly kind: "rename"; readonly mode: "replace" | "nx" }
  | { readonly kind: "copy"; readonly mode: "replace" | "nx" }
  | { readonly kind: "list"; readonly from: End; readonly into: End }
  | { readonly kind: "set"; readonly member: Argument };

/** A command with all that carrying it out needs. */
interface Job {
  readonly move: PlacedCommand;
  readonly source: Place;
  readonly destination: Place;
}

/** How often a key is copied again because it was changed meanwhile. */
const MOST_ATTEMPTS = 16;

/** In seconds: Redis counts milliseconds, up to 2^63. */
const LONGEST_TIMEOUT = 2 ** 52;

/** A key that does not exist, on any node. */
const NO_KEY = `${OWN_PREFIX}none`;

/** Round trips of a move, for `explain`. */
export function moveRoundTrips(command: string): number {
  return command === "copy" ? 2 : 3;
}

export class Mover {
  readonly #send: SendBatch;
  readonly #names: readonly string[];
  /** When the journals shall be looked at next. */
  #nextRecovery = 0;

  /** @param names the names of all nodes */
  constructor(send: SendBatch, names: readonly string[]) {
    this.#send = send;
    this.#names = names;
  }

  /** Finishes the moves that crashed clients have left unfinished. */
  recover(lease?: number): Promise<Recovery> {
    this.#nextRecovery = performance.now() + LEASE;
    return recoverMoves(this.#send, this.#names, lease);
  }

  /** The same at first, and now and then: beside what is asked for, which does not wait for it. */
  recoverNowAndThen(): void {
    if (performance.now() >= this.#nextRecovery) this.recover().catch(() => {});
  }

  /**
   * Carries a move out.
   *
   * @throws ShardisError `CONFLICT` if the source changed whenever it had been
   *   copied; both keys are then as they were, unless the error says otherwise
   */
  async run(move: PlacedCommand, encoding: ReplyEncoding): Promise<unknown> {
    this.recoverNowAndThen();
    const [from, to] = move.keys;
    if (from === undefined || to === undefined) throw new TypeError("a move has two keys");
    const source = { node: from.owner, key: from.key };
    const destination = { node: to.owner, key: to.key };
    return inEncoding(await this.#start({ move, source, destination }), encoding);
  }

  async #start(job: Job): Promise<unknown> {
    const { move, source, destination } = job;
    const task = readTask(move);
    if (task === undefined) return this.#refuse(job);
    // Only under one name could what is deleted be what has just been written.
    if (isSameKey(source.key, destination.key) && (await this.#isOneDatabase(job))) {
      return sendOne(this.#send, source.node, [move.command, ...move.args]);
    }
    switch (task.kind) {
      case "rename":
        return this.#rename(job, task.mode);
      case "copy":
        return this.#copy(job, task.mode);
      case "list":
        return this.#moveElement(job, "llen", ["list", task.from, task.into, ""]);
      case "set":
        return this.#moveElement(job, "scard", ["set", "", "", task.member]);
    }
  }

  async #copy(job: Job, mode: "replace" | "nx"): Promise<unknown> {
    const { source, destination } = job;
    const read = await runScript(this.#send, source.node, READ, [source.key]);
    if (!Array.isArray(read)) return this.#answerMissing(job);
    const [payload, at] = read;
    const ttl = String(at) === "-1" ? "0" : at;
    const options = mode === "replace" ? ["ABSTTL", "REPLACE"] : ["ABSTTL"];
    try {
      const restore = ["restore", destination.key, ttl, payload, ...options] as const;
      await sendOne(this.#send, destination.node, restore);
      return 1;
    } catch (error) {
      if (isReply(error) && String(error).includes("BUSYKEY")) return 0;
      throw error;
    }
  }

  async #rename(job: Job, mode: "replace" | "nx"): Promise<unknown> {
    const { source, destination } = job;
    const keys = newMoveKeys();
    const from = this.#names[source.node] ?? "";
    const to = this.#names[destination.node] ?? "";
    let hasWritten = false;
    let isPending = false;
    for (let attempt = 0; attempt < MOST_ATTEMPTS; attempt++) {
      // Whoever is in the way shall get out of it.
      if (attempt > 0) await delay(Math.random() * attempt);
      const reading = this.#atSource(job, keys, READ_TO_MOVE, [OWNER, to, destination.key]);
      const read = await (attempt === 0 ? reading : this.#orUndo(job, keys, hasWritten, reading));
      if (String(read) === "taken over") throw this.#takenOver(job);
      isPending = String(read) === "pending";
      if (isPending) {
        await this.#clearMark(source);
        continue;
      }
      if (!Array.isArray(read)) return this.#lose(job, keys, hasWritten);
      const [payload, at] = read;
      const args = [payload, at, mode, MARK_LIFE, KEPT_LIFE, keys.entry, from];
      const writing = this.#write(job, keys, args);
      const written = await this.#orUndo(job, keys, hasWritten, writing);
      if (written === "exists") {
        await this.#drop(job, keys);
        return 0;
      }
      isPending = written === "pending";
      if (isPending) {
        await this.#clearMark(destination);
        continue;
      }
      if (written === "changed") break;
      hasWritten = true;
      const deleting = this.#atSource(job, keys, DELETE_MOVED, [OWNER]);
      const deleted = String(await this.#orUndo(job, keys, true, deleting));
      if (deleted === "deleted") {
        void this.#unmark(job, keys);
        return job.move.command === "rename" ? "OK" : 1;
      }
      if (deleted === "gone") return this.#lose(job, keys, true);
      if (deleted === "taken over") throw this.#takenOver(job);
    }
    const isUndone = await (hasWritten ? this.#undo(job, keys) : this.#drop(job, keys));
    const reason = isPending
      ? "another move of one of them is under way, or is finished by a later run if its client crashed"
      : "the source changed whenever it had been copied";
    throw this.#conflict(
      job,
      isUndone
        ? `${reason}; both keys are as they were`
        : "both keys were changed meanwhile; the source stays, and so does what was copied",
    );
  }

  async #write(job: Job, keys: MoveKeys, args: readonly Argument[]): Promise<string> {
    const { node, key } = job.destination;
    const written = [key, markOf(key), keys.kept];
    return String(await runScript(this.#send, node, WRITE, written, args));
  }

  /** A step; if it was certainly not done, what went before is undone, and its error stands. */
  async #orUndo<Result>(
    job: Job,
    keys: MoveKeys,
    hasWritten: boolean,
    step: Promise<Result>,
  ): Promise<Result> {
    try {
      return await step;
    } catch (error) {
      // What may have been done is for the journal to finish.
      if (isReply(error) || isUnsent(error)) {
        const undone = hasWritten ? this.#undo(job, keys) : this.#drop(job, keys);
        await undone.catch(() => {});
      }
      throw error;
    }
  }

  /** The source has been deleted or moved by somebody else, who was first. */
  async #lose(job: Job, keys: MoveKeys, hasWritten: boolean): Promise<unknown> {
    const isUndone = await (hasWritten ? this.#undo(job, keys) : this.#drop(job, keys));
    if (isUndone) return this.#answerMissing(job);
    throw this.#conflict(
      job,
      "its source was deleted, and its destination changed, meanwhile; the destination stays",
    );
  }

  /** Takes away what was written, unless it has been changed; then the move is over. */
  async #undo(job: Job, keys: MoveKeys): Promise<boolean> {
    const { node, key } = job.destination;
    const written = [key, markOf(key), keys.kept];
    const undone = await runScript(this.#send, node, UNWRITE, written, [keys.entry]);
    await this.#drop(job, keys);
    return String(undone) === "undone";
  }

  /** Removes the entry: the source and the destination are as they were. */
  async #drop(job: Job, keys: MoveKeys): Promise<true> {
    await this.#atSource(job, keys, DROP, [OWNER]);
    return true;
  }

  /** @param length the command that tells the type of both keys, and whether they exist */
  async #moveElement(
    job: Job,
    length: "llen" | "scard",
    [kind, from, into, member]: readonly [string, string, string, Argument],
  ): Promise<unknown> {
    const { move, source, destination } = job;
    const [here, there] = await Promise.allSettled([
      sendOne(this.#send, source.node, [length, source.key]),
      sendOne(this.#send, destination.node, [length, destination.key]),
    ]);
    if (here.status === "rejected") throw here.reason;
    if (here.value === 0) return this.#answerMissing(job);
    if (there.status === "rejected") throw there.reason;
    const keys = newMoveKeys();
    const to = this.#names[destination.node] ?? "";
    const what = [OWNER, to, destination.key, kind, from, into, member];
    const element = await this.#atSource(job, keys, TAKE, what);
    if (!Buffer.isBuffer(element)) return this.#answerMissing(job);
    const args = [kind, into, element, MARK_LIFE];
    try {
      await runScript(this.#send, destination.node, PUT, [destination.key, keys.done], args);
    } catch (error) {
      // What may have arrived is for the journal to finish.
      if (isReply(error) || isUnsent(error)) {
        await this.#atSource(job, keys, PUT_BACK, [OWNER]).catch(() => {});
      }
      throw error;
    }
    void this.#forget(job, keys);
    return move.command === "smove" ? 1 : element;
  }

  /** Removes the mark of a key whose move is over: its client crashed before it could do so. */
  async #clearMark({ node, key }: Place): Promise<void> {
    const mark = markOf(key);
    const fields = await sendOne(this.#send, node, ["hmget", mark, "entry", "from"]);
    const [entry, from] = Array.isArray(fields) ? fields : [];
    const home = this.#names.indexOf(String(from));
    if (home === -1 || (await sendOne(this.#send, home, ["exists", entry])) !== 0) return;
    await runScript(this.#send, node, UNMARK, [mark, keptOf(String(entry))], [entry]);
  }

  /** What was written is so for good. */
  async #unmark({ destination }: Job, { entry, kept }: MoveKeys): Promise<void> {
    const keys = [markOf(destination.key), kept];
    await runScript(this.#send, destination.node, UNMARK, keys, [entry]).catch(() => {});
  }

  /** Removes the entry, and then the note: unless another client has taken the entry over. */
  async #forget(job: Job, keys: MoveKeys): Promise<void> {
    try {
      const dropped = await this.#atSource(job, keys, DROP, [OWNER]);
      if (dropped === 1) await this.#send(job.destination.node, [["unlink", keys.done]], null);
    } catch {
      // The next run finds the note, and removes the entry.
    }
  }

  #atSource(
    { source }: Job,
    { entry }: MoveKeys,
    script: string,
    args: readonly Argument[],
  ): Promise<unknown> {
    const keys = [source.key, entry, JOURNAL_INDEX, markOf(source.key)];
    return runScript(this.#send, source.node, script, keys, args);
  }

  /** Whether the two nodes are one: what is written on one is seen on the other. */
  async #isOneDatabase({ source, destination }: Job): Promise<boolean> {
    const { done: probe } = newMoveKeys();
    await sendOne(this.#send, source.node, ["set", probe, "", "PX", KEPT_LIFE]);
    try {
      return (await sendOne(this.#send, destination.node, ["exists", probe])) === 1;
    } finally {
      void this.#send(source.node, [["unlink", probe]], null);
    }
  }

  /** What the server answers to the command where its source does not exist. */
  #answerMissing({ move, source }: Job): Promise<unknown> {
    const args = [...move.args];
    for (const { position } of move.keys) args[position] = `${NO_KEY}:${position}`;
    return sendOne(this.#send, source.node, [move.command, ...args]);
  }

  /** What is not understood is refused: by the server, in its own words, if it does so too. */
  async #refuse(job: Job): Promise<never> {
    await this.#answerMissing(job);
    const { command, args, given } = job.move;
    const options = args.slice(2).map(describe).join(" ");
    throw new ShardisError(
      "UNSUPPORTED",
      `${command} ${options} works only where both keys lie on one node: give them a common hash ` +
        "tag, such as {user:1}",
      { command, keys: given },
    );
  }

  #takenOver(job: Job): ShardisError {
    return this.#conflict(job, "it took so long that another client has finished or ended it");
  }

  #conflict({ move }: Job, reason: string): ShardisError {
    const { command, given } = move;
    return new ShardisError(
      "CONFLICT",
      `${command} from ${describe(given[0])} to ${describe(given[1])} is given up: ${reason}`,
      { command, keys: given },
    );
  }
}

/** What a command asks for; undefined for what this version does not understand. */
function readTask({ command, args }: PlacedCommand): Task | undefined {
  const [, , third, fourth, ...more] = args;
  const count = args.length;
  switch (command) {
    case "rename":
      return count === 2 ? { kind: "rename", mode: "replace" } : undefined;
    case "renamenx":
      return count === 2 ? { kind: "rename", mode: "nx" } : undefined;
    case "copy": {
      if (count === 2) return { kind: "copy", mode: "nx" };
      const replace = args.slice(2).every((option) => word(option) === "replace");
      return replace ? { kind: "copy", mode: "replace" } : undefined;
    }
    case "smove":
      return count === 3 && third !== undefined ? { kind: "set", member: third } : undefined;
    case "rpoplpush":
      return count === 2 ? { kind: "list", from: "right", into: "left" } : undefined;
    case "brpoplpush": {
      const isRight = count === 3 && isTimeout(third);
      return isRight ? { kind: "list", from: "right", into: "left" } : undefined;
    }
    case "lmove":
    case "blmove": {
      const [from, into] = [word(third), word(fourth)];
      const isRight = command === "lmove" ? count === 4 : count === 5 && isTimeout(more[0]);
      return isRight && isEnd(from) && isEnd(into) ? { kind: "list", from, into } : undefined;
    }
    default:
      return undefined;
  }
}

function word(argument: Argument | undefined): string {
  return String(argument).toLowerCase();
}

function isEnd(text: string): text is End {
  return text === "left" || text === "right";
}

/** Whether it is a time in seconds; what else Redis may take for one, it is asked about. */
function isTimeout(argument: Argument | undefined): boolean {
  const text = word(argument);
  return /^(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/.test(text) && Number(text) < LONGEST_TIMEOUT;
}

function isSameKey(a: string | Buffer, b: string | Buffer): boolean {
  return Buffer.from(a).equals(Buffer.from(b));
}

function inEncoding(reply: unknown, encoding: ReplyEncoding): unknown {
  if (encoding === null) return typeof reply === "string" ? Buffer.from(reply) : reply;
  return Buffer.isBuffer(reply) ? reply.toString(encoding) : reply;
}
