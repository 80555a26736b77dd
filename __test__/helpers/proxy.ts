import { once } from "node:events";
import { connect, createServer, type Server, Socket } from "node:net";
import { setTimeout as delay, setImmediate as turn } from "node:timers/promises";

/** Where the real server listens. */
export type Target = { host: string; port: number } | { path: string };

/** What a proxy does to the bytes between a client and its server. */
type Mode = "forward" | "blackhole";

/** What happens to the replies of one connection, once. */
interface Trap {
  /** Set as soon as it is known which connection is caught. */
  link: Link | undefined;
  /** How many bytes of reply still pass before it happens. */
  pass: number;
  /** What is said in place of all that follows; if nothing, the connection is cut. */
  forged: Buffer | undefined;
  /** Whether to wait for a request, or to take the next reply whatever it answers. */
  afterRequest: boolean;
  sprung: () => void;
}

/** How many bytes of a chunk pass, and what is said in place of the others, if there are any. */
interface Passed {
  readonly length: number;
  readonly forged?: Buffer | undefined;
}

/** A connection of a client and the one to the server that belongs to it. */
interface Link {
  client: Socket;
  server: Socket;
  /** Nothing passes any more, in either direction, though both sides may still send. */
  dead: boolean;
}

// Below the range of ports that systems hand out by themselves, as in src/testing/node.ts: a client
// that keeps connecting to a refused port up there is at last connected to itself.
const firstPort = 10_000;
const lastPort = 32_767;
/** How many bytes may wait for a slow reader before the other side is not read any more. */
const waitingBytes = 1 << 20;
/** How often a throttled connection gets its share, per second. */
const sharesPerSecond = 50;

/**
 * Starts a TCP proxy in front of a server, to make faults of the network.
 *
 * @example
 * ```ts
 * const proxy = await startProxy(servers.node(0));
 * const redis = new Redis(proxy.port, proxy.host);
 * await redis.ping();
 * const cut = proxy.cutReplies();
 * await t.throwsAsync(redis.incr("counter")); // the server has counted, the client cannot know
 * await cut;
 * ```
 */
export async function startProxy(target: Target): Promise<FaultProxy> {
  const proxy = new FaultProxy(target);
  for (let attempt = 1; ; attempt++) {
    proxy.port = firstPort + Math.floor(Math.random() * (lastPort - firstPort + 1));
    try {
      await proxy.accept();
      return proxy;
    } catch (error) {
      if (attempt === 50) throw error;
    }
  }
}

/** A proxy that forwards faithfully until told otherwise. Faults hold for all its connections. */
export class FaultProxy {
  readonly host = "127.0.0.1";
  port = 0;

  /** How late every piece arrives, in milliseconds, in each direction: half the round trip. */
  delay = 0;
  /** How many bytes pass per second, in each direction of each connection. */
  bytesPerSecond = Number.POSITIVE_INFINITY;
  /** How long the pieces are at most in which bytes arrive, one in each turn of the event loop. */
  bytesPerPiece = Number.POSITIVE_INFINITY;

  /** How many connections clients have made so far. */
  connections = 0;
  /** How many bytes clients have sent so far, also those that a blackhole took. */
  bytesFromClients = 0;
  /** How many bytes the server has sent so far, also those that never reached a client. */
  bytesFromServer = 0;

  #target: Target;
  #listener: Server | undefined;
  #links = new Set<Link>();
  #mode: Mode = "forward";
  #trap: Trap | undefined;

  constructor(target: Target) {
    this.#target = target;
  }

  /** How many connections of clients are open now. */
  get open(): number {
    return this.#links.size;
  }

  /**
   * Refuses new connections. Those that are open stay: see {@link cut}.
   *
   * @returns resolves when connections are refused: a process that is being forked at the same time
   *   holds a copy of the listening socket, and so the port, for a moment
   */
  async refuse(): Promise<void> {
    this.#listener?.close();
    this.#listener = undefined;
    while (!(await refused(this.port, this.host)));
  }

