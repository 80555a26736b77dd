/**
 * One ioredis connection with the two things that ioredis' defaults lack: every
 * command settles in time, and no command is sent twice.
 *
 * ioredis waits 73 s for a node that is down, keeps commands in a queue without
 * bound, sends them even after it has told the caller that they timed out, and
 * repeats after a reconnect those whose reply was lost. Here a command waits
 * for the connection in a queue of ours, only until its time is up or the next
 * attempt to connect fails, and is handed to ioredis once, when it can be sent.
 */
import type { Command, Redis } from "ioredis";
import { type ErrorDetails, ShardisError } from "../errors.ts";

/** What bounds the commands of a connection. */
export interface ConnectionLimits {
  /** In how many milliseconds every command settles. */
  readonly commandTimeout: number;
  /** How many commands may wait for the connection. */
  readonly maxQueuedCommands: number;
}

/** A command on its way. */
interface Delivery {
  readonly command: Command;
  readonly keys: readonly unknown[];
  /** Whether it has been handed to the socket: from then on it may have run. */
  sent: boolean;
}

export class Connection {
  readonly client: Redis;
  readonly #name: string;
  readonly #limits: ConnectionLimits;
  /** Commands that wait for the connection, in their order. */
  #waiting: Delivery[] = [];
  /** Counts replies, so that a silent server can be told from a slow command. */
  #replies = 0;
  #lastError: Error | undefined;

  /**
   * @param name the name of the node, for errors
   * @param client not connected, and with `maxRetriesPerRequest: 0`, by which
   *   ioredis rejects what is in flight as soon as the connection breaks
   */
  constructor(name: string, client: Redis, limits: ConnectionLimits) {
    this.#name = name;
    this.client = client;
    this.#limits = limits;
    client.on("error", (error: Error) => {
      this.#lastError = error;
    });
    client.on("ready", () => {
      this.#lastError = undefined;
      this.#flush();
    });
    client.on("close", () => this.#rejectWaiting("NODE_DOWN"));
    client.on("end", () => this.#rejectWaiting("CLOSED"));
  }

  /** Why the node could not be reached when that was last tried. */
  get lastError(): Error | undefined {
    return this.#lastError;
  }

  /**
   * Sends a command, now or when the connection is there.
   *
   * @param keys its keys as the user gave them, for errors
   * @param timeout in how many milliseconds it settles; none if undefined
   * @throws ShardisError (as a rejection) `NODE_DOWN`, `TIMEOUT`,
   *   `CONNECTION_LOST`, `QUEUE_FULL` or `CLOSED`; or the error that the server
   *   answered
   */
  send(
    command: Command,
    keys: readonly unknown[],
    timeout: number | undefined = this.#limits.commandTimeout,
  ): Promise<unknown> {
    const delivery = { command, keys, sent: false };
    const replies = this.#replies;
    const promise = command.promise.then(
      (reply) => {
        this.#replies++;
        return reply;
      },
      (error) => {
        throw this.#explain(error, delivery, replies);
      },
    );
    if (timeout !== undefined) command.setTimeout(timeout);
    this.#dispatch(delivery);
    return promise;
  }

  #dispatch(delivery: Delivery): void {
    const { client } = this;
    if (client.status === "ready" && this.#waiting.length === 0) {
      this.#hand(delivery);
      return;
    }
    if (client.status === "end") {
      delivery.command.reject(this.#error("CLOSED", "the client has been closed", delivery));
      return;
    }
    if (this.#waiting.length >= this.#limits.maxQueuedCommands) {
      // Those whose time is up still stand in the queue.
      this.#waiting = this.#waiting.filter(({ command }) => !command.isSettled);
    }
    if (this.#waiting.length >= this.#limits.maxQueuedCommands) {
      const reason = `${this.#waiting.length} commands already wait for node ${this.#name}`;
      delivery.command.reject(this.#error("QUEUE_FULL", `${reason}; it was not sent`, delivery));
      return;
    }
    this.#waiting.push(delivery);
    if (client.status === "wait") client.connect().catch(() => {});
  }

  #hand(delivery: Delivery): void {
    if (delivery.command.isSettled) return;
    delivery.sent = true;
    const promise = this.client.sendCommand(delivery.command);
    // With a subscriber to ioredis' tracing it is another promise than the
    // command's, whose rejection would be nobody's.
    if (promise !== delivery.command.promise && promise instanceof Promise) promise.catch(() => {});
  }

  #flush(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const delivery of waiting) this.#hand(delivery);
  }

  #rejectWaiting(code: "NODE_DOWN" | "CLOSED"): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    const reason =
      code === "CLOSED"
        ? "the client has been closed"
        : `node ${this.#name} cannot be reached${because(this.#lastError)}`;
    for (const delivery of waiting) {
      const message = `${reason}; ${delivery.command.name} was not sent`;
      delivery.command.reject(this.#error(code, message, delivery));
    }
  }

  /** An error of ioredis, known by its class or message, as one of ours. */
  #explain(error: unknown, delivery: Delivery, repliesBefore: number): unknown {
    if (!(error instanceof Error) || error instanceof ShardisError) return error;
    const { command, sent } = delivery;
    if (error.name === "ReplyError") {
      this.#replies++;
      return error;
    }
    if (error.message === "Command timed out") {
      const silent = sent && this.#replies === repliesBefore;
      // Replies come in order: behind one that never comes, none would.
      if (silent && this.client.status === "ready") this.client.disconnect(true);
      const what = sent ? "did not answer" : "could not be reached";
      const outcome = sent ? "it may have run" : "it was not sent";
      const message = `node ${this.#name} ${what} in time: ${command.name} is given up; ${outcome}`;
      return this.#error("TIMEOUT", message, delivery, error);
    }
    if (this.client.status === "end" && !sent) {
      return this.#error("CLOSED", "the client has been closed", delivery, error);
    }
    const message =
      `the connection to node ${this.#name} broke${because(this.#lastError)} before the reply to ` +
      `${command.name} came; it may have run`;
    return this.#error("CONNECTION_LOST", message, delivery, this.#lastError ?? error);
  }

  #error(
    code: "NODE_DOWN" | "TIMEOUT" | "CONNECTION_LOST" | "QUEUE_FULL" | "CLOSED",
    message: string,
    { command, keys, sent }: Delivery,
    cause: unknown = this.#lastError,
  ): ShardisError {
    const details: ErrorDetails = { node: this.#name, command: command.name, keys, sent, cause };
    return new ShardisError(code, message, details);
  }
}

function because(error: Error | undefined): string {
  return error === undefined ? "" : ` (${error.message || error.name})`;
}
