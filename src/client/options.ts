/** The options of a client. */
import type { RedisOptions } from "ioredis";
import { CROSS_NODE_MODES, type CrossNode } from "../commands/check.ts";
import { ShardisError } from "../errors.ts";
import { describe } from "../keys.ts";
import type { PlacementOptions } from "../placement/schemes.ts";
import { isScript, type ScriptDefinition } from "./scripts.ts";

export interface ShardedRedisOptions {
  /** How keys are placed; `{ scheme: "slots" }` by default. */
  readonly placement?: PlacementOptions;
  /**
   * In how many milliseconds every command settles, whatever becomes of its
   * node; 5000 by default. Blocking commands may take longer by as much as they
   * ask for.
   */
  readonly commandTimeout?: number;
  /** How many commands may wait for one node to be reached; 10,000 by default. */
  readonly maxQueuedCommands?: number;
  /**
   * Whether what is sent to a node in one tick is sent as one batch, which takes
   * a fraction of the time; true by default. If false, each command is one of ioredis'.
   */
  readonly autoBatch?: boolean;
  /** What is put before every key, and hashed with it. */
  readonly keyPrefix?: string;
  /**
   * What is done with a command whose keys lie on several nodes. `"emulate"`, the
   * default: all that can be; `"split"`: what can be cut by node is, and what would
   * take several steps is refused; `"refuse"`: it is refused, as by `redis.strict`.
   */
  readonly crossNode?: CrossNode;
  /** Lua scripts that are methods from the beginning, as of `defineCommand`. */
  readonly scripts?: Readonly<Record<string, ScriptDefinition>>;
  /** Whether to connect only when the first command comes; false by default. */
  readonly lazyConnect?: boolean;
  /** ioredis options of every node. */
  readonly redisOptions?: RedisOptions;
}

/** The options as they are used. */
export interface CheckedOptions {
  readonly commandTimeout: number;
  readonly maxQueuedCommands: number;
  readonly autoBatch: boolean;
  readonly keyPrefix: string | undefined;
  readonly crossNode: CrossNode;
  readonly scripts: Readonly<Record<string, ScriptDefinition>>;
  readonly lazyConnect: boolean;
  readonly redisOptions: RedisOptions;
}

const NAMES = [
  "placement",
  "commandTimeout",
  "maxQueuedCommands",
  "autoBatch",
  "keyPrefix",
  "crossNode",
  "scripts",
  "lazyConnect",
  "redisOptions",
];

/**
 * Options checked, with what is left out filled in.
 *
 * @throws ShardisError `BAD_OPTION`
 */
export function checkOptions(options: ShardedRedisOptions): CheckedOptions {
  if (!isObject(options)) throw bad("the options are an object");
  for (const name of Object.keys(options)) {
    if (NAMES.includes(name)) continue;
    throw bad(
      `there is no option "${name}" (there are ${NAMES.join(", ")}); options of ioredis go ` +
        `into redisOptions: { ${name}: … }`,
    );
  }
  const { redisOptions = {} } = options;
  if (!isObject(redisOptions)) throw bad("redisOptions are an object");
  const { commandTimeout = redisOptions.commandTimeout ?? 5000, maxQueuedCommands = 10_000 } =
    options;
  checkNumber("commandTimeout", commandTimeout, 1);
  checkNumber("maxQueuedCommands", maxQueuedCommands, 0);
  const { keyPrefix = redisOptions.keyPrefix } = options;
  if (keyPrefix !== undefined && typeof keyPrefix !== "string") throw bad("keyPrefix is a string");
  const { crossNode = "emulate" } = options;
  if (!CROSS_NODE_MODES.includes(crossNode)) {
    throw bad(`crossNode is one of ${CROSS_NODE_MODES.map(describe).join(", ")}`);
  }
  const { scripts = redisOptions.scripts ?? {} } = options;
  if (!isObject(scripts)) throw bad("scripts are an object: { name: { lua, numberOfKeys } }");
  for (const [name, script] of Object.entries(scripts)) {
    if (!isScript(name, script)) throw bad(`the script ${describe(name)} has no source in lua`);
  }
  const { lazyConnect = redisOptions.lazyConnect ?? false } = options;
  if (typeof lazyConnect !== "boolean") throw bad("lazyConnect is true or false");
  const { autoBatch = true } = options;
  if (typeof autoBatch !== "boolean") throw bad("autoBatch is true or false");
  return {
    commandTimeout,
    maxQueuedCommands,
    autoBatch,
    keyPrefix: keyPrefix === "" ? undefined : keyPrefix,
    crossNode,
    scripts,
    lazyConnect,
    redisOptions,
  };
}

function isObject(value: unknown): boolean {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function checkNumber(name: string, value: unknown, least: number): void {
  if (typeof value === "number" && value >= least && value <= 2 ** 31 - 1) return;
  throw bad(`${name} is a number from ${least} to ${2 ** 31 - 1}`);
}

function bad(message: string): ShardisError {
  return new ShardisError("BAD_OPTION", message);
}
