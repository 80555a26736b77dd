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
import { Command, Pipeline, type Redis, type RedisOptions } from "ioredis";
import { ShardisError } from "../errors.ts";
import { type Batch, BatchCommand } from "../lane/batch.ts";
import { Wire } from "../lane/wire.ts";
import { CALLED_OFF, CommandErrors, type Described, type UnsentCode } from "./command-errors.ts";
import { Deadlines } from "./deadlines.ts";

/** What bounds the commands of a connection. */
export interface ConnectionLimits {
  /** In how many milliseconds every command settles. */
  readonly commandTimeout: number;
  /** How many commands may wait for the connection. */
  readonly maxQueuedCommands: number;
  /** Whether it may take batches. */
  readonly autoBatch: boolean;
}

/** A command to be sent. */
export interface Sendable {
  readonly command: Command;
  /** Its keys as the user gave them, for errors. */
  readonly keys: readonly unknown[];
}

/** What commands are sent on. */
export interface Sender {
  send(command: Command, keys: readonly unknown[]): Promise<unknown>;
  /** Sends commands one after another, in one write if that can be; each settles as from `send`. */
  sendAll(commands: readonly Sendable[]): Promise<unknown>[];
  /** @param exec stands for the transaction: if it is rejected before that is sent, it is not sent */
  transact(
    commands: readonly Sendable[],
    exec?: Command,
  ): Promise<[Error | null, unknown][] | null>;
}

/** A command on its way. */
interface Delivery extends Sendable {
  /** Whether it has been handed to the socket: from then on it may have run. */
  sent: boolean;
}

/** What ioredis says of a command whose time is up. */
const TIMED_OUT = "Command timed out";

/** What ioredis says of a command that it does not send, as its user has subscribed in RESP2. */
const SUBSCRIBER = "Connection in subscriber mode, only subscriber commands may be used";

/** In milliseconds; a longer one would end at once. */
const LONGEST_TIMER = 2 ** 31 - 1;

export class Connection implements Sender {
  readonly client: Redis;
  readonly #errors: CommandErrors;
  readonly #limits: ConnectionLimits;
  /** Commands that wait for the connection, in their order. */
  readonly #waiting = new Set<Delivery>();
  #stage: "open" | "quitting" | "closed" = "open";
  /** Whether the connection that closes had been ready: if not, the attempt to connect failed. */
  #wasReady = false;
  #handshake: NodeJS.Timeout | undefined;
  /** The socket that gathers what is written in this tick. */
  #gathering: Redis["stream"] | undefined;
  /** Counts replies that ioredis got. */
  #replies = 0;
  /** How many commands, and batches, have not settled. */
  #unsettled = 0;
  #lastError: Error | undefined;
  #wire: Wire | undefined;
  readonly #deadlines: Deadlines;

