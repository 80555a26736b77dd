/** Where in the arguments of a command its keys stand. */
import { exists, getKeyIndexes, hasFlag } from "@ioredis/commands";
import { ShardisError } from "../errors.ts";
import { describe } from "../keys.ts";
import { SORT_COMMANDS } from "./table.ts";

const FIRST: readonly number[] = [0];

/** Whether the first argument of a command is its one key, whatever the others are. */
const keyIsFirst = new Map<string, boolean>();

/**
 * The positions of the keys of a command; none for a command without keys.
 *
 * @param command its name in lower case
 * @throws ShardisError `UNSUPPORTED` where they cannot be known
 */
export function keyPositions(command: string, args: readonly unknown[]): readonly number[] {
  if (SORT_COMMANDS.has(command)) return sortKeys(command, args);
  return positionsInMetadata(command, args);
}

/**
 * The same for a command that runs on one given node, where whatever it reads
 * lies beside its keys.
 */
export function keyPositionsOnNode(command: string, args: readonly unknown[]): readonly number[] {
  return positionsInMetadata(command, args);
}

function positionsInMetadata(command: string, args: readonly unknown[]): readonly number[] {
  let first = keyIsFirst.get(command);
  if (first === undefined) {
    first = probe(command);
    keyIsFirst.set(command, first);
  }
  // What an option says can decide where keys are; only text and numbers can be one.
  return first ? FIRST : getKeyIndexes(command, args.map(readable));
}

function probe(command: string): boolean {
  if (!exists(command)) {
    throw new ShardisError(
      "UNSUPPORTED",
      `${command} is not among the commands whose keys shardis knows: send it to one node with ` +
        "redis.by(key).call(…) or redis.node(name).call(…)",
      { command },
    );
  }
  if (hasFlag(command, "movablekeys")) return false;
  const positions = getKeyIndexes(command, ["1", "2", "3", "4", "5", "6"]);
  return positions.length === 1 && positions[0] === 0;
}

function readable(argument: unknown): string | Buffer | number {
  const isReadable =
    typeof argument === "string" || typeof argument === "number" || Buffer.isBuffer(argument);
  return isReadable ? argument : "";
}

/**
 * SORT reads the keys that its BY and GET patterns make of the elements, and
 * these may lie on any node.
 *
 * @see https://redis.io/docs/latest/commands/sort/
 */
function sortKeys(command: string, args: readonly unknown[]): number[] {
  const keys = [0];
  for (let at = 1; at < args.length; at++) {
    const option = String(args[at]).toLowerCase();
    const value = String(args[at + 1]);
    if (option === "limit") at += 2;
    if (option === "store") keys.push(++at);
    if (option !== "by" && option !== "get") continue;
    at++;
    const namesNoKey = option === "by" ? !value.includes("*") : value === "#";
    if (namesNoKey) continue;
    throw new ShardisError(
      "UNSUPPORTED",
      `${command} ${option.toUpperCase()} ${describe(value)} reads keys that may lie on other ` +
        "nodes; if all lie on one, send it there with redis.by(key)",
      { command, keys: [args[0]] },
    );
  }
  return keys;
}
