/** One node: its connection, and more of them for what needs one of its own. */
import { Command, type Redis, type RedisOptions } from "ioredis";
import { ShardisError } from "../errors.ts";
import type { Batch } from "../lane/batch.ts";
import { waitOf } from "./blocking.ts";
import { Connection, type ConnectionLimits, type Sendable, type Sender } from "./connection.ts";
import { type KeyListener, KeyTracker } from "./key-tracker.ts";
import { NodeClient } from "./node-client.ts";
import type { ReadNode } from "./node-options.ts";

/** A node, as a user sees it. */
export interface NodeDescription {
  readonly name: string;
  readonly host?: string;
  readonly port?: number;
  readonly path?: string;
  readonly db: number;
  readonly weight?: number;
}

/** Options of every connection that a user's `redisOptions` may replace. */
const DEFAULTS: RedisOptions = {
  connectTimeout: 5000,
  // A server that does not answer would not say goodbye either.
  disconnectTimeout: 100,
  // Up to two seconds, with some chance in it, so that many clients do not
  // come back in step.
  retryStrategy: (times) => Math.min(50 * 2 ** (times - 1), 2000) * (0.75 + Math.random() / 2),
  // What is in flight is rejected as soon as the connection breaks, and never
  // sent again.
  maxRetriesPerRequest: 0,
  autoResendUnfulfilledCommands: false,
};

/** Idle connections that are kept for the next that needs one of its own. */
const MOST_IDLE = 4;

export class Node implements Sender {
  readonly name: string;
  readonly description: NodeDescription;
  readonly connection: Connection;
  /** Called before anything is sent, so that what was to be sent before it can be. */
  beforeSending: (() => void) | undefined;
  /** Why it takes no commands, although it can be reached: it is another node too. */
  refusal: string | undefined;
  readonly #limits: ConnectionLimits;
  /** All connections but the node's own. */
  readonly #others = new Set<Connection>();
  /** Those of them that wait for their next use. */
  readonly #idle: Connection[] = [];
  /** Those of them on which something is isolated. */
  readonly #isolated = new Set<Connection>();
  #tracker: KeyTracker | undefined;

  constructor(node: ReadNode, common: RedisOptions, limits: ConnectionLimits) {
    const options = { ...DEFAULTS, ...common, ...node.redisOptions, lazyConnect: true };
    const client =
      node.url === undefined ? new NodeClient(options) : new NodeClient(node.url, options);
    client.beforeSending = () => this.beforeSending?.();
    this.name = node.name;
    this.connection = new Connection(node.name, client, limits);
    this.description = describeNode(node, client.options);
    this.#limits = limits;
  }

  get client(): Redis {
    return this.connection.client;
  }

  /**
   * Sends a command on the node's connection; one that may wait on the server
   * goes on a connection of its own, as it would hold up all others.
   */
  send(command: Command, keys: readonly unknown[]): Promise<unknown> {
    this.beforeSending?.();
    if (this.refusal !== undefined) return this.#refuse({ command, keys }, this.refusal);
    const wait = waitOf(command);
    if (wait === undefined) return this.connection.send(command, keys);
    return this.#sendBlocking(command, keys, wait);
  }

  /**
   * Another connection to the node, for what needs one of its own: a promise of
   * it settles as soon as the connection fails, or its time is up.
   */
  duplicate(): Redis {
    const { commandTimeout } = this.#limits;
    return this.client.duplicate({ lazyConnect: false, commandTimeout });
  }