  /**
   * @param name the name of the node, for errors
   * @param client not connected, and with `maxRetriesPerRequest: 0`, by which
   *   ioredis rejects what is in flight as soon as the connection breaks
   */
  constructor(name: string, client: Redis, limits: ConnectionLimits) {
    this.#errors = new CommandErrors(name, () => this.#lastError);
    this.client = client;
    this.#limits = limits;
    this.#deadlines = new Deadlines(limits.commandTimeout, (command) =>
      command.reject(new Error(TIMED_OUT)),
    );
    client.on("error", (error: Error) => {
      hideArguments(error);
      if (this.#stage !== "closed") this.#lastError = error;
      // ioredis would go on in database 0.
      if (isAbout("select", error)) client.disconnect(true);
    });
    // Events come a tick late: only the status says what holds now.
    client.on("connect", () => {
      if (client.status !== "connect") return;
      this.#limitHandshake();
      if (limits.autoBatch && canBatch(client.options)) this.#wire = new Wire(client);
    });
    client.on("ready", () => {
      clearTimeout(this.#handshake);
      this.#lastError = undefined;
      this.#wasReady = true;
      this.#flush();
    });
    client.on("close", () => {
      clearTimeout(this.#handshake);
      if (this.#stage !== "closed") this.#lastError ??= new Error("the connection was closed");
      if (client.status === "reconnecting" && !this.#wasReady) this.#rejectWaiting();
      this.#wasReady = false;
    });
    client.on("end", () => {
      if (client.status === "end") this.#rejectWaiting();
      this.#stage = "open";
    });
  }

  /** Why the node could not be reached when that was last tried. */
  get lastError(): Error | undefined {
    return this.#lastError;
  }

  /** Whether no command will be sent until it is connected again by hand. */
  get isClosed(): boolean {
    return this.#stage !== "open" || this.client.status === "end";
  }

  /** Whether replies are due to commands that have been sent, or will be. */
  get isBusy(): boolean {
    return this.#unsettled > 0;
  }

  /**
   * Sends a command, now or when the connection is there.
   *
   * @param keys its keys as the user gave them, for errors
   * @param wait how many milliseconds the server may take longer than usual,
   *   because the command blocks
   * @throws ShardisError (as a rejection) `NODE_DOWN`, `TIMEOUT`,
   *   `CONNECTION_LOST`, `QUEUE_FULL`, `CLOSED` or `BAD_ARGUMENT`; or the error
   *   that the server answered
   */
  send(command: Command, keys: readonly unknown[], wait = 0): Promise<unknown> {
    const delivery = { command, keys, sent: false };
    const promise = this.#settle(delivery, wait);
    this.#dispatch(delivery);
    if (wait > 0 && !delivery.sent) this.#limitWaiting(delivery);
    return promise;
  }

  sendAll(commands: readonly Sendable[]): Promise<unknown>[] {
    const deliveries = commands.map((sendable) => ({ ...sendable, sent: false }));
    const promises = deliveries.map((delivery) => this.#settle(delivery, 0));
    if (this.#waiting.size === 0 && !this.isClosed && this.#isWritable) {
      const pipeline = new Pipeline(this.client);
      for (const delivery of deliveries) {
        delivery.sent = true;
        pipeline.sendCommand(delivery.command);
      }
      pipeline.exec().catch(() => {});
    } else {
      for (const delivery of deliveries) this.#dispatch(delivery);
    }
    return promises;
  }

  /** Whether the server has been sent what it has not answered yet, as of the last bytes from it. */
  get awaitsReplies(): boolean {
    return this.client.commandQueue.length > 0;
  }

  /** Whether a batch can be sent, which waits for nothing. */
  get takesBatches(): boolean {
    const isOpen = this.#waiting.size === 0 && !this.isClosed && this.#isWritable;
    return isOpen && this.#wire?.isOf(this.client) === true && this.client.mode === "normal";
  }

  /**
   * Sends a batch, each of whose commands settles as from `send`.
   *
   * @param batch only while `takesBatches`
   */
  sendBatch(batch: Batch): void {
    const command = new BatchCommand(batch);
    const heard = this.#heard;
    this.#unsettled++;
    command.promise.then(
      () => {
        this.#unsettled--;
        this.#replies++;
        this.#deadlines.forget();
      },
      (error) => {
        this.#unsettled--;
        this.#deadlines.forget();
        const isSilent = this.#heard === heard;
        batch.fail((name, keys) => this.#explain(error, { name, keys, sent: true }, isSilent));
      },
    );
    this.#deadlines.start(command);
    this.#wire?.send(command);
  }

  /**
   * Whether a user's `reconnectOnError` wants a command sent again, of which the
   * server answered an error; reconnects if it says so, as ioredis does.
   */
  reactTo(error: Error): boolean {
    const wish = this.#askUser(error);
    if (!wish) return false;
    if (this.client.status !== "reconnecting") this.client.disconnect(true);
    return wish === 2;
  }

  #askUser(error: Error): boolean | 1 | 2 {
    try {
      return this.client.options.reconnectOnError?.(error) ?? false;
    } catch (fault) {
      // As in ioredis: on a tick of its own, as it is nobody's here.
      process.nextTick(() => {
        throw fault;
      });
      return false;
    }
  }

  async transact(
    commands: readonly Sendable[],
    exec = new Command("exec"),
  ): Promise<[Error | null, unknown][] | null> {
    const keys = commands.flatMap((command) => command.keys);
    const delivery = { command: exec, keys, sent: false };
    const settled = this.#settle(delivery, 0);
    // If it has been given up before, these answer with its own promise, which is handled above.
    this.#sendTransaction(commands, delivery)
      .then(exec.resolve, exec.reject)
      .catch(() => {});
    const results = await settled;
    return Array.isArray(results) ? results : null;
  }

  async #sendTransaction(commands: readonly Sendable[], delivery: Delivery): Promise<unknown> {
    // Behind what waits, and with its bounds.
    if (this.isClosed || !this.#isWritable || this.#waiting.size > 0) await this.catchUp(delivery);
    if (delivery.command.isSettled) return null;
    const pipeline = this.client.multi();
    if (!(pipeline instanceof Pipeline)) throw new TypeError("ioredis has other transactions");
    for (const { command } of commands) pipeline.sendCommand(command);
    delivery.sent = true;
    return pipeline.exec();
  }

  /**
   * Waits until the connection is there, and what was sent before has been answered.
   *
   * @param next what shall be sent then
   * @throws ShardisError `NODE_DOWN`, `TIMEOUT`, `QUEUE_FULL` or `CLOSED`, with the name of `next`
   */
  async catchUp(next: Sendable): Promise<void> {
    try {
      await this.send(new Command("ping"), next.keys);
    } catch (error) {
      // A server that refuses it has answered too.
      if (!(error instanceof ShardisError)) return;
      const { code } = error;
      const isOwn = code === "CLOSED" || code === "QUEUE_FULL" || code === "TIMEOUT";
      throw this.#unsent(isOwn ? code : "NODE_DOWN", { ...next, sent: false });
    }
  }

  /** What becomes of a command: its reply, or an error of ours or of the server. */
  #settle(delivery: Delivery, wait: number): Promise<unknown> {
    const { command } = delivery;
    const heard = this.#heard;
    this.#unsettled++;
    const promise = command.promise.then(
      (reply) => {
        this.#unsettled--;
        this.#replies++;
        this.#deadlines.forget();
        return reply;
      },
      (error) => {
        this.#unsettled--;
        this.#deadlines.forget();
        this.#waiting.delete(delivery);
        const isSilent = delivery.sent && this.#heard === heard;
        throw this.#explain(error, describe(delivery), isSilent);
      },
    );
    if (wait === 0) {
      this.#deadlines.start(command);
    } else if (wait < Number.POSITIVE_INFINITY) {
      command.setTimeout(Math.min(wait + this.#limits.commandTimeout, LONGEST_TIMER));
    }
    return promise;
  }

  /** Closes at once: rejects what waits or is in flight, and refuses what comes. */
  close(): Promise<void> {
    const { client } = this;
    this.#lastError = undefined;
    if (client.status === "end") return Promise.resolve();
    this.#stage = "closed";
    this.#rejectWaiting();
    const ended = new Promise<void>((resolve) => client.once("end", () => resolve()));
    // A connection that is only just being made has no socket yet: told now, ioredis would end
    // without the event, and after a later connect() not reconnect.
    if (client.status === "connecting") setImmediate(() => this.#disconnect());
    else this.#disconnect();
    return ended;
  }

  /** Refuses what comes, and closes once what came before has settled. */
  async quit(): Promise<void> {
    if (this.#stage === "open" && (this.#isWritable || this.#waiting.size > 0)) {
      const settled = this.send(new Command("quit"), []).catch(() => {});
      this.#stage = "quitting";
      await settled;
    }
    await this.close();
  }

  /** Counts replies, so that a silent server can be told from a slow command. */
  get #heard(): number {
    return this.#replies + (this.#wire?.replies ?? 0);
  }

  /** A connection that has been given up stays "ready" until its socket has closed. */
  get #isWritable(): boolean {
    return this.client.status === "ready" && this.client.stream.writable;
  }

  #dispatch(delivery: Delivery): void {
    const { client } = this;
    if (this.isClosed) {
      const isDown = this.#stage === "open" && this.#lastError !== undefined;
      delivery.command.reject(this.#unsent(isDown ? "NODE_DOWN" : "CLOSED", delivery));
    } else if (this.#waiting.size === 0 && this.#isWritable) {
      this.#hand(delivery);
    } else if (this.#waiting.size >= this.#limits.maxQueuedCommands) {
      delivery.command.reject(this.#unsent("QUEUE_FULL", delivery));
    } else {
      this.#waiting.add(delivery);
      if (client.status === "wait") client.connect().catch(() => {});
    }
  }

  #hand(delivery: Delivery): void {
    const { command } = delivery;
    if (command.isSettled) return;
    this.gather();
    try {
      const promise = this.client.sendCommand(command);
      delivery.sent = true;
      // With a subscriber to ioredis' tracing it is another promise than the
      // command's, whose rejection would be nobody's.
      if (promise !== command.promise && promise instanceof Promise) promise.catch(() => {});
    } catch (error) {
      command.reject(this.#errors.unwritable(describe(delivery), error));
    }
  }

  /**
   * Has the socket gather what is written in this tick: a thousand commands are
   * then one system call, and wake the server once.
   */
  gather(): void {
    const { stream } = this.client;
    if (stream === this.#gathering) return;
    this.#gathering = stream;
    stream.cork();
    process.nextTick(() => {
      this.#gathering = undefined;
      stream.uncork();
    });
  }

  #flush(): void {
    for (const delivery of this.#waiting) {
      if (!this.#isWritable) return;
      // Until it has been handed over, what is sent meanwhile waits behind it.
      this.#hand(delivery);
      this.#waiting.delete(delivery);
    }
  }

  #rejectWaiting(): void {
    const isDown = this.#stage !== "closed" && this.#lastError !== undefined;
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const delivery of waiting) {
      delivery.command.reject(this.#unsent(isDown ? "NODE_DOWN" : "CLOSED", delivery));
    }
  }

  /** For a command whose own time-out is longer than it may wait for the connection, or none. */
  #limitWaiting(delivery: Delivery): void {
    const giveUp = () => {
      if (this.#waiting.has(delivery)) delivery.command.reject(new Error(TIMED_OUT));
    };
    setTimeout(giveUp, this.#limits.commandTimeout).unref();
  }

  /** ioredis limits the time until the socket is connected, but not until the server has answered. */
  #limitHandshake(): void {
    const limit = this.client.options.connectTimeout || this.#limits.commandTimeout;
    clearTimeout(this.#handshake);
    this.#handshake = setTimeout(() => this.#giveUp(`not ready in ${limit} ms`), limit);
  }

  /** Closes a connection on which nothing comes, so that another is made. */
  #giveUp(reason: string): void {
    const error = new Error(reason);
    this.#lastError = error;
    this.client.disconnect(true);
    // A listener that throws is not to spoil what goes on here.
    process.nextTick(() => this.client.emit("error", error));
  }

  #disconnect(): void {
    const { client } = this;
    if (client.status === "end") return;
    // Between two attempts ioredis drops the next one, but never says that it has ended.
    if (client.status === "reconnecting") client.status = "wait";
    client.disconnect();
  }

  /**
   * An error of ioredis, known by its class or message, as one of ours.
   *
   * @param isSilent whether the server has answered nothing since the command was sent
   */
  #explain(error: unknown, command: Described, isSilent: boolean): unknown {
    if (!(error instanceof Error) || error instanceof ShardisError) return error;
    if (error.name === "ReplyError") {
      this.#replies++;
      return error;
    }
    if (error.message === TIMED_OUT) {
      // Replies come in order: behind one that never comes, none would.
      if (isSilent && this.#isWritable) {
        this.#giveUp(`no reply in ${this.#limits.commandTimeout} ms`);
      }
      return this.#errors.timedOut(command, error);
    }
    if (error.message === CALLED_OFF) return this.#errors.calledOff(command, error);
    if (error.message === SUBSCRIBER) return this.#errors.beforeSubscriber(command, error);
    return this.#errors.lost(command, error);
  }

  #unsent(code: UnsentCode, delivery: Delivery): ShardisError {
    return this.#errors.unsent(code, this.#waiting.size, describe(delivery));
  }
}

function describe({ command, keys, sent }: Delivery): Described {
  return { name: command.name, keys, sent };
}

/**
 * Whether batches give what ioredis would: replies in another shape they do not,
 * and they are not sent again, if a user wants that, after a part has been answered.
 */
function canBatch(options: RedisOptions): boolean {
  const { replyMapping, stringNumbers, autoResendUnfulfilledCommands } = options;
  return replyMapping !== "resp3" && !stringNumbers && !autoResendUnfulfilledCommands;
}

/** What failed while a connection was made may be AUTH: its arguments are nobody's business. */
function hideArguments(error: Error): void {
  if (!("command" in error)) return;
  const { command } = error;
  if (typeof command === "object" && command !== null && "args" in command) command.args = [];
}

/** Whether the server answered this to a command of a name. */
function isAbout(name: string, error: Error): boolean {
  if (!("command" in error)) return false;
  const { command } = error;
  return (
    typeof command === "object" && command !== null && "name" in command && command.name === name
  );
}
