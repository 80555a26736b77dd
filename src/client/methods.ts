/** A method for every command of ioredis, as the client and its views have them. */
import { ScanStream } from "ioredis";
import type { Argument, ReplyEncoding } from "../commands/arguments.ts";
import { FACTS } from "../commands/facts.ts";
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
 * `call`. Methods of its own, and those it inherits, stay.
 */
export function attachCommands<Self extends object>(prototype: Self, run: Run<Self>): void {
  const methods: Record<string, unknown> = {
    call: callMethod(run, "utf8"),
    callBuffer: callMethod(run, null),
  };
  for (const command of FACTS.keys()) {
    if (command.includes("|")) continue;
    methods[command] = method(run, command, "utf8");
    methods[`${command}Buffer`] = method(run, command, null);
  }
  inherit(prototype, methods);
}

/**
 * Has a prototype inherit methods before what it inherits already. To add so many
 * to a prototype itself takes V8 fifty times as long.
 */
function inherit(prototype: object, methods: Record<string, unknown>): void {
  const parent: unknown = Object.getPrototypeOf(prototype);
  const bare = Object.prototype;
  for (const name of Object.keys(methods)) {
    if (Object(parent) !== bare && name in Object(parent)) delete methods[name];
  }
  Object.setPrototypeOf(methods, Object(parent));
  Object.setPrototypeOf(prototype, methods);
}

function method<Self>(run: Run<Self>, command: string, encoding: ReplyEncoding) {
  return function (this: Self, ...args: Argument[]): unknown {
    const callback = takeCallback(args);
    return run(this, command, flat(args), encoding, callback);
  };
}

function callMethod<Self>(run: Run<Self>, encoding: ReplyEncoding) {
  return function (this: Self, name: unknown, ...args: Argument[]): unknown {
    const command = typeof name === "string" ? name : describe(name);
    const callback = takeCallback(args);
    return run(this, command, flat(args), encoding, callback);
  };
}

/** Takes the callback off the end of arguments, if there is one. */
function takeCallback(args: Argument[]): Callback | undefined {
  const last: unknown = args.at(-1);
  if (!isCallback(last)) return undefined;
  args.pop();
  return last;
}

/** Arguments as a method is called with them: flat, and the callback at their end apart. */
export function withoutCallback<Result>(
  args: Argument[],
  next: (args: Argument[], callback: Callback | undefined) => Result,
): Result {
  const callback = takeCallback(args);
  return next(flat(args), callback);
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
  const [only] = args;
  // Many times quicker than flat, for the one array of many keys.
  if (args.length === 1 && Array.isArray(only)) return only.slice();
  return args.some(Array.isArray) ? args.flat() : args;
}

/**
 * What a cursor walks through, as streams: `scanStream({ match, count })` the
 * keys of all nodes, `hscanStream(key, { match, count })` and so on the elements
 * of one key, as in ioredis.
 */
export function attachScanStreams(prototype: object): void {
  const streams: Record<string, unknown> = {};
  for (const suffix of ["", "Buffer"]) {
    for (const command of ["sscan", "hscan", "zscan"]) {
      const name = `${command}${suffix}`;
      streams[`${name}Stream`] = function (this: object, key: string, options?: object) {
        return new ScanStream({ objectMode: true, key, redis: this, command: name, ...options });
      };
    }
    const name = `scan${suffix}`;
    streams[`${name}Stream`] = function (this: object, options?: object) {
      return new ScanStream({ objectMode: true, redis: this, command: name, ...options });
    };
  }
  inherit(prototype, streams);
}
