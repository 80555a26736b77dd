/**
 * Until when commands must have settled. All have as long, and are answered in
 * their order, so one timer for the oldest does for all of them.
 */
import type { Command } from "ioredis";

/** How many places of settled commands are left before the queue is moved up, which costs time. */
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
    const commands = this.#commands;
    while (commands[this.#first]?.isSettled) {
      // Else the garbage collector would keep it for as long as this array.
      commands[this.#first++] = undefined;
    }
    if (this.#first > MOST_LEFT) {
      this.#commands = commands.slice(this.#first);
      this.#times = this.#times.slice(this.#first);
      this.#first = 0;
    }
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
      this.#first++;
      this.#expire(oldest);
    }
  }
}
