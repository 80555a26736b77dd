/** What is said of commands that a node did not answer. */
import { type ErrorCode, ShardisError } from "../errors.ts";

/** What an error says of the command that it is about. */
export interface Described {
  readonly name: string;
  /** As the user gave them. */
  readonly keys: readonly unknown[];
  /** Whether it may have run. */
  readonly sent: boolean;
}

/** Why a command was not sent. */
export type UnsentCode = "NODE_DOWN" | "QUEUE_FULL" | "CLOSED" | "TIMEOUT";

/** What a command is rejected with that its user has called off, for a cause. */
export const CALLED_OFF = "Command called off";

/** The errors of the commands of a node. */
export class CommandErrors {
  readonly #node: string;
  /** What its connection failed of last. */
  readonly #reason: () => Error | undefined;

  constructor(node: string, reason: () => Error | undefined) {
    this.#node = node;
    this.#reason = reason;
  }

  /** @param waiting how many commands wait for the node */
  unsent(code: UnsentCode, waiting: number, command: Described): ShardisError {
    const why = {
      NODE_DOWN: `node ${this.#node} cannot be reached${this.#because}`,
      QUEUE_FULL: `${waiting} commands already wait for node ${this.#node}`,
      CLOSED: "the client has been closed",
      TIMEOUT: `node ${this.#node} did not answer in time${this.#because}`,
    }[code];
    return this.#make(code, `${why}; ${command.name} was not sent`, command, this.#reason());
  }

  timedOut(command: Described, cause: Error): ShardisError {
    const what = command.sent ? "did not answer" : `could not be reached${this.#because}`;
    const outcome = command.sent ? "it may have run" : "it was not sent";
    const message = `node ${this.#node} ${what} in time: ${command.name} is given up; ${outcome}`;
    return this.#make("TIMEOUT", message, command, cause);
  }

  calledOff(command: Described, { cause }: Error): ShardisError {
    const outcome = command.sent ? "it may have run" : "it was not sent";
    const message = `${command.name} to node ${this.#node} was called off by its signal; ${outcome}`;
    return this.#make("ABORTED", message, command, cause);
  }

  lost(command: Described, cause: Error): ShardisError {
    const message =
      `the connection to node ${this.#node} broke${this.#because} before the reply to ` +
      `${command.name} came; it may have run`;
    return this.#make("CONNECTION_LOST", message, command, this.#reason() ?? cause);
  }

  /** It could not be written as one string, which has a longest length. */
  unwritable(command: Described, cause: unknown): ShardisError {
    const message = `${command.name} cannot be sent${because(cause)}`;
    return this.#make("BAD_ARGUMENT", message, command, cause);
  }

  /** ioredis did not send it, as its user has subscribed in RESP2. */
  beforeSubscriber(command: Described, cause: Error): ShardisError {
    const message =
      `${command.name} was not sent: in RESP2 node ${this.#node} takes nothing but subscriptions ` +
      "while its client has any; use redis.subscribe, or redis.node(name).duplicate()";
    return this.#make("UNSUPPORTED", message, { ...command, sent: false }, cause);
  }

  get #because(): string {
    return because(this.#reason());
  }

  #make(
    code: ErrorCode,
    message: string,
    { name, keys, sent }: Described,
    cause: unknown,
  ): ShardisError {
    const command = name.toLowerCase();
    return new ShardisError(code, message, { node: this.#node, command, keys, sent, cause });
  }
}

function because(error: unknown): string {
  return error instanceof Error ? ` (${error.message || error.name})` : "";
}
