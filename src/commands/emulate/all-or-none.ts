/**
 * MSETNX over several nodes: all of its keys are set, or none.
 *
 * The first node gets an entry in its journal together with its keys; then the
 * others get theirs. Once all have, the entry is removed: that decides it. If a
 * key exists on any of them, or a node fails, what was set is deleted, unless
 * somebody has changed it since. If a client crashes while there is the entry,
 * the next run does so: see `journal.ts`.
 *
 * On each node a note says what was set there; or that nothing is to be set any
 * more, to a client that was thought dead.
 */
import { ShardisError } from "../../errors.ts";
import type { Argument } from "../arguments.ts";
import type { PlacedCommand } from "../placed.ts";
import { SET_PART, UNSET_PART } from "./all-or-none-scripts.ts";
import { JOURNAL_INDEX, MARK_LIFE, newMoveKeys, noteOn, OWNER } from "./journal.ts";
import { DROP } from "./move-scripts.ts";
import {
  type Attempt,
  isReply,
  isUnsent,
  type Nodes,
  runScript,
  type SendBatch,
  sendOne,
} from "./send.ts";

/** EXISTS, the first node, the others, and the decision. */
export const ALL_OR_NONE_ROUND_TRIPS = 4;

/** What goes to one node. */
interface Part {
  readonly node: number;
  readonly note: string;
  readonly keys: Argument[];
  readonly values: Argument[];
}

/**
 * Sets keys to values if none of them exists.
 *
 * @returns 1 if all were set, 0 if any exists
 * @throws ShardisError `BAD_ARGUMENT` if a key has no value; `CONFLICT` if it took so long that
 *   another client has ended it
 */
export function setAllOrNone(command: PlacedCommand, nodes: Nodes): Attempt {
  return () => new AllOrNone(command, nodes).run();
}

class AllOrNone {
  readonly #command: PlacedCommand;
  readonly #send: SendBatch;
  readonly #entry: string;
  readonly #parts: readonly Part[];
  /** The names of the nodes of all parts, as the entry has them. */
  readonly #nodes: string;

  constructor(command: PlacedCommand, { send, names }: Nodes) {
    const { entry, done } = newMoveKeys();
    const parts = new Map<number, Part>();
    for (const { owner, key, position } of command.keys) {
      const note = noteOn(done, names[owner] ?? "");
      const part = parts.get(owner) ?? { node: owner, note, keys: [], values: [] };
      part.keys.push(key);
      part.values.push(command.args[position + 1] ?? "");
      parts.set(owner, part);
    }
    this.#command = { ...command, command: command.command.toLowerCase() };
    this.#send = send;
    this.#entry = entry;
    // In the same order always, so that of two rivals one is the first.
    this.#parts = [...parts.values()].sort((a, b) => a.node - b.node);
    this.#nodes = JSON.stringify(this.#parts.map(({ node }) => names[node] ?? ""));
  }

