/** Proxies in front of servers that let a given number of commands through, and then none. */
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

/** Commands by which a client makes itself known, which do not count. */
const HANDSHAKE = /^(client|hello|info|ping|select|quit|eval_ro|command)$/i;

/**
 * Counts the commands to several servers. After a number of them the gate
 * closes: the last one has been run by its server, whose reply is not passed on,
 * and nothing more passes in either direction.
 */
export class Gate {
  readonly ports: readonly number[];
  /** The names of the commands that passed. */
  readonly passed: string[] = [];
  /** Resolves when the last command has been run. */
  readonly closed: Promise<void>;
  readonly #limit: number;
  readonly #stop: () => void;
  readonly #close: () => void;
  #isClosed = false;

  static async open(targets: readonly number[], limit: number): Promise<Gate> {
    const sockets = new Set<Socket>();
    let gate: Gate | undefined;
    const servers = await Promise.all(
      targets.map(async (target) => {
        const server = createServer((client) => gate?.join(client, connect(target, "127.0.0.1")));
        server.on("connection", (socket) => sockets.add(socket));
        server.listen(0, "127.0.0.1");
        await once(server, "listening");
        return server;
      }),
    );
    const ports = servers.map((server) => portOf(server.address()));
    gate = new Gate(ports, limit, () => {
      for (const server of servers) server.close();
      for (const socket of sockets) socket.destroy();
    });
    return gate;
  }

  private constructor(ports: readonly number[], limit: number, stop: () => void) {
    this.ports = ports;
    this.#limit = limit;
    this.#stop = stop;
    let close = () => {};
    this.closed = new Promise((resolve) => {
      close = resolve;
    });
    this.#close = close;
  }

  stop(): void {
    this.#isClosed = true;
    this.#stop();
  }

  join(client: Socket, server: Socket): void {
    let pending = Buffer.alloc(0);
    /** Whether the reply that comes next is that of the last command. */
    let isLast = false;
    client.on("data", (chunk) => {
      pending = Buffer.concat([pending, chunk]);
      for (;;) {
        const command = readCommand(pending);
        if (command === undefined || this.#isClosed) return;
        const bytes = pending.subarray(0, command.length);
        pending = pending.subarray(command.length);
        if (!HANDSHAKE.test(command.name)) {
          if (this.passed.length === this.#limit) {
            this.#isClosed = true;
            this.#close();
            return;
          }
          this.passed.push(command.name);
          if (this.passed.length === this.#limit) {
            isLast = true;
            this.#isClosed = true;
          }
        }
        server.write(bytes);
      }
    });
    server.on("data", (chunk) => {
      // What was under way when the gate closed may still arrive, or not.
      if (!this.#isClosed) client.write(chunk);
      else if (isLast) this.#close();
    });
    for (const [one, other] of [
      [client, server],
      [server, client],
    ] as const) {
      one.on("error", () => other.destroy());
      one.on("close", () => other.destroy());
    }
  }
}

function portOf(address: string | AddressInfo | null): number {
  if (typeof address !== "object" || address === null) throw new TypeError("not a TCP server");
  return address.port;
}

/** The first whole command of some bytes: its name, and how long it is. */
function readCommand(bytes: Buffer): { name: string; length: number } | undefined {
  let at = 0;
  const line = (): string | undefined => {
    const end = bytes.indexOf("\r\n", at);
    if (end === -1) return undefined;
    const text = bytes.toString("latin1", at + 1, end);
    at = end + 2;
    return text;
  };
  const count = line();
  if (count === undefined) return undefined;
  let name = "";
  for (let index = 0; index < Number(count); index++) {
    const length = line();
    if (length === undefined) return undefined;
    if (index === 0) name = bytes.toString("latin1", at, at + Number(length));
    at += Number(length) + 2;
    if (at > bytes.length) return undefined;
  }
  return { name: name.toLowerCase(), length: at };
}