  /** Sends commands that do not block one after another, in one write if that can be. */
  sendAll(commands: readonly Sendable[]): Promise<unknown>[] {
    this.beforeSending?.();
    const { refusal } = this;
    if (refusal !== undefined) return commands.map((command) => this.#refuse(command, refusal));
    return this.connection.sendAll(commands);
  }

  /** Whether a batch can be sent now. */
  get takesBatches(): boolean {
    return this.refusal === undefined && this.connection.takesBatches;
  }

  /** Whether replies are due on its connection. */
  get awaitsReplies(): boolean {
    return this.connection.awaitsReplies;
  }

  /** Has the socket gather what is written in this tick: see {@link Connection.gather}. */
  gather(): void {
    this.connection.gather();
  }

  /** Sends a batch, only while the node takes them. */
  sendBatch(batch: Batch): void {
    this.beforeSending?.();
    this.connection.sendBatch(batch);
  }

  /** Whether a command that the server answered so is to be sent again, as the user wants. */
  reactTo(error: Error): boolean {
    return this.connection.reactTo(error);
  }

  /**
   * Sends a command that may wait on the server so that it does not: in a transaction it answers
   * at once, as though its time were up, and in the same form.
   *
   * @see https://redis.io/docs/latest/commands/blpop/#blpop-inside-a-multi--exec-transaction
   */
  async sendUnblocked(command: Command, keys: readonly unknown[]): Promise<unknown> {
    this.beforeSending?.();
    if (this.refusal !== undefined) return this.#refuse({ command, keys }, this.refusal);
    let results: [Error | null, unknown][] | null;
    try {
      results = await this.connection.transact([{ command, keys }]);
    } catch (error) {
      throw refusalOf(error);
    }
    if (results === null) {
      const message = `a WATCH on the connection of node ${this.name} kept ${command.name} from running`;
      throw new ShardisError("CONFLICT", message, { node: this.name, keys, sent: false });
    }
    const [error, reply] = results[0] ?? [null, null];
    if (error !== null) throw error;
    return reply;
  }

  /**
   * Tells when keys may have changed: see {@link KeyTracker.track}.
   *
   * @returns what ends it
   */
  async track(keys: readonly (string | Buffer)[], listener: KeyListener): Promise<() => void> {
    for (;;) {
      // They know why, and say so.
      if (this.connection.isClosed || this.refusal !== undefined) {
        await this.send(new Command("exists"), keys);
      }
      const known = this.#tracker;
      const tracker = known === undefined || known.isBroken ? this.#connectTracker() : known;
      this.#tracker = tracker;
      try {
        return await tracker.track(keys, listener);
      } catch (error) {
        if (!(error instanceof ShardisError) || !tracker.isBroken) throw error;
        const { code } = error;
        if (code === "TIMEOUT") throw error;
        // What broke before, and unnoticed, is no reason to give up.
        if (tracker === known || this.connection.isClosed) continue;
        if (code === "NODE_DOWN") throw error;
        const message = `the connection to node ${this.name} broke`;
        throw new ShardisError("NODE_DOWN", message, { node: this.name, keys, cause: error });
      }
    }
  }

  /** Runs commands as one transaction; null if the server did not run them. */
  async transact(
    commands: readonly Sendable[],
    exec?: Command,
  ): Promise<[Error | null, unknown][] | null> {
    this.beforeSending?.();
    if (this.refusal !== undefined) {
      const keys = commands.flatMap((command) => command.keys);
      await this.#refuse({ command: new Command("exec"), keys }, this.refusal);
    }
    return this.connection.transact(commands, exec);
  }

  /**
   * Runs work on a connection that nobody else uses meanwhile, and on which no
   * key is watched before or after.
   *
   * @param keys for errors
   * @throws ShardisError what `send` does; what the work throws
   */
  async isolate<Result>(
    keys: readonly unknown[],
    work: (connection: Connection) => Promise<Result>,
  ): Promise<Result> {
    this.beforeSending?.();
    // They know why, and say so.
    if (this.connection.isClosed || this.refusal !== undefined) {
      await this.send(new Command("watch"), keys);
    }
    const connection = this.#idle.pop() ?? this.#connectOther();
    this.#isolated.add(connection);
    try {
      return await work(connection);
    } finally {
      this.#isolated.delete(connection);
      // It comes behind all that the work has not waited for.
      connection.send(new Command("unwatch"), []).then(
        () => this.#release(connection),
        () => this.#close(connection),
      );
    }
  }

  async #refuse({ command, keys }: Sendable, refusal: string): Promise<never> {
    const name = command.name.toLowerCase();
    const message = `${name} was not sent: ${refusal}`;
    throw new ShardisError("SAME_SERVER", message, {
      node: this.name,
      command: name,
      keys,
      sent: false,
    });
  }

  async #sendBlocking(command: Command, keys: readonly unknown[], wait: number): Promise<unknown> {
    const start = performance.now();
    // On a connection of its own it would overtake what was sent before it.
    if (this.connection.isBusy) await this.connection.catchUp({ command, keys });
    // It knows why, and says so.
    if (this.connection.isClosed) return this.connection.send(command, keys);
    const connection = this.#idle.pop() ?? this.#connectOther();
    const late = performance.now() - start;
    try {
      const reply = await connection.send(command, keys, wait - late);
      this.#release(connection);
      return reply;
    } catch (error) {
      if (error instanceof Error && error.name === "ReplyError") this.#release(connection);
      // A reply may still be due, which no other command must get.
      else this.#close(connection);
      throw error;
    }
  }

  disconnect(): void {
    this.connection.close();
    for (const connection of this.#others) this.#close(connection);
  }

  /** Closes once all replies have come; commands that block are not waited for. */
  async quit(): Promise<void> {
    const isolated = [...this.#isolated];
    for (const connection of this.#others) {
      if (!this.#isolated.has(connection)) this.#close(connection);
    }
    await Promise.all([this.connection, ...isolated].map((connection) => connection.quit()));
  }

  #connectTracker(): KeyTracker {
    const options = { protocol: 2, replyMapping: "legacy" } as const;
    return new KeyTracker(() => this.#connectOther(options));
  }

  #connectOther(options: RedisOptions = {}): Connection {
    const client = this.client.duplicate({
      ...options,
      lazyConnect: true,
      commandTimeout: undefined,
      // Whoever needs another makes one.
      retryStrategy: () => null,
    });
    // Whoever needs one always waits for it.
    const limits = { ...this.#limits, maxQueuedCommands: Number.POSITIVE_INFINITY };
    const connection = new Connection(this.name, client, limits);
    client.on("end", () => this.#forget(connection));
    this.#others.add(connection);
    return connection;
  }

  #release(connection: Connection): void {
    if (this.#idle.length < MOST_IDLE && this.#others.has(connection)) {
      this.#idle.push(connection);
    } else {
      this.#close(connection);
    }
  }

  #close(connection: Connection): void {
    this.#forget(connection);
    connection.close();
  }

  #forget(connection: Connection): void {
    this.#others.delete(connection);
    const index = this.#idle.indexOf(connection);
    if (index !== -1) this.#idle.splice(index, 1);
  }
}

/** What a server refused when it was to be queued, for which EXEC only says that it was. */
function refusalOf(error: unknown): unknown {
  if (!(error instanceof Error) || !("previousErrors" in error)) return error;
  const { previousErrors } = error;
  return (Array.isArray(previousErrors) && previousErrors[0]) || error;
}

function describeNode(node: ReadNode, options: RedisOptions): NodeDescription {
  const address =
    "path" in options && options.path
      ? { path: options.path }
      : { host: options.host ?? "localhost", port: options.port ?? 6379 };
  return {
    name: node.name,
    ...(node.redisOptions.sentinels ? {} : address),
    db: options.db ?? 0,
    ...(node.weight === undefined ? {} : { weight: node.weight }),
  };
}
