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

/** A command as ioredis sends it. */
export function toCommand(command: string, args: Argument[], encoding: ReplyEncoding): Command {
  if (args.some(isUnsendable)) {
    throw new ShardisError("BAD_ARGUMENT", `${command} has an argument that cannot be sent`, {
      command,
    });
  }
  return new Command(command, args, { replyEncoding: encoding });
}

function isUnsendable(argument: unknown): boolean {
  return typeof argument === "symbol" || typeof argument === "function";
}
