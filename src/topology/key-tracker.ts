/**
 * Tells when keys of a node change, whatever their type, without taking anything
 * from them and without blocking. Redis keeps track of the keys that a client has
 * read, and tells it once of each that has changed: `CLIENT TRACKING`, which is
 * made for caches. What is not there can be tracked too.
 *
 * ioredis hears this only as messages of a channel, which is how Redis tells it in
 * RESP2; and there a connection that listens to a channel cannot read. Hence two.
 *
 * @see https://redis.io/docs/latest/develop/reference/client-side-caching/
 */
import { Command } from "ioredis";
import type { Connection } from "./connection.ts";

const CHANNEL = "__redis__:invalidate";

/** `changed`: the key may have; `lost`: nobody knows, as the connection broke. */
export type KeyNews = "changed" | "lost";

export type KeyListener = (news: KeyNews) => void;

export class KeyTracker {
  /** Reads keys, by which they are tracked. */
  readonly #reader: Connection;
  /** Is told of changes. */
  readonly #receiver: Connection;
  readonly #started: Promise<unknown>;
  /** Who wants to know of a key, by its bytes as text. */
  readonly #listeners = new Map<string, Set<KeyListener>>();

  /** @param connect makes a connection in RESP2 that does not reconnect */
  constructor(connect: () => Connection) {
    this.#reader = connect();
    this.#receiver = connect();
    for (const { client } of [this.#reader, this.#receiver]) {
      client.on("end", () => this.#break());
    }
    // Changed keys; nothing if they all may have, as by FLUSHALL.
    this.#receiver.client.on("messageBuffer", (_: unknown, keys: unknown) => {
      this.#tell(keys, "changed");
    });
    this.#started = this.#start();
    this.#started.catch(() => this.#break());
  }

  /** Whether nothing is told any more. */
  get isBroken(): boolean {
    return this.#reader.isClosed || this.#receiver.isClosed;
  }

  /**
   * Has keys tracked. From when this resolves on, no change goes unnoticed.
   *
   * @param listener is told when any of them may have changed; perhaps more than once
   * @returns what ends it
   * @throws ShardisError as a command to the node would
   */
  async track(keys: readonly (string | Buffer)[], listener: KeyListener): Promise<() => void> {
    const names = keys.map((key) => Buffer.from(key).toString("latin1"));
    const end = () => {
      for (const name of names) this.#forget(name, listener);
    };
    for (const name of names) this.#listen(name, listener);
    try {
      await this.#started;
      await this.#reader.send(new Command("exists", [...keys]), keys);
    } catch (error) {
      end();
      throw error;
    }
    return end;
  }

  async #start(): Promise<void> {
    const id = await this.#receiver.send(new Command("client", ["id"]), []);
    const tracking = ["tracking", "on", "redirect", String(id)];
    await this.#receiver.send(new Command("subscribe", [CHANNEL]), []);
    await this.#reader.send(new Command("client", tracking), []);
  }

  #listen(name: string, listener: KeyListener): void {
    const listeners = this.#listeners.get(name);
    if (listeners === undefined) this.#listeners.set(name, new Set([listener]));
    else listeners.add(listener);
  }

  #forget(name: string, listener: KeyListener): void {
    const listeners = this.#listeners.get(name);
    listeners?.delete(listener);
    if (listeners?.size === 0) this.#listeners.delete(name);
  }

  #tell(keys: unknown, news: KeyNews): void {
    const names = Array.isArray(keys)
      ? keys.map((key) => (Buffer.isBuffer(key) ? key.toString("latin1") : ""))
      : this.#listeners.keys();
    for (const name of names) {
      for (const listener of this.#listeners.get(name) ?? []) listener(news);
    }
  }

  /** One connection is of no use without the other. */
  #break(): void {
    this.#reader.close();
    this.#receiver.close();
    this.#tell(undefined, "lost");
  }
}
