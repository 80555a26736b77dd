/** A method for every command of ioredis, as the client and its views have them. */
import { list } from "@ioredis/commands";
import { ScanStream } from "ioredis";
import type { Argument, ReplyEncoding } from "../commands/arguments.ts";
import { describe } from "../keys.ts";

/** What carries a command out, given its name in any case and its arguments made flat. */
export const EXECUTE: unique symbol = Symbol("execute");

/** What can carry commands out. */
export interface Executor {
  [EXECUTE](name: string, args: Argument[], encoding: ReplyEncoding): Promise<unknown>;
}

export type Callback = (error: Error | null, result?: unknown) => void;

/** What a method does with its command. */
export type Run<Self> = (
  self: Self,
  name: string,
  args: Argument[],
  encoding: ReplyEncoding,
  callback: Callback | undefined,
) => unknown;

/**
 * Gives a prototype a method for every command, with its `…Buffer` twin, and
 * `call`. Methods of its own stay.
 */
export function attachCommands<Self extends object>(prototype: Self, run: Run<Self>): void {
  attach(prototype, "call", callMethod(run, "utf8"));
  attach(prototype, "callBuffer", callMethod(run, null));
  for (const command of list) {
    attach(prototype, command, method(run, command, "utf8"));
    attach(prototype, `${command}Buffer`, method(run, command, null));
  }
}

function attach(prototype: object, name: string, value: unknown): void {
  if (name in prototype) return;
  Object.defineProperty(prototype, name, { value, writable: true, configurable: true });
}

function method<Self>(run: Run<Self>, command: string, encoding: ReplyEncoding) {
  return function (this: Self, ...args: Argument[]): unknown {
    return withoutCallback(args, (rest, callback) => run(this, command, rest, encoding, callback));
  };
}

function callMethod<Self>(run: Run<Self>, encoding: ReplyEncoding) {
  return function (this: Self, name: unknown, ...args: Argument[]): unknown {
    const command = typeof name === "string" ? name : describe(name);
    return withoutCallback(args, (rest, callback) => run(this, command, rest, encoding, callback));
  };
}

/** Arguments as a method is called with them: flat, and the callback at their end apart. */
export function withoutCallback<Result>(
  args: Argument[],
  next: (args: Argument[], callback: Callback | undefined) => Result,
): Result {
  const last: unknown = args.at(-1);
  return isCallback(last) ? next(flat(args.slice(0, -1)), last) : next(flat(args), undefined);
}

/** Carries a command out at once: what methods of clients and views do. */
export const runNow: Run<Executor> = (executor, name, args, encoding, callback) =>
  withCallback(executor[EXECUTE](name, args, encoding), callback);

/** A promise whose outcome a callback gets too, if there is one. */
export function withCallback<Result>(
  promise: Promise<Result>,
  callback: ((error: Error | null, result?: Result) => void) | undefined,
): Promise<Result> {
  // On a tick of its own, what the callback throws is its own affair. Libraries pass other things
  // too, as `exec(true)`, which ioredis overlooks.
  if (typeof callback === "function") {
    promise.then(
      (result) => process.nextTick(callback, null, result),
      (error) => process.nextTick(callback, error),
    );
  }
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
 * What a cursor walks through, as streams: `scanStream({ match, count })` the
 * keys of all nodes, `hscanStream(key, { match, count })` and so on the elements
 * of one key, as in ioredis.
 */
export function attachScanStreams(prototype: object): void {
  for (const suffix of ["", "Buffer"]) {
    for (const command of ["sscan", "hscan", "zscan"]) {
      const name = `${command}${suffix}`;
      attach(prototype, `${name}Stream`, function (this: object, key: string, options?: object) {
        return new ScanStream({ objectMode: true, key, redis: this, command: name, ...options });
      });
    }
    const name = `scan${suffix}`;
    attach(prototype, `${name}Stream`, function (this: object, options?: object) {
      return new ScanStream({ objectMode: true, redis: this, command: name, ...options });
    });
  }
}
