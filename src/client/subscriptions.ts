/**
 * Publish and subscribe over nodes. A channel belongs to the node that its name
 * is placed on, so that who publishes meets who subscribes; a pattern is
 * subscribed to on every node. Subscriptions have connections of their own: the
 * client goes on taking commands, which ioredis' does not.
 */
import { type EventEmitter, on } from "node:events";
import type { Redis } from "ioredis";
import { type Argument, withPrefix } from "../commands/arguments.ts";
import { failureOf } from "../commands/merge.ts";
import type { Territory } from "../commands/request.ts";
import { type NodeFailure, PartialFailureError } from "../errors.ts";
import { checkKey } from "../keys.ts";
import type { Node } from "../topology/node.ts";

/** An event of the key space of a node, as Redis tells it if `notify-keyspace-events` is set. */
export interface KeyspaceEvent {
  /** The name of the node. */
  readonly node: string;
  /** Such as `__keyevent@0__:expired`. */
  readonly channel: string;
  /** For key events the key, for key-space events the event. */
  readonly message: string;
}

/** The three kinds of subscription, by the letter that their commands begin with. */
type Kind = "" | "p" | "s";

interface Words {
  readonly kind: Kind;
  readonly ends: boolean;
}

/** What each command does. */
const COMMANDS: Readonly<Record<string, Words>> = {
  subscribe: { kind: "", ends: false },
  psubscribe: { kind: "p", ends: false },
  ssubscribe: { kind: "s", ends: false },
  unsubscribe: { kind: "", ends: true },
  punsubscribe: { kind: "p", ends: true },
  sunsubscribe: { kind: "s", ends: true },
};

export class Subscriptions {
  readonly #nodes: readonly Node[];
  readonly #territory: Territory;
  readonly #client: EventEmitter;
  readonly #connections = new Map<Node, Redis>();
  /** Names by their bytes as text, so that equal ones are one. */
  readonly #names: Readonly<Record<Kind, Map<string, string | Buffer>>> = {
    "": new Map(),
    p: new Map(),
    s: new Map(),
  };

  constructor(nodes: readonly Node[], territory: Territory, client: EventEmitter) {
    this.#nodes = nodes;
    this.#territory = territory;
    this.#client = client;
  }

  /**
   * Carries out one of the commands that subscribe and unsubscribe.
   *
   * @param args names; for those that unsubscribe none are all
   * @returns how many channels and patterns are subscribed to then, as Redis does
   */
  async run(command: string, args: readonly Argument[]): Promise<number> {
    const { kind, ends } = COMMANDS[command] ?? { kind: "", ends: true };
    const known = this.#names[kind];
    const names = ends && args.length === 0 ? [...known.values()] : args.map(toName);
    const byNode = new Map<Node, (string | Buffer)[]>();
    for (const name of names) {
      for (const node of this.#nodesOf(kind, name)) {
        byNode.set(node, [...(byNode.get(node) ?? []), name]);
      }
    }
    const parts = [...byNode];
    const settled = await Promise.allSettled(
      parts.map(([node, group]) => this.#connection(node).call(command, group)),
    );
    const failures = new Map<string, NodeFailure>();
    for (const [index, [node, group]] of parts.entries()) {
      const result = settled[index];
      if (result?.status === "rejected") {
        failures.set(node.name, failureOf(result.reason, group));
        continue;
      }
      for (const name of group) {
        if (ends) known.delete(idOf(name));
        else known.set(idOf(name), name);
      }
    }
    const count = kind === "s" ? known.size : this.#names[""].size + this.#names.p.size;
    if (failures.size > 0) throw new PartialFailureError(command, count, failures, []);
    return count;
  }

  /** The events of all nodes that match a pattern, until the loop over them ends. */
  async *keyspaceEvents(pattern: string, signal?: AbortSignal): AsyncGenerator<KeyspaceEvent> {
    const connections = this.#nodes.map((node) => node.duplicate());
    try {
      const [first] = connections;
      if (first === undefined) return;
      for (const [index, connection] of connections.entries()) {
        const node = this.#nodes[index]?.name ?? "";
        connection.on("error", (error) => this.#client.emit("node error", error, node));
        connection.on("pmessage", (_, channel, message) =>
          first.emit("keyspace event", { node, channel, message }),
        );
      }
      const events = on(first, "keyspace event", signal === undefined ? {} : { signal });
      await Promise.all(connections.map((connection) => connection.psubscribe(pattern)));
      for await (const [event] of events) yield event;
    } finally {
      for (const connection of connections) connection.disconnect();
    }
  }

  /** Closes the connections; no messages come from then on. */
  close(): void {
    for (const connection of this.#connections.values()) connection.disconnect();
    this.#connections.clear();
    for (const names of Object.values(this.#names)) names.clear();
  }

  #nodesOf(kind: Kind, name: string | Buffer): readonly Node[] {
    if (kind === "p") return this.#nodes;
    // Shard channels are keys to Redis, and have the prefix of keys.
    const { placement, prefix } = this.#territory;
    const placed = kind === "s" ? withPrefix(prefix, name) : name;
    const node = this.#nodes[placement.indexFor(placed)];
    return node === undefined ? [] : [node];
  }

  #connection(node: Node): Redis {
    const known = this.#connections.get(node);
    if (known !== undefined) return known;
    const connection = node.duplicate();
    this.#connections.set(node, connection);
    connection.on("error", (error) => this.#client.emit("node error", error, node.name));
    for (const event of ["message", "pmessage", "smessage"]) {
      connection.on(`${event}Buffer`, (...args: (Buffer | string)[]) => {
        this.#client.emit(`${event}Buffer`, ...args);
        if (this.#client.listenerCount(event) > 0) this.#client.emit(event, ...args.map(String));
      });
    }
    return connection;
  }
}

function toName(argument: Argument): string | Buffer {
  const name = checkKey(argument);
  return typeof name === "string" ? name : Buffer.from(name);
}

function idOf(name: string | Buffer): string {
  return Buffer.from(name).toString("latin1");
}
