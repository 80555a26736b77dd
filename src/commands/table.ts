/**
 * What shardis knows about commands beyond their key positions, which come from
 * the metadata of ioredis (`@ioredis/commands`). A new command is a row.
 */

/** How the arguments of a command are cut, and its replies made one. */
export interface SplitPolicy {
  /** `keys`: every argument is a key; `pairs`: keys and values in turn. */
  readonly shape: "keys" | "pairs";
  /** `each`: a reply for each key, in order; `sum`: numbers added; `ok`: all say OK. */
  readonly merge: "each" | "sum" | "ok";
}

/** Commands whose keys are independent of each other: cut by node, and run side by side. */
export const SPLIT_COMMANDS: ReadonlyMap<string, SplitPolicy> = new Map([
  ["mget", { shape: "keys", merge: "each" }],
  ["mset", { shape: "pairs", merge: "ok" }],
  ["del", { shape: "keys", merge: "sum" }],
  ["unlink", { shape: "keys", merge: "sum" }],
  ["exists", { shape: "keys", merge: "sum" }],
  ["touch", { shape: "keys", merge: "sum" }],
]);

/**
 * Commands that change the connection they are sent on, which all commands to
 * its node share: refused, with the way out.
 */
export const CONNECTION_COMMANDS: ReadonlyMap<string, string> = new Map([
  ...rows("redis.node(name).duplicate()", [
    "monitor",
    "psubscribe",
    "psync",
    "punsubscribe",
    "replconf",
    "ssubscribe",
    "subscribe",
    "sunsubscribe",
    "sync",
    "unsubscribe",
  ]),
  ...rows("redis.node(name), whose multi() and pipeline() belong to one node", [
    "discard",
    "exec",
    "multi",
    "unwatch",
    "watch",
  ]),
  ...rows("redis.quit()", ["quit"]),
  ...rows("the option db of the nodes", ["select"]),
  ...rows("the options username and password of the nodes", ["auth"]),
  ...rows("the option protocol of redisOptions", ["hello"]),
  ...rows("redis.node(name)", ["asking", "client", "himport", "readonly", "readwrite", "reset"]),
]);

/** Commands whose patterns name keys that only the server could work out. */
export const SORT_COMMANDS: ReadonlySet<string> = new Set(["sort", "sort_ro"]);

function rows(wayOut: string, commands: readonly string[]): [string, string][] {
  return commands.map((command) => [command, wayOut]);
}
