/**
 * A peer that speaks RESP over TCP, knows nothing of Redis, and answers what a test has it
 * answer: what no server would say, or say only once in a lifetime.
 */
import { once } from "node:events";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { setImmediate } from "node:timers/promises";
import type { ExecutionContext } from "ava";
import { firstCommand } from "./sent-bytes.ts";

/** What clients ask by themselves, and what they get. */
const HANDSHAKE: Readonly<Record<string, string>> = {
  hello: "%1\r\n$5\r\nproto\r\n:3\r\n",
  client: "+OK\r\n",
  info: "$0\r\n\r\n",
};

export class Peer {
  readonly host = "127.0.0.1";
  /** How many connections have been made. */
  connections = 0;
  /** What clients have sent, in the pieces in which it came. */
  readonly chunks: Buffer[] = [];
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #expected = 0;
  #answer: readonly Buffer[] = [];

  constructor() {
    this.#server = createServer({ noDelay: true }, (socket) => this.#serve(socket));
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async listen(): Promise<void> {
    this.#server.listen(0, this.host);
    await once(this.#server, "listening");
  }

  /** Once so many commands have come it answers these chunks, one after another. */
  answer(commands: number, chunks: readonly Buffer[]): void {
    this.#expected = commands;
    this.#answer = chunks;
  }

  /** Ends all connections, after what has been written. */
  hangUp(): void {
    for (const socket of this.#sockets) socket.end();
  }

  async stop(): Promise<void> {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await once(this.#server, "close");
  }

  #serve(socket: Socket): void {
    this.connections++;
    this.#sockets.add(socket);
    socket.on("close", () => this.#sockets.delete(socket));
    socket.on("error", () => socket.destroy());
    let rest: Buffer = Buffer.alloc(0);
    socket.on("data", (bytes) => {
      this.chunks.push(bytes);
      rest = Buffer.concat([rest, bytes]);
      for (;;) {
        const command = firstCommand(rest);
        if (command === undefined) return;
        rest = rest.subarray(command.length);
        this.#take(socket, String(command.args[0]).toLowerCase());
      }
    });
  }

  #take(socket: Socket, name: string): void {
    const known = HANDSHAKE[name];
    if (known !== undefined) {
      socket.write(known);
    } else if (--this.#expected === 0) {
      writeOneByOne(socket, this.#answer);
    }
  }
}

async function writeOneByOne(socket: Socket, chunks: readonly Buffer[]): Promise<void> {
  for (const chunk of chunks) {
    socket.write(chunk);
    // Who reads has its turn in between.
    await setImmediate();
  }
}

/** Starts a peer that stops when the test has ended. */
export async function startPeer(t: ExecutionContext): Promise<Peer> {
  const peer = new Peer();
  await peer.listen();
  t.teardown(() => peer.stop());
  return peer;
}
