/**
 * Transactions that read before they write: keys are watched on a connection of
 * their own, and what is written is written only if nobody else has changed them.
 * WATCH on a connection that others share would be ended by any other EXEC.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { Command } from "ioredis";
import { toArgument } from "../commands/arguments.ts";
import { ShardisError } from "../errors.ts";
import { checkKey, describe, type Key } from "../keys.ts";
import type { Connection, Sendable, Sender } from "../topology/connection.ts";
import type { Home } from "./carrier.ts";
import { HeldCarrier } from "./held.ts";
import type { Classes, CommandView } from "./views.ts";

export interface TransactionOptions {
  /** How often the work is run again if others have changed a watched key; 5 by default. */
  readonly retries?: number;
}

/** What a transaction does: it reads with `tx`, and writes with `tx.multi()…exec()`. */
export type TransactionWork<Result> = (tx: CommandView) => Promise<Result> | Result;

const RETRIES = 5;

/** In milliseconds, between two attempts. */
const LONGEST_PAUSE = 100;

/**
 * Runs work while keys are watched, and again if they were changed.
 *
 * @throws ShardisError `CROSS_NODE` if the keys lie on several nodes; `CONFLICT`;
 *   `BAD_ARGUMENT`; what the work throws
 */
export async function runWatched<Result>(
  home: Home,
  classes: Classes,
  keys: readonly Key[],
  work: TransactionWork<Result>,
  options: TransactionOptions,
): Promise<Result> {
  const { retries = RETRIES } = options ?? {};
  checkArguments(keys, work, retries);
  const watched = keys.map((key) => toArgument(checkKey(key)));
  const { node } = home.prepareWatch(watched);
  return home.nodeAt(node).isolate(keys, async (connection) => {
    for (let attempt = 0; ; attempt++) {
      const watch = new Watch(connection);
      try {
        const made = home.prepareWatch(watched);
        await watch.send(made.command, keys);
        const carrier = new HeldCarrier(home, { ...made, keys }, watch);
        const result = await work(new classes.CommandView(carrier, classes));
        // If the work has not waited for it.
        await watch.exec;
        return result;
      } catch (error) {
        // Whatever the work has made of it.
        if (!watch.hasConflict) throw error;
        if (attempt >= retries) throw conflict(keys, attempt + 1);
      } finally {
        watch.end();
      }
      await sleep(Math.random() * Math.min(2 ** attempt, LONGEST_PAUSE));
    }
  });
}

/** A connection while keys are watched on it: until EXEC, or until the work has ended. */
class Watch implements Sender {
  /** The transaction, once it has been sent. */
  exec: Promise<unknown> | undefined;
  /** Whether the server has not run it, as a watched key had been changed. */
  hasConflict = false;
  readonly #connection: Connection;
  #isOver = false;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  async send(command: Command, keys: readonly unknown[]): Promise<unknown> {
    this.#checkOpen(command.name, keys);
    return this.#connection.send(command, keys);
  }

  sendAll(commands: readonly Sendable[]): Promise<unknown>[] {
    if (!this.#isOver) return this.#connection.sendAll(commands);
    return commands.map(({ command, keys }) => this.send(command, keys));
  }

  async transact(commands: readonly Sendable[]): Promise<[Error | null, unknown][]> {
    const keys = commands.flatMap((command) => command.keys);
    this.#checkOpen("exec", keys);
    this.end();
    const exec = this.#transact(commands, keys);
    this.exec = exec;
    return exec;
  }

  /** From now on nothing is watched, so that nothing more may be sent. */
  end(): void {
    this.#isOver = true;
  }

  async #transact(
    commands: readonly Sendable[],
    keys: readonly unknown[],
  ): Promise<[Error | null, unknown][]> {
    const results = await this.#connection.transact(commands);
    if (results !== null) return results;
    this.hasConflict = true;
    throw conflict(keys, 1);
  }

  #checkOpen(name: string, keys: readonly unknown[]): void {
    if (!this.#isOver) return;
    throw new ShardisError(
      "CLOSED",
      `the transaction is over, and its keys are no longer watched; ${name} was not sent: begin ` +
        "another",
      { command: name, keys, sent: false },
    );
  }
}

function conflict(keys: readonly unknown[], times: number): ShardisError {
  const shown = keys.slice(0, 3).map(describe).join(", ") + (keys.length > 3 ? ", …" : "");
  const often = times === 1 ? "once" : `${times} times`;
  return new ShardisError(
    "CONFLICT",
    `others have changed watched keys (${shown}) before EXEC, ${often}; nothing was written. Try ` +
      "again, or give more retries",
    { command: "exec", keys },
  );
}

function checkArguments(keys: unknown, work: unknown, retries: unknown): void {
  if (!Array.isArray(keys) || keys.length === 0) {
    throw bad("the keys that a transaction watches are an array of at least one key");
  }
  if (typeof work !== "function") throw bad("the work of a transaction is a function");
  const isCount = Number.isInteger(retries) || retries === Number.POSITIVE_INFINITY;
  if (!isCount || Number(retries) < 0) throw bad("retries are a whole number from 0, or Infinity");
}

function bad(message: string): ShardisError {
  return new ShardisError("BAD_ARGUMENT", message, { command: "watch" });
}