  async run(): Promise<number> {
    const { args, keys } = this.#command;
    if (args.length !== 2 * keys.length) throw this.#withoutValue();
    if (await this.#anyExists()) return 0;
    const outcomes = await this.#setAll();
    let failure = outcomes.find(isRejected)?.reason;
    let isTakenOver = outcomes.some(hasBeenTakenOver);
    if (outcomes.length === this.#parts.length && outcomes.every(isSet)) {
      const [decision] = await Promise.allSettled([this.#drop()]);
      if (isSet(decision)) {
        void this.#forget();
        return 1;
      }
      if (!isRejected(decision)) isTakenOver = true;
      else if (isLost(decision)) throw this.#failed(decision.reason, UNDECIDED, true);
      else failure = decision.reason;
    }
    const obstacle = await this.#undo(outcomes);
    if (obstacle !== undefined) throw this.#failed(obstacle, TO_BE_UNDONE, true);
    if (failure !== undefined) throw this.#failed(failure, NOTHING_SET, false);
    if (isTakenOver) throw this.#takenOver();
    return 0;
  }

  /** What exists before anything is set leaves no trace of it. */
  async #anyExists(): Promise<boolean> {
    try {
      const counts = await Promise.all(
        this.#parts.map(({ node, keys }) => sendOne(this.#send, node, ["exists", ...keys])),
      );
      return counts.some((count) => count !== 0);
    } catch (error) {
      throw this.#failed(error, NOTHING_SET, false);
    }
  }

  /** Sets the parts, those of the other nodes once there is the entry; tells of those it came to. */
  async #setAll(): Promise<Outcome[]> {
    const [home, ...others] = this.#parts;
    if (home === undefined) return [];
    const [first] = await Promise.allSettled([this.#set(home, this.#nodes)]);
    if (!isSet(first)) return [first];
    return [first, ...(await Promise.allSettled(others.map((part) => this.#set(part, ""))))];
  }

  #set({ node, note, keys, values }: Part, nodes: string): Promise<unknown> {
    const all = [note, this.#entry, JOURNAL_INDEX, ...keys];
    const args = [MARK_LIFE, OWNER, nodes, ...values];
    return runScript(this.#send, node, SET_PART, all, args);
  }

  /** Takes back what has been set, or may have been; returns why that could not be done. */
  async #undo(outcomes: readonly Outcome[]): Promise<unknown> {
    const parts = this.#parts.filter((_, index) => {
      const outcome = outcomes[index];
      return outcome !== undefined && (isSet(outcome) || isLost(outcome));
    });
    if (parts.length === 0) return undefined;
    // What was lost may still be on its way.
    const life = outcomes.some(isLost) ? MARK_LIFE : "";
    const undone = await Promise.allSettled(
      parts.map(({ node, note, keys }) =>
        runScript(this.#send, node, UNSET_PART, [note, ...keys], [life]),
      ),
    );
    const dropped = undone.some(isRejected) ? [] : await Promise.allSettled([this.#drop()]);
    return [...undone, ...dropped].find(isRejected)?.reason;
  }

  /** Removes the entry, and returns 1, if it is there and still ours. */
  async #drop(): Promise<unknown> {
    const [home] = this.#parts;
    const keys = [home?.note ?? "", this.#entry, JOURNAL_INDEX];
    return runScript(this.#send, home?.node ?? 0, DROP, keys, [OWNER]);
  }

  /** Removes the notes. */
  async #forget(): Promise<void> {
    await Promise.all(
      this.#parts.map(({ node, note }) => this.#send(node, [["unlink", note]], null)),
    );
  }

  #withoutValue(): ShardisError {
    const { command, given } = this.#command;
    return new ShardisError("BAD_ARGUMENT", `${command} needs a value for each key`, {
      command,
      keys: given,
    });
  }

  #takenOver(): ShardisError {
    const { command, given } = this.#command;
    return new ShardisError(
      "CONFLICT",
      `${command} is given up: it took so long that another client has ended it; ${NOTHING_SET}`,
      { command, keys: given },
    );
  }

  /** @param sent whether anything may be set, for all that is known */
  #failed(error: unknown, told: string, sent: boolean): unknown {
    if (!(error instanceof ShardisError)) return error;
    const { command, given } = this.#command;
    const details = { node: error.node, command, keys: given, sent, cause: error };
    return new ShardisError(error.code, `${command}: ${error.message}; ${told}`, details);
  }
}

const NOTHING_SET = "nothing is set";

const UNDECIDED = "all keys are set, or will be none";

const TO_BE_UNDONE = "what is set already is taken back by a later run";

/** What became of a step: a reply, or an error. */
type Outcome = PromiseSettledResult<unknown>;

function isSet(outcome: Outcome): boolean {
  return outcome.status === "fulfilled" && outcome.value === 1;
}

function hasBeenTakenOver(outcome: Outcome): boolean {
  return outcome.status === "fulfilled" && String(outcome.value) === "taken over";
}

function isRejected(outcome: Outcome): outcome is PromiseRejectedResult {
  return outcome.status === "rejected";
}

/** Whether nobody can say if a step was done. */
function isLost(outcome: Outcome): boolean {
  return isRejected(outcome) && !isReply(outcome.reason) && !isUnsent(outcome.reason);
}
