/** Where in the arguments of a command its keys stand. */
import { ShardisError } from "../errors.ts";
import { FACTS } from "./facts.ts";
import { keyIndexes } from "./metadata.ts";
import { readSortOptions } from "./sort-options.ts";

const FIRST: readonly number[] = [0];

/** Commands whose patterns the metadata takes for keys, as they get the prefix too. */
const SORT_COMMANDS: ReadonlySet<string> = new Set(["sort", "sort_ro"]);

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

/** Whether the metadata know a command, and so its keys. */
export function isKnown(command: string): boolean {
  return FACTS.has(command);
}

function positionsInMetadata(command: string, args: readonly unknown[]): readonly number[] {
  const facts = FACTS.get(command);
  if (facts === undefined) {
    throw new ShardisError(
      "UNSUPPORTED",
      `${command} is not among the commands whose keys shardis knows: send it to one node with ` +
        "redis.by(key).call(…) or redis.node(name).call(…)",
      { command },
    );
  }
  if (facts[1] === "first") return FIRST;
  if (command === "migrate") return migrateKeys(args);
  return keyIndexes(
    command,
    args.map((argument) => option(argument, args.length)),
  );
}

/** No option is longer, and no number that a server would read. */
const LONGEST_OPTION = 32;

/**
 * What an argument says if it is an option or a count, which can decide where
 * keys are. A count beyond the number of arguments is cut down to it: the
 * metadata would be walked up to it, however far.
 */
function option(argument: unknown, most: number): string {
  if (isText(argument) && argument.length > LONGEST_OPTION) return "";
  const text = textOf(argument);
  return Number(text) > most ? String(most) : text;
}

/** What an argument says; only text and numbers say anything. */
function textOf(argument: unknown): string {
  return isText(argument) || typeof argument === "number" ? String(argument) : "";
}

function isText(argument: unknown): argument is string | Buffer {
  return typeof argument === "string" || Buffer.isBuffer(argument);
}

/**
 * MIGRATE has one key, or several after the word KEYS, which a password before
 * it may be too.
 *
 * @see https://redis.io/docs/latest/commands/migrate/
 */
function migrateKeys(args: readonly unknown[]): number[] {
  const [, , key] = args;
  const isEmpty = key === undefined || key === null || (isText(key) && key.length === 0);
  if (!isEmpty) return [2];
  for (let at = 5; at < args.length; at++) {
    const option = textOf(args[at]).toLowerCase();
    if (option === "auth") at += 1;
    if (option === "auth2") at += 2;
    if (option === "keys") return Array.from(args.keys()).slice(at + 1);
  }
  return [];
}

/**
 * The key that SORT sorts, and that which it writes. What its patterns name is
 * known only from the elements: see `sort-options.ts`.
 */
function sortKeys(command: string, args: readonly unknown[]): number[] {
  const stores = readSortOptions(command, args).filter(({ kind }) => kind === "store");
  return [0, ...stores.map(({ position }) => position + 1)];
}
