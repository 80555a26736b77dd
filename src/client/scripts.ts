/** Lua scripts as commands of a client. */
import { createHash } from "node:crypto";
import type { Argument, ReplyEncoding } from "../commands/arguments.ts";
import { ShardisError } from "../errors.ts";
import { type Callback, EXECUTE, type Executor, withCallback, withoutCallback } from "./methods.ts";

/** A script, as in ioredis. */
export interface ScriptDefinition {
  readonly lua: string;
  /** How many of the arguments are keys; if left out, the first argument says so. */
  readonly numberOfKeys?: number;
  /** Whether it writes nothing. */
  readonly readOnly?: boolean;
}

/**
 * Gives a client a method, and its `…Buffer` twin, that runs a script on the
 * node of its keys. The script is sent as its SHA-1, and as a whole to a node
 * that does not know it, as after a restart or a failover.
 *
 * @throws ShardisError `BAD_ARGUMENT`
 */
export function attachScript(client: Executor, name: string, definition: ScriptDefinition): void {
  const { lua, numberOfKeys, readOnly = false } = definition ?? {};
  if (typeof name !== "string" || name === "" || typeof lua !== "string") {
    throw new ShardisError("BAD_ARGUMENT", "a script has a name, and its source in lua");
  }
  const sha = createHash("sha1").update(lua).digest("hex");
  const [bySha, bySource] = readOnly ? ["evalsha_ro", "eval_ro"] : ["evalsha", "eval"];
  const run = async (args: Argument[], encoding: ReplyEncoding): Promise<unknown> => {
    const counted = numberOfKeys === undefined ? args : [numberOfKeys, ...args];
    try {
      return await client[EXECUTE](bySha, [sha, ...counted], encoding);
    } catch (error) {
      // It has not run, so that running it now is not running it twice.
      if (!(error instanceof Error) || !error.message.startsWith("NOSCRIPT")) throw error;
      return client[EXECUTE](bySource, [lua, ...counted], encoding);
    }
  };
  const method =
    (encoding: ReplyEncoding) =>
    (...given: Argument[]): Promise<unknown> =>
      withoutCallback(given, (args, callback) => withCallback(run(args, encoding), callback));
  Object.defineProperty(client, name, { value: method("utf8"), configurable: true });
  Object.defineProperty(client, `${name}Buffer`, { value: method(null), configurable: true });
}

/**
 * Gives a pipeline the methods of scripts. They are sent as a whole: nobody can
 * send what a node does not know once more in the midst of others.
 */
export function attachScriptsToPipeline(
  pipeline: PipelineLike,
  scripts: ReadonlyMap<string, ScriptDefinition>,
): void {
  for (const [name, { lua, numberOfKeys, readOnly = false }] of scripts) {
    const method =
      (encoding: ReplyEncoding) =>
      (...given: Argument[]): unknown =>
        withoutCallback(given, (args, callback) => {
          const counted = numberOfKeys === undefined ? args : [numberOfKeys, ...args];
          const command = readOnly ? "eval_ro" : "eval";
          pipeline.add({ name: command, args: [lua, ...counted], encoding, callback });
          return pipeline;
        });
    Object.defineProperty(pipeline, name, { value: method("utf8") });
    Object.defineProperty(pipeline, `${name}Buffer`, { value: method(null) });
  }
}

interface PipelineLike {
  add(entry: {
    name: string;
    args: Argument[];
    encoding: ReplyEncoding;
    callback: Callback | undefined;
  }): void;
}
