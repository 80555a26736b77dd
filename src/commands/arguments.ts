/** The arguments of commands, as users give them and as ioredis takes them. */
import { Command } from "ioredis";
import { ShardisError } from "../errors.ts";

/** What ioredis takes as an argument. */
export type Argument = NonNullable<ConstructorParameters<typeof Command>[1]>[number];

/** How replies come: as strings, or as Buffers. */
export type ReplyEncoding = "utf8" | null;

/** A key with its prefix, which is hashed with the key, as on the wire. */
export function withPrefix(
  prefix: string | undefined,
  key: string | Uint8Array,
): string | Uint8Array {
  if (prefix === undefined) return key;
  if (typeof key === "string") return prefix + key;
  return Buffer.concat([Buffer.from(prefix), key]);
}

/** A key as ioredis takes it, which knows bytes only as Buffers. */
export function toArgument(key: string | Uint8Array): string | Buffer {
  if (typeof key === "string" || Buffer.isBuffer(key)) return key;
  return Buffer.from(key.buffer, key.byteOffset, key.byteLength);
}

/** Commands whose one argument may be an object or a Map of keys and values. */
const PAIR_COMMANDS: ReadonlySet<string> = new Set(["mset", "msetnx"]);

/** The arguments of a command with those objects made keys and values in turn, as ioredis does. */
export function withPairs(command: string, args: readonly Argument[]): readonly Argument[] {
  const [only]: readonly unknown[] = args;
  if (args.length !== 1 || !PAIR_COMMANDS.has(command)) return args;
  if (typeof only !== "object" || only === null || only instanceof Uint8Array) return args;
  const entries: Iterable<[Argument, Argument]> = only instanceof Map ? only : Object.entries(only);
  return [...entries].flat();
}

/**
 * A command as ioredis sends it.
 *
 * @param name in any case; ioredis gives the replies of some commands another
 *   shape, but only by their names in lower case
 * @param args flat
 * @throws ShardisError `BAD_ARGUMENT`
 */
export function toCommand(name: string, args: Argument[], encoding: ReplyEncoding): Command {
  if (args.every(isSendable)) {
    // ioredis takes apart the arrays in the array that it is given. That has been
    // done: once more, and a value could become a key.
    const command = new Command(name, [args], { replyEncoding: encoding });
    if (command.args.every(isWritable)) return command;
    // It rejects where an argument has no text, but would be sent all the same.
    command.promise.catch(() => {});
  }
  const command = name.toLowerCase();
  throw new ShardisError("BAD_ARGUMENT", `${command} has an argument that cannot be sent`, {
    command,
  });
}

/**
 * An argument as it goes on the wire, in ioredis' way; undefined for what only
 * ioredis knows to write.
 */
export function toWirable(argument: unknown): string | Buffer | undefined {
  if (typeof argument === "string" || Buffer.isBuffer(argument)) return argument;
  if (typeof argument !== "number") return undefined;
  // All digits of large ones, and no exponent.
  const isLarge = Number.isInteger(argument) && !Number.isSafeInteger(argument);
  return isLarge ? BigInt(argument).toString() : String(argument);
}

/** Values may also be in an object or a Map, as HSET takes them. */
function isSendable(argument: unknown): boolean {
  if (typeof argument !== "object" || argument === null) return isValue(argument);
  if (Buffer.isBuffer(argument)) return true;
  const values = argument instanceof Map ? [...argument.values()] : Object.values(argument);
  return values.every(isValue);
}

function isValue(value: unknown): boolean {
  return typeof value !== "symbol" && typeof value !== "function";
}

function isWritable(argument: unknown): boolean {
  return typeof argument === "string" || Buffer.isBuffer(argument);
}
