/** Commands that an AbortSignal calls off. */
import type { Command } from "ioredis";
import type { Stop } from "../commands/emulate/send.ts";
import type { PlacedCommand } from "../commands/placed.ts";
import { PartialFailureError, ShardisError } from "../errors.ts";
import { CALLED_OFF } from "../topology/command-errors.ts";

export class Calls implements Stop {
  readonly #signal: AbortSignal;
  /** What ends each call that is still on its way. */
  readonly #ends = new Set<() => void>();

  constructor(signal: AbortSignal) {
    this.#signal = signal;
  }

  /** Whether nothing more is to be sent. */
  get isOver(): boolean {
    return this.#signal.aborted;
  }

  check(command: string, keys: readonly unknown[]): void {
    if (this.#signal.aborted) throw this.calledOff(command, keys, false);
  }

  /** Listens once for all calls, and not for longer than they last, as signals may live long. */
  whenOver(end: () => void): () => void {
    if (this.#signal.aborted) end();
    if (this.#ends.size === 0) this.#signal.addEventListener("abort", this.#endAll);
    this.#ends.add(end);
    return () => {
      this.#ends.delete(end);
      if (this.#ends.size === 0) this.#signal.removeEventListener("abort", this.#endAll);
    };
  }

  /** Has a command rejected when it is called off; if it has not been sent, it will not be. */
  add(command: Command): void {
    const reject = () => command.reject(new Error(CALLED_OFF, { cause: this.#signal.reason }));
    const forget = this.whenOver(reject);
    command.promise.then(forget, forget);
  }

  /** What a promise comes to, of which nobody wants to know once it is called off. */
  race<Result>(promise: Promise<Result>, command: string, keys: readonly unknown[]) {
    return new Promise<Result>((resolve, reject) => {
      const forget = this.whenOver(() => reject(this.calledOff(command, keys, true)));
      promise.finally(forget).then(resolve, reject);
    });
  }

  /** Parts that were called off on their nodes are one command that was. */
  explain(error: unknown): unknown {
    if (!(error instanceof PartialFailureError)) return error;
    const failures = [...error.failures.values()];
    if (!failures.some((failure) => isCalledOff(failure.error))) return error;
    const isSent = error.applied.length > 0 || failures.some((f) => f.outcome === "unknown");
    return this.calledOff(error.command ?? "", error.keys ?? [], isSent);
  }

  /** @param sent whether it may have run */
  calledOff(name: string, keys: readonly unknown[], sent: boolean): ShardisError {
    const command = name.toLowerCase();
    const outcome = sent ? "it may have run" : "it was not sent";
    const message = `${command} was called off by its signal; ${outcome}`;
    return new ShardisError("ABORTED", message, {
      command,
      keys,
      sent,
      cause: this.#signal.reason,
    });
  }

  readonly #endAll = () => {
    for (const end of [...this.#ends]) end();
  };
}

function isCalledOff(error: Error): boolean {
  return error instanceof ShardisError && error.code === "ABORTED";
}

/** What a command over several nodes comes to, of which nobody wants to know once it is called off. */
export function unlessCalledOff(
  calls: Calls | undefined,
  { command, given }: PlacedCommand,
  reply: Promise<unknown>,
): Promise<unknown> {
  return calls === undefined ? reply : calls.race(reply, command, given);
}
