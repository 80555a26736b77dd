/** The status of a client, made of those of its nodes. */
import { type EventEmitter, once } from "node:events";
import { Command } from "ioredis";
import { ShardisError } from "../errors.ts";
import type { Node } from "../topology/node.ts";

/** As in ioredis. `ready` is a client of which at least one node is. */
export type ShardedRedisStatus =
  | "wait"
  | "connecting"
  | "connect"
  | "ready"
  | "close"
  | "reconnecting"
  | "end";

/** What each status says in events, as ioredis says it. */
const EVENTS: Readonly<Record<ShardedRedisStatus, readonly string[]>> = {
  wait: ["wait"],
  connecting: ["connecting"],
  connect: ["connect"],
  ready: ["connect", "ready"],
  close: ["close"],
  reconnecting: ["close", "reconnecting"],
  end: ["close", "end"],
};

/**
 * Watches the nodes of a client and tells in its name what becomes of them:
 * ioredis' events for all of them; `+node` and `-node` with the name of one that
 * can be used, or no longer; and `node error` with the error and the name.
 */
export class Lifecycle {
  readonly #nodes: readonly Node[];
  readonly #client: EventEmitter;
  /** Nodes that have not yet been tried. */
  readonly #untried: Set<Node>;
  /** Nodes of which `+node` has told. */
  readonly #up = new Set<Node>();
  readonly #identities = new Map<Node, Promise<void>>();
  /** The server and the database that each node has last been seen to be. */
  readonly #databases = new Map<Node, string>();
  /** The status of which events have told. */
  #told: ShardedRedisStatus = "wait";

  constructor(nodes: readonly Node[], client: EventEmitter) {
    this.#nodes = nodes;
    this.#client = client;
    this.#untried = new Set(nodes);
    for (const node of nodes) this.#watch(node);
  }

  get status(): ShardedRedisStatus {
    const statuses = this.#nodes.map(({ client }) => client.status);
    if (statuses.every((status) => status === "end")) return "end";
    if (statuses.every((status) => status === "wait")) return "wait";
    const isTrying = [...this.#untried].some(({ client }) => client.status !== "wait");
    // Once one can be used, it does not matter that others are still being tried.
    if (isTrying && this.#told !== "ready") return "connecting";
    return statuses.includes("ready") ? "ready" : "reconnecting";
  }

  /**
   * Connects what is not connected, and waits until every node has been.
   *
   * @throws ShardisError `NODE_DOWN` if one could not be reached; it is tried
   *   again all the same. `SAME_SERVER` if two are one.
   */
  async connect(): Promise<void> {
    if (this.status === "end") for (const node of this.#nodes) this.#untried.add(node);
    const outcomes = await Promise.allSettled(this.#nodes.map((node) => this.#connectNode(node)));
    const down = this.#nodes.filter((_, index) => outcomes[index]?.status === "rejected");
    const [first] = down;
    if (first !== undefined) {
      const reasons = down.map(
        ({ name, connection }) => `${name} (${connection.lastError?.message ?? "closed"})`,
      );
      throw new ShardisError("NODE_DOWN", `cannot be reached: ${reasons.join(", ")}`, {
        node: first.name,
        cause: first.connection.lastError,
      });
    }
    await Promise.all(this.#identities.values());
    const refused = this.#nodes.find(({ refusal }) => refusal !== undefined);
    if (refused?.refusal !== undefined) throw sameServer(refused.name, refused.refusal);
  }

  async #connectNode({ client, connection }: Node): Promise<void> {
    // One that is being closed says until then that it is ready.
    if (connection.isClosed && client.status !== "end") await once(client, "end");
    if (client.status === "ready") return;
    if (["wait", "close", "end"].includes(client.status)) return client.connect();
    // It is being tried, or will be: ioredis cannot be told to do so sooner without a second
    // attempt beside its own.
    return new Promise((resolve, reject) => {
      const settle = (error?: Error) => {
        client.off("ready", settle);
        client.off("close", fail);
        if (error === undefined) resolve();
        else reject(error);
      };
      const fail = () => settle(new Error("closed"));
      client.once("ready", settle);
      client.once("close", fail);
    });
  }

  #watch(node: Node): void {
    const { client, name } = node;
    client.on("error", (error: Error) => {
      this.#client.emit("node error", error, name);
      this.#report(error);
    });
    client.on("ready", () => {
      this.#untried.delete(node);
      this.#up.add(node);
      this.#identities.set(node, this.#identify(node));
      this.#client.emit("+node", name);
      this.#update();
    });
    client.on("close", () => {
      this.#untried.delete(node);
      if (this.#up.delete(node)) this.#client.emit("-node", name);
      this.#update();
    });
    for (const event of ["connecting", "reconnecting", "end"]) {
      client.on(event, () => this.#update());
    }
  }

  #update(): void {
    const { status } = this;
    if (status === this.#told) return;
    this.#told = status;
    for (const event of EVENTS[status]) this.#client.emit(event);
  }

  /** Asks a node which server it is: under another name it may be a node already. */
  async #identify(node: Node): Promise<void> {
    let info: string;
    try {
      const command = new Command("info", ["server"], { replyEncoding: "utf8" });
      // A node that is refused is asked too: it may be another server by now.
      info = String(await node.connection.send(command, []));
    } catch {
      // Gone again, or a user who may not ask: then nobody can know.
      return;
    }
    const runId = /^run_id:(\w+)/m.exec(info)?.[1];
    if (runId === undefined) return;
    this.#databases.set(node, `${runId}/${node.description.db}`);
    const wasRefused = node.refusal !== undefined;
    this.#refuseAliases();
    if (node.refusal === undefined || wasRefused) return;
    const error = sameServer(node.name, node.refusal);
    if (!this.#report(error)) process.emitWarning(error);
  }

  /**
   * Nodes that are one database take no commands: every key would be counted,
   * listed and flushed twice, and what is written to one of them may have been
   * meant for a server of its own.
   */
  #refuseAliases(): void {
    for (const node of this.#nodes) {
      const database = this.#databases.get(node);
      const alias =
        database === undefined
          ? undefined
          : this.#nodes.find((other) => other !== node && this.#databases.get(other) === database);
      node.refusal =
        alias &&
        `nodes ${node.name} and ${alias.name} are the same database of one server: every key would ` +
          "be counted and flushed twice; give each node a server or a db of its own";
    }
  }

  /** As ioredis, whose `error` without a listener is not thrown. */
  #report(error: Error): boolean {
    return this.#client.listenerCount("error") > 0 && this.#client.emit("error", error);
  }
}

function sameServer(node: string, message: string): ShardisError {
  return new ShardisError("SAME_SERVER", message, { node });
}
