/** What goes on the wire: batches, writes, and the commands in their bytes. */
import type { Redis } from "ioredis";
import { BatchCommand } from "../../src/lane/batch.ts";

/** The size of every batch that is sent from now on, as they are sent. */
export function recordBatches(clients: readonly Redis[]): readonly number[] {
  const sizes: number[] = [];
  for (const client of clients) {
    const { sendCommand } = client;
    client.sendCommand = (command, stream) => {
      if (command instanceof BatchCommand) sizes.push(command.batch.size);
      return sendCommand.call(client, command, stream);
    };
  }
  return sizes;
}

/** What a connected client writes to its socket from now on, as it does. */
export function recordWrites({ stream }: Redis): Buffer[] {
  const writes: Buffer[] = [];
  const { write } = stream;
  stream.write = (bytes: string | Uint8Array, ...rest: unknown[]): boolean => {
    writes.push(Buffer.from(bytes));
    return Reflect.apply(write, stream, [bytes, ...rest]);
  };
  return writes;
}

/** The commands in bytes. */
export function commandsIn(bytes: Buffer): Buffer[][] {
  const commands: Buffer[][] = [];
  for (let rest = bytes; rest.length > 0; ) {
    const first = firstCommand(rest);
    if (first === undefined) throw new RangeError(`no command: ${rest.toString("latin1")}`);
    commands.push(first.args);
    rest = rest.subarray(first.length);
  }
  return commands;
}

/** The command that bytes begin with, if it is all there, and how many of them it takes. */
export function firstCommand(bytes: Buffer): { args: Buffer[]; length: number } | undefined {
  let at = 0;
  const readNumber = (): number | undefined => {
    const end = bytes.indexOf("\r\n", at);
    if (end === -1) return undefined;
    const number = Number(bytes.toString("latin1", at + 1, end));
    at = end + 2;
    return number;
  };
  const count = readNumber();
  if (count === undefined) return undefined;
  const args: Buffer[] = [];
  for (let index = 0; index < count; index++) {
    const length = readNumber();
    if (length === undefined || at + length + 2 > bytes.length) return undefined;
    args.push(bytes.subarray(at, at + length));
    at += length + 2;
  }
  return { args, length: at };
}
