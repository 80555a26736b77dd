/** Clients of ioredis that read what a test feeds them, byte by byte if need be, and no network. */
import { once } from "node:events";
import { Socket } from "node:net";
import { AbstractConnector, Redis } from "ioredis";
import type { Protocol } from "./replies.ts";

/** A socket that is connected to nothing. Whoever listens gets what it is fed at once, and as it is. */
export class MemorySocket extends Socket {
  feed(bytes: Buffer): void {
    this.emit("data", bytes);
  }

  override _write(_chunk: unknown, _encoding: string, done: () => void): void {
    done();
  }

  override _writev(_chunks: unknown, done: () => void): void {
    done();
  }

  override _read(): void {}
}

const HELLO = Buffer.from("%1\r\n$5\r\nproto\r\n:3\r\n");

/**
 * Makes a client that is ready.
 *
 * @param prepare gets it before it is connected
 */
export async function connectToMemory<Prepared>(
  protocol: Protocol,
  prepare: (client: Redis) => Prepared,
): Promise<{ client: Redis; socket: MemorySocket; prepared: Prepared }> {
  const socket = new MemorySocket();
  class Connector extends AbstractConnector {
    constructor() {
      super(0);
    }
    override connect(): Promise<Socket> {
      return Promise.resolve(socket);
    }
    override disconnect(): void {
      socket.destroy();
    }
  }
  const client = new Redis({
    Connector,
    protocol,
    lazyConnect: true,
    disableClientInfo: true,
    enableReadyCheck: false,
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    retryStrategy: () => null,
  });
  const prepared = prepare(client);
  const connected = client.connect();
  await once(client, "connect");
  if (protocol === 3) socket.feed(HELLO);
  await connected;
  return { client, socket, prepared };
}
