/**
 * Until when commands must have settled. All have as long, and are answered in
 * their order, so one timer for the oldest does for all of them.
 */
import type { Command } from "ioredis";

/** How many places of settled commands there may be, as to move up those behind them takes time. */
const MOST_LEFT = 1024;

export class Deadlines {
  readonly #limit: number;
  readonly #expire: (command: Command) => void;
  /** Commands and when their time is up, in turn, in the order in which they were sent. */
  #commands: (Command | undefined)[] = [];
  #times: number[] = [];
  /** Those before have settled. */
  #first = 0;
  #timer: NodeJS.Timeout | undefined;

  /**
   * @param limit in milliseconds
   * @param expire what is done with a command whose time is up
   */
  constructor(limit: number, expire: (command: Command) => void) {
    this.#limit = limit;
    this.#expire = expire;
  }

  /** From now on the time of a command runs. */
  start(command: Command): void {
    this.#commands.push(command);
    this.#times.push(performance.now() + this.#limit);
    this.#timer ??= this.#wake(this.#limit);
  }

  /** Forgets those that have settled, up to the first that has not. */
  forget(): void {
    while (this.#commands[this.#first]?.isSettled) this.#drop();
    // By halves, or a million of them would be moved a thousand times.
    if (this.#first > MOST_LEFT && 2 * this.#first > this.#commands.length) {
      this.#commands = this.#commands.slice(this.#first);
      this.#times = this.#times.slice(this.#first);
      this.#first = 0;
    }
  }

  /** Leaves its place empty: else it would be kept for as long as this array. */
  #drop(): void {
    this.#commands[this.#first++] = undefined;
  }

  /** It does not keep the process alive: the socket does, as long as a reply is due. */
  #wake(delay: number): NodeJS.Timeout {
    return setTimeout(() => this.#look(), delay).unref();
  }

  #look(): void {
    this.#timer = undefined;
    const now = performance.now();
    for (;;) {
      this.forget();
      const oldest = this.#commands[this.#first];
      const time = this.#times[this.#first];
      if (oldest === undefined || time === undefined) return;
      // A timer may be a little early.
      if (time > now + 1) {
        this.#timer = this.#wake(time - now);
        return;
      }
      this.#drop();
      this.#expire(oldest);
    }
  }
}
