/** Lua scripts as methods: of a client, its views, its pipelines and its transactions. */
import { createHash } from "node:crypto";
import type { Argument, ReplyEncoding } from "../commands/arguments.ts";
import { ShardisError } from "../errors.ts";
import {
  type Callback,
  EXECUTE,
  type Executor,
  type Run,
  withCallback,
  withoutCallback,
} from "./methods.ts";

/** A script, as in ioredis. */
export interface ScriptDefinition {
  readonly lua: string;
  /** How many of the arguments are keys; if left out, the first argument says so. */
  readonly numberOfKeys?: number;
  /** Whether it writes nothing. */
  readonly readOnly?: boolean;
}

/** A script that has been read. */
export interface Script {
  readonly name: string;
  readonly lua: string;
  readonly sha: string;
  readonly numberOfKeys: number | undefined;
  /** What runs it by its SHA-1, and by its source. */
  readonly commands: readonly [bySha: string, bySource: string];
}

/** What a method does with its script, given the count of its keys, the keys, and other arguments. */
export type RunScript<Self> = (
  self: Self,
  script: Script,
  args: Argument[],
  encoding: ReplyEncoding,
  callback: Callback | undefined,
) => unknown;

/** @throws ShardisError `BAD_ARGUMENT` */
export function readScript(name: string, definition: ScriptDefinition): Script {
  if (!isScript(name, definition)) {
    throw new ShardisError("BAD_ARGUMENT", "a script has a name, and its source in lua");
  }
  const { lua, numberOfKeys, readOnly = false } = definition;
  const sha = createHash("sha1").update(lua).digest("hex");
  const commands = readOnly ? (["evalsha_ro", "eval_ro"] as const) : (["evalsha", "eval"] as const);
  return { name, lua, sha, numberOfKeys, commands };
}

export function isScript(name: unknown, definition: unknown): boolean {
  const lua: unknown = Reflect.get(Object(definition), "lua");
  return typeof name === "string" && name !== "" && typeof lua === "string";
}

/** Gives a client, or a prototype, the method of a script and its `…Buffer` twin. */
export function attachScript<Self extends object>(
  target: Self,
  script: Script,
  run: RunScript<Self>,
): void {
  const { name, numberOfKeys } = script;
  const method = (encoding: ReplyEncoding) =>
    function (this: Self, ...given: Argument[]): unknown {
      return withoutCallback(given, (args, callback) => {
        const counted = numberOfKeys === undefined ? args : [numberOfKeys, ...args];
        return run(this, script, counted, encoding, callback);
      });
    };
  const attributes = { configurable: true, writable: true };
  Object.defineProperty(target, name, { value: method("utf8"), ...attributes });
  Object.defineProperty(target, `${name}Buffer`, { value: method(null), ...attributes });
}

/**
 * Runs a script by its SHA-1, and by its source on a node that does not know it,
 * as after a restart or a failover.
 */
export const runBySha: RunScript<Executor> = (executor, script, args, encoding, callback) => {
  const { lua, sha, commands } = script;
  const [bySha, bySource] = commands;
  const run = async (): Promise<unknown> => {
    try {
      return await executor[EXECUTE](bySha, [sha, ...args], encoding);
    } catch (error) {
      // It has not run, so that running it now is not running it twice.
      if (!(error instanceof Error) || !error.message.startsWith("NOSCRIPT")) throw error;
      return executor[EXECUTE](bySource, [lua, ...args], encoding);
    }
  };
  return withCallback(run(), callback);
};

/**
 * Runs a script by its source: for many nodes, of which some may not know it, and
 * in the midst of other commands, where nothing can be sent once more.
 */
export function runBySource<Self>(run: Run<Self>): RunScript<Self> {
  return (self, { lua, commands: [, bySource] }, args, encoding, callback) =>
    run(self, bySource, [lua, ...args], encoding, callback);
}
