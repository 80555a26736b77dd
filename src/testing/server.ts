import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { Socket } from "node:net";
import { TestServerError } from "./error.ts";

/** How long a server may take until it answers, in milliseconds. */
const startTimeout = 10_000;
/** How long a server may take to obey SIGTERM, in milliseconds. */
const stopTimeout = 2_000;
/** How much of a server's output is kept for error messages, in characters. */
const outputKept = 16_384;

// The shell becomes the server ("exec"), so that the child's process id, exit code and signals are
// the server's own. Before that it leaves a guard behind that reads a pipe, number 3, which this
// process holds open. A line on it says that the server has ended; its end of file without a line
// says that this process is gone, however it went: then the server is killed and its files are
// removed. $$ is the shell's, and so the server's, process id, in the guard too. (Standard input
// would not do for the pipe: Node closes that as soon as a child ends.)
const guarded = `
directory=$1; shift
{ read -r _ <&3 || { kill -9 $$; rm -rf "$directory"; }; } >/dev/null 2>&1 &
exec "$@" 3<&-
`;

/** One run of a server program: from its start to its end, never again after that. */
export class Server {
  /** The process id of the server. */
  readonly pid: number;

  #child: ChildProcess;
  #stdout: Socket;
  #stderr: Socket;
  #guard: Socket;
  #ended = false;
  #output = "";

  /**
   * Starts the program. The server's life hangs on this process: it is killed when this process
   * ends, by whatever means.
   *
   * @param binary the program
   * @param args its arguments
   * @param directory what to remove when this process dies before it could clean up
   */
  constructor(binary: string, args: readonly string[], directory: string) {
    this.#child = spawn("/bin/sh", ["-c", guarded, "sh", directory, binary, ...args], {
      cwd: directory,
      // A process group of its own: Ctrl-C is for this process, which may still want its servers.
      detached: true,
      stdio: ["ignore", "pipe", "pipe", "pipe"],
    });
    this.#child.on("error", () => {}); // Said below.
    const [, stdout, stderr, guard] = this.#child.stdio;
    if (
      this.#child.pid === undefined ||
      !(stdout instanceof Socket && stderr instanceof Socket && guard instanceof Socket)
    ) {
      throw new TestServerError(`/bin/sh, which starts test servers, did not run in ${directory}.`);
    }
    this.pid = this.#child.pid;
    this.#stdout = stdout;
    this.#stderr = stderr;
    this.#guard = guard;
    this.#child.once("exit", () => {
      this.#ended = true;
      this.#guard.end("ended\n");
    });
    guard.on("error", () => {}).resume(); // It may be gone before it is told.
    for (const stream of [stdout, stderr]) {
      stream.setEncoding("utf8").on("data", (chunk: string) => {
        this.#output = (this.#output + chunk).slice(-outputKept);
      });
    }
  }

  /** The last lines that the server wrote. */
  get output(): string {
    return this.#output;
  }

  /**
   * Waits until the server answers.
   *
   * @throws {TestServerError} when it ends before, or takes more than 10 seconds; it is gone then
   */
  async ready(): Promise<void> {
    const waiting = new AbortController();
    const timer = setTimeout(() => waiting.abort(), startTimeout);
    // "close" comes after the last of the output, "exit" may come before it.
    const closed = () => waiting.abort();
    this.#child.once("close", closed);
    try {
      while (!/ready to accept connections/i.test(this.#output)) {
        await once(this.#stdout, "data", { signal: waiting.signal });
      }
    } catch {
      const how = this.#ended ? this.#ending() : `took more than ${startTimeout / 1000} s to start`;
      await this.kill();
      throw new TestServerError(`The test server ${how}. It wrote:\n${this.#output.trim()}`);
    } finally {
      clearTimeout(timer);
      this.#child.off("close", closed);
    }
    this.#hold(false);
  }

  /** Asks the server to end, kills it when it has not after 2 seconds, and waits for its end. */
  async stop(): Promise<void> {
    if (this.#ended) return;
    const timer = setTimeout(() => this.signal("SIGKILL"), stopTimeout);
    this.signal("SIGTERM");
    this.signal("SIGCONT"); // A paused server would not hear of it.
    await this.#end();
    clearTimeout(timer);
  }

  /** Kills the server and waits for its end. */
  async kill(): Promise<void> {
    this.signal("SIGKILL");
    await this.#end();
  }

  /** Sends a signal, unless the server has ended: its process id may belong to another by then. */
  signal(name: NodeJS.Signals): void {
    if (!this.#ended) this.#child.kill(name);
  }

  async #end(): Promise<void> {
    if (this.#ended) return;
    this.#hold(true);
    await once(this.#child, "exit");
  }

  #ending(): string {
    const { exitCode, signalCode } = this.#child;
    return signalCode === null ? `ended with exit code ${exitCode}` : `was ended by ${signalCode}`;
  }

  /** Whether this process stays alive for the server's sake. */
  #hold(held: boolean): void {
    for (const handle of [this.#child, this.#stdout, this.#stderr, this.#guard]) {
      if (held) handle.ref();
      else handle.unref();
    }
  }
}
