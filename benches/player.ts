/** A client in a process of its own, so that what it costs can be told from what others cost. */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { Address, ClientName } from "./clients.ts";
import type { Figures } from "./findings.ts";

/** What the process is started with. */
export interface Assignment {
  readonly client: ClientName;
  /** The title of the row. */
  readonly title: string;
  readonly addresses: readonly Address[];
}

/** How long a turn is: it ends with the operation after which both have been reached. */
export interface Order {
  readonly milliseconds?: number;
  /** How many keys, or commands. */
  readonly things?: number;
}

/** What the process answers: once when it is ready, and then to each order. */
export type Answer = { readonly figures: Figures } | { readonly error: string };

const program = fileURLToPath(new URL("play.ts", import.meta.url));

export class Player {
  readonly client: ClientName;
  /** What was measured before it did any of the work: only memory. */
  readonly before: Figures;
  readonly #process: ChildProcess;

  private constructor(client: ClientName, process: ChildProcess, before: Figures) {
    this.client = client;
    this.#process = process;
    this.before = before;
  }

  /**
   * Starts the process. It connects, writes what will be read, and checks what it reads.
   *
   * @param flags of Node
   * @throws Error if the client cannot be loaded, or does not do its work
   */
  static async start(assignment: Assignment, flags: readonly string[]): Promise<Player> {
    const child = fork(program, [JSON.stringify(assignment)], {
      execArgv: [...process.execArgv, ...flags],
    });
    try {
      return new Player(assignment.client, child, await answer(child));
    } catch (error) {
      child.kill();
      throw error;
    }
  }

  turn(order: Order): Promise<Figures> {
    this.#process.send(order);
    return answer(this.#process);
  }

  async stop(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    this.#process.kill();
    await once(this.#process, "exit");
  }
}

async function answer(child: ChildProcess): Promise<Figures> {
  const waiting = new AbortController();
  const { signal } = waiting;
  try {
    const [said] = await Promise.race([
      once(child, "message", { signal }),
      once(child, "exit", { signal }).then(([code, by]) => {
        throw new Error(`the process of a client ended (${by ?? `exit code ${code}`})`);
      }),
    ]);
    const message: Answer = said;
    if ("error" in message) throw new Error(message.error);
    return message.figures;
  } finally {
    waiting.abort();
  }
}