  /** Accepts connections again, at the same port. */
  async accept(): Promise<void> {
    if (this.#listener !== undefined) return;
    const listener = createServer({ noDelay: true }, (client) => this.#connect(client));
    listener.listen(this.port, this.host);
    await once(listener, "listening");
    this.#listener = listener;
  }

  /**
   * Accepts connections and takes what clients send, but forwards nothing in either direction.
   * {@link heal} ends it for new connections; those that lived through it have lost bytes, so they
   * stay dead: cut them.
   */
  blackhole(): void {
    this.#mode = "blackhole";
  }

  /** Closes every open connection, on both sides. */
  cut(): void {
    for (const link of this.#links) destroy(link);
  }

  /** Closes every open connection; clients see a reset (ECONNRESET), not an orderly end. */
  reset(): void {
    for (const link of this.#links) {
      link.client.resetAndDestroy();
      link.server.destroy();
    }
  }

  /**
   * Lets the next request through to the server and cuts the connection when the server answers,
   * without passing the answer on: the command is done and its reply is lost. Meant for a connection
   * that awaits no other reply.
   *
   * @returns resolves when it has happened
   */
  cutReplies(): Promise<void> {
    return this.#setTrap({ pass: 0, afterRequest: true });
  }

  /**
   * Lets `bytes` more bytes of the server's replies through, on the first connection that gets any,
   * and cuts it there: the byte after them is the one that is lost.
   *
   * @returns resolves when it has happened
   */
  truncateReplyAfter(bytes: number): Promise<void> {
    return this.#setTrap({ pass: bytes, afterRequest: false });
  }

  /**
   * As {@link truncateReplyAfter}, but the connection stays open: it says something else in place of
   * the rest, and no more after that.
   *
   * @returns resolves when it has happened
   */
  forgeReplyAfter(bytes: number, forged: Buffer | string): Promise<void> {
    return this.#setTrap({ pass: bytes, afterRequest: false, forged: Buffer.from(forged) });
  }

  /** Sends bytes to every connected client that the server never sent. */
  inject(bytes: Buffer | string): void {
    for (const { client } of this.#links) client.write(bytes);
  }

  /** Ends every fault that lasts: refusing, blackhole, delay, throttle, a trap still set. */
  async heal(): Promise<void> {
    this.#mode = "forward";
    this.delay = 0;
    this.bytesPerSecond = Number.POSITIVE_INFINITY;
    this.bytesPerPiece = Number.POSITIVE_INFINITY;
    this.#trap = undefined;
    await this.accept();
  }

  /** Closes the listener and every connection. */
  async stop(): Promise<void> {
    const refused = this.refuse();
    const closing = [...this.#links].map(({ client }) => once(client, "close"));
    this.cut();
    await Promise.all([refused, ...closing]);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  #setTrap(trap: Pick<Trap, "pass" | "afterRequest"> & { forged?: Buffer }): Promise<void> {
    return new Promise((sprung) => {
      this.#trap = { link: undefined, forged: undefined, ...trap, sprung };
    });
  }

  #connect(client: Socket): void {
    this.connections++;
    // A blackhole does not even reach for the server.
    const server = this.#mode === "blackhole" ? new Socket() : connect(this.#target);
    server.setNoDelay();
    const link: Link = { client, server, dead: false };
    this.#links.add(link);
    client.on("close", () => this.#links.delete(link));
    this.#pump(link, client, server, (chunk) => this.#request(link, chunk));
    this.#pump(link, server, client, (chunk) => this.#reply(link, chunk));
  }

  /** Moves bytes one way, in order, late and slowly as asked; `pass` says how many of a chunk. */
  #pump(link: Link, from: Socket, to: Socket, pass: (chunk: Buffer) => Passed): void {
    let moved = Promise.resolve();
    from.on("data", (chunk) => {
      const { length, forged } = pass(chunk);
      link.dead ||= this.#mode === "blackhole";
      if (link.dead) return;
      const due = performance.now() + this.delay;
      moved = moved.then(() => this.#write(from, to, chunk.subarray(0, length), due));
      if (length === chunk.length) return;
      link.dead = true;
      moved = moved.then(() => {
        if (forged !== undefined) return this.#write(from, to, forged, due);
        to.end(() => destroy(link));
      });
    });
    from.on("end", () => {
      moved = moved.then(() => void to.end());
    });
    from.on("error", () => to.destroy());
    from.on("close", () => {
      if (from.errored !== null || !from.readableEnded) to.destroy();
    });
  }

  async #write(from: Socket, to: Socket, bytes: Buffer, due: number): Promise<void> {
    if (due > performance.now()) await delay(due - performance.now());
    let rest = bytes;
    while (rest.length > 0 && !to.destroyed) {
      const share = Math.max(1, Math.floor(this.bytesPerSecond / sharesPerSecond));
      const piece = Math.min(share, this.bytesPerPiece);
      to.write(rest.subarray(0, piece));
      rest = rest.subarray(piece);
      if (this.bytesPerSecond < Number.POSITIVE_INFINITY) await delay(1000 / sharesPerSecond);
      else if (rest.length > 0) await turn();
    }
    if (to.writableLength > waitingBytes) {
      from.pause();
      to.once("drain", () => from.resume());
    }
  }

  #request(link: Link, chunk: Buffer): Passed {
    this.bytesFromClients += chunk.length;
    if (this.#trap?.afterRequest) this.#trap.link ??= link;
    return chunk;
  }

  #reply(link: Link, chunk: Buffer): Passed {
    this.bytesFromServer += chunk.length;
    const trap = this.#trap;
    if (trap === undefined || (trap.afterRequest && trap.link === undefined)) return chunk;
    trap.link ??= link;
    if (trap.link !== link) return chunk;
    const length = Math.min(trap.pass, chunk.length);
    trap.pass -= length;
    if (length < chunk.length) {
      this.#trap = undefined;
      trap.sprung();
    }
    return { length, forged: trap.forged };
  }
}

function destroy({ client, server }: Link): void {
  client.destroy();
  server.destroy();
}

async function refused(port: number, host: string): Promise<boolean> {
  const socket = connect(port, host);
  try {
    await once(socket, "connect");
    return false;
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "ECONNREFUSED";
  } finally {
    socket.destroy();
  }
}
