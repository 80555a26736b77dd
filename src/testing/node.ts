import { mkdir, rm } from "node:fs/promises";
import { TestServerError } from "./error.ts";
import { Server } from "./server.ts";

/** What every test node can do, wherever it listens. */
export interface TestNode {
  /** The name of the node, also its label in a placement. */
  readonly name: string;
  /** Where it listens, as a URL that carries its name. */
  readonly url: string;
  /** The process id of the server: of the last one, when it has been stopped. */
  readonly pid: number;
  /**
   * Ends the server in order (SIGTERM) and waits for its end; after 2 seconds it is killed. Does
   * nothing when it has ended already.
   */
  stop(): Promise<void>;
  /** Ends the server at once (SIGKILL), as a crash would, and waits for its end. */
  kill(): Promise<void>;
  /**
   * Makes the server silent (SIGSTOP): connections stay open, and the system even accepts new ones
   * for it, but nothing is read and nothing answered.
   */
  pause(): void;
  /** Lets a paused server go on (SIGCONT); it then answers what has piled up. */
  resume(): void;
  /**
   * Starts the server again at the same address, with no data; kills it before if it still runs.
   *
   * @throws {TestServerError} when it does not start, for instance because another program has
   *   taken its port in the meantime
   */
  restart(): Promise<void>;
}

/** A test node that listens on a TCP port. */
export interface TcpTestNode extends TestNode {
  /** Always `"127.0.0.1"`. */
  readonly host: string;
  readonly port: number;
}

/** A test node that listens on a Unix domain socket. */
export interface UnixTestNode extends TestNode {
  /** The absolute path of the socket. */
  readonly path: string;
}

/** What a node is started with, each time. */
export interface Launch {
  readonly name: string;
  readonly binary: string;
  readonly args: readonly string[];
  /** The node's own directory, emptied before every start. */
  readonly directory: string;
  /** The directory of the set, removed should this process die. */
  readonly setDirectory: string;
}

// Ports are taken from below the range that systems hand out by themselves (from 32768 on Linux,
// from 49152 elsewhere). Above, a client's own outgoing connection could sit on the port of a node
// that is down, so that it could not come back; or a client that tries to reconnect could even be
// connected to itself. Cluster mode adds 10,000 for its bus.
const firstPort = 10_000;
const lastPort = 32_767;
const attempts = 50;
const portTaken = /address already in use|failed listening on port/i;

/** What TCP and Unix nodes share: the server that runs at present, and the one after it. */
abstract class RunningNode implements TestNode {
  readonly name: string;
  #launch: Launch;
  #server: Server;
  #restarting: Promise<void> | undefined;

  constructor(launch: Launch, server: Server) {
    this.name = launch.name;
    this.#launch = launch;
    this.#server = server;
  }

  abstract get url(): string;

  /** The server's arguments that say where it listens. */
  protected abstract address(): string[];

  get pid(): number {
    return this.#server.pid;
  }

  async stop(): Promise<void> {
    await this.#restarting;
    await this.#server.stop();
  }

  async kill(): Promise<void> {
    await this.#restarting;
    await this.#server.kill();
  }

  pause(): void {
    this.#server.signal("SIGSTOP");
  }

  resume(): void {
    this.#server.signal("SIGCONT");
  }

  async restart(): Promise<void> {
    await this.kill();
    const starting = launchServer(this.#launch, this.address());
    // Whoever wants to stop the node waits for this, whether it succeeds or not.
    this.#restarting = starting.then(
      (server) => {
        this.#server = server;
      },
      () => {},
    );
    await starting;
    await this.#restarting;
  }
}

class TcpNode extends RunningNode implements TcpTestNode {
  readonly host = "127.0.0.1";
  readonly port: number;

  constructor(launch: Launch, server: Server, port: number) {
    super(launch, server);
    this.port = port;
  }

  get url(): string {
    return `redis://${this.host}:${this.port}?name=${encodeURIComponent(this.name)}`;
  }

  protected address(): string[] {
    return tcpAddress(this.port);
  }
}

class UnixNode extends RunningNode implements UnixTestNode {
  readonly path: string;

  constructor(launch: Launch, server: Server, path: string) {
    super(launch, server);
    this.path = path;
  }

  get url(): string {
    return `${this.path}?name=${encodeURIComponent(this.name)}`;
  }

  protected address(): string[] {
    return unixAddress(this.path);
  }
}

/** Starts a node on a free port: on any that the server itself finds free. */
export async function startTcpNode(launch: Launch): Promise<TcpTestNode> {
  for (let attempt = 1; ; attempt++) {
    const port = firstPort + Math.floor(Math.random() * (lastPort - firstPort + 1));
    try {
      return new TcpNode(launch, await launchServer(launch, tcpAddress(port)), port);
    } catch (error) {
      const next = error instanceof TestServerError && portTaken.test(error.message);
      if (!next || attempt === attempts) throw error;
    }
  }
}

/** Starts a node on the socket `path`. */
export async function startUnixNode(launch: Launch, path: string): Promise<UnixTestNode> {
  return new UnixNode(launch, await launchServer(launch, unixAddress(path)), path);
}

function tcpAddress(port: number): string[] {
  return ["--bind", "127.0.0.1", "--port", String(port)];
}

function unixAddress(path: string): string[] {
  return ["--port", "0", "--unixsocket", path];
}

async function launchServer(launch: Launch, address: string[]): Promise<Server> {
  const { binary, args, directory, setDirectory } = launch;
  await rm(directory, { recursive: true, force: true });
  await mkdir(directory, { recursive: true });
  const nothingKept = ["--save", "", "--appendonly", "no", "--dir", directory];
  // The address and the log come last: they hold whatever `args` says.
  const server = new Server(
    binary,
    [...nothingKept, ...args, ...address, "--logfile", ""],
    setDirectory,
  );
  await server.ready();
  return server;
}
