/** A method for every command of ioredis, as the client and its views have them. */
import { list } from "@ioredis/commands";
import { ScanStream } from "ioredis";
import type { Argument, ReplyEncoding } from "../commands/arguments.ts";
import { describe } from "../keys.ts";

/** What runs a command, given its name in any case and its arguments made flat. */
export const EXECUTE: unique symbol = Symbol("execute");

/** What can have the methods. */
export interface Executor {
  [EXECUTE](name: string, args: Argument[], encoding: ReplyEncoding): Promise<unknown>;
}

type Callback = (error: Error | null, result?: unknown) => void;

/**
 * Gives a prototype a method for every command, with its `…Buffer` twin, and
 * `call`. Methods of its own stay.
 */
export function attachCommands(prototype: Executor): void {
  const methods: [string, string | undefined, ReplyEncoding][] = [
    ["call", undefined, "utf8"],
    ["callBuffer", undefined, null],
  ];
  for (const command of list) {
    methods.push([command, command, "utf8"], [`${command}Buffer`, command, null]);
  }
  for (const [name, command, encoding] of methods) {
    if (name in prototype) continue;
    const value = command === undefined ? callMethod(encoding) : method(command, encoding);
    Object.defineProperty(prototype, name, { value, writable: true, configurable: true });
  }
}

function method(command: string, encoding: ReplyEncoding) {
  return function (this: Executor, ...args: Argument[]): Promise<unknown> {
    return run(this, command, args, encoding);
  };
}

function callMethod(encoding: ReplyEncoding) {
  return function (this: Executor, name: unknown, ...args: Argument[]): Promise<unknown> {
    return run(this, typeof name === "string" ? name : describe(name), args, encoding);
  };
}

function run(
  executor: Executor,
  command: string,
  args: Argument[],
  encoding: ReplyEncoding,
): Promise<unknown> {
  const last: unknown = args.at(-1);
  if (!isCallback(last)) return executor[EXECUTE](command, flat(args), encoding);
  const promise = executor[EXECUTE](command, flat(args.slice(0, -1)), encoding);
  // On a tick of its own, what the callback throws is its own affair.
  promise.then(
    (result) => process.nextTick(last, null, result),
    (error) => process.nextTick(last, error),
  );
  return promise;
}

function isCallback(value: unknown): value is Callback {
  return typeof value === "function";
}

/** Arrays among the arguments are their elements, as in ioredis. */
function flat(args: Argument[]): Argument[] {
  return args.some(Array.isArray) ? args.flat() : args;
}

/**
 * The commands that a cursor walks through the elements of one key, as streams:
 * `hscanStream(key, { match, count })` and so on, as in ioredis.
 */
export function attachScanStreams(prototype: object): void {
  for (const command of ["sscan", "hscan", "zscan"]) {
    for (const suffix of ["", "Buffer"]) {
      const value = function (this: unknown, key: string, options: object = {}): ScanStream {
        const name = `${command}${suffix}`;
        return new ScanStream({ objectMode: true, key, redis: this, command: name, ...options });
      };
      Object.defineProperty(prototype, `${command}${suffix}Stream`, { value });
    }
  }
}
