/**
 * Commands that the metadata does not know, such as those of modules: a server
 * is asked where their keys are, once for each command.
 */
import { ShardisError } from "../errors.ts";
import type { Argument } from "./arguments.ts";

/** Sends `COMMAND …` to a server that can be reached. */
export type AskServer = (args: Argument[]) => Promise<unknown>;

/** Where the keys of a command are, counted as Redis does: 0 is the command itself. */
interface KeyRange {
  readonly first: number;
  readonly last: number;
  readonly step: number;
  /** Whether only the server can tell, from all arguments. */
  readonly isMovable: boolean;
}

export class LearnedCommands {
  readonly #ask: AskServer;
  readonly #ranges = new Map<string, Promise<KeyRange>>();

  constructor(ask: AskServer) {
    this.#ask = ask;
  }

  /**
   * The positions of the keys among the arguments of a command.
   *
   * @throws ShardisError `UNSUPPORTED` if no server knows the command, or it has
   *   no keys
   */
  async positions(command: string, args: readonly Argument[]): Promise<readonly number[]> {
    const { first, last, step, isMovable } = await this.#rangeOf(command);
    if (isMovable) return this.#askPositions(command, args);
    // The command counts too.
    const end = last < 0 ? args.length + 1 + last : last;
    const positions: number[] = [];
    for (let at = first; at > 0 && at <= end; at += Math.max(step, 1)) positions.push(at - 1);
    return positions;
  }

  #rangeOf(command: string): Promise<KeyRange> {
    const known = this.#ranges.get(command);
    if (known !== undefined) return known;
    const asked = this.#askRange(command);
    this.#ranges.set(command, asked);
    // What failed because of a node may be asked again.
    asked.catch(() => this.#ranges.delete(command));
    return asked;
  }

  async #askRange(command: string): Promise<KeyRange> {
    const reply = await this.#ask(["info", command]);
    const [info]: unknown[] = Array.isArray(reply) ? reply : [];
    if (!Array.isArray(info)) {
      throw new ShardisError("UNSUPPORTED", `neither shardis nor the servers know ${command}`, {
        command,
      });
    }
    const [, , flags, first, last, step] = info;
    const isMovable = Array.isArray(flags) && flags.map(String).includes("movablekeys");
    return { first: Number(first), last: Number(last), step: Number(step), isMovable };
  }

  /** The server names keys; where they stand is found by looking for them. */
  async #askPositions(command: string, args: readonly Argument[]): Promise<readonly number[]> {
    const keys = await this.#ask(["getkeys", command, ...args]);
    const wanted: unknown[] = Array.isArray(keys) ? keys : [];
    const forwards = find(args, wanted);
    const backwards = find([...args].reverse(), [...wanted].reverse());
    const last = args.length - 1;
    // A count or an option may read like a key: then nobody knows which is which.
    if (forwards.some((at, index) => at !== last - (backwards.at(-1 - index) ?? -1))) {
      throw new ShardisError(
        "UNSUPPORTED",
        `${command} has keys that read like other arguments of it: send it to their node with ` +
          "redis.by(key).call(…)",
        { command },
      );
    }
    return forwards;
  }
}

/** The positions of the wanted arguments, each the first after the one before it. */
function find(args: readonly Argument[], wanted: readonly unknown[]): number[] {
  const positions: number[] = [];
  for (const key of wanted) {
    const from = positions.at(-1) ?? -1;
    positions.push(args.findIndex((argument, index) => index > from && isSame(argument, key)));
  }
  return positions;
}

function isSame(argument: Argument, key: unknown): boolean {
  if (!Buffer.isBuffer(key)) return false;
  const bytes = Buffer.isBuffer(argument) ? argument : Buffer.from(String(argument));
  return bytes.equals(key);
}
