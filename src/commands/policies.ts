/**
 * What shardis does with commands that ask for more than to be sent to the node
 * of their keys. A new command is a row. What Redis' own metadata says of a
 * command needs none: see `facts.ts`.
 */

/** How a command is carried out over several nodes. */
export type Policy =
  /** On the node where all its keys lie; refused if they do not lie on one. */
  | { readonly kind: "node" }
  /**
   * Cut into one command for each node that owns any of its keys. With any of the
   * options `uncut` it is all or nothing, which no cut command could be.
   */
  | {
      readonly kind: "split";
      readonly shape: Shape;
      readonly merge: Merge;
      readonly uncut?: readonly string[];
    }
  /**
   * On one node, with copies of the keys that lie on others: see `emulate/ship.ts`.
   * `written` says which of its keys it writes, which is never a copy.
   */
  | { readonly kind: "ship"; readonly written: "none" | "first" | "last" }
  /** The same, with the keys that its patterns name: see `emulate/sort.ts`. */
  | { readonly kind: "sort" }
  /**
   * From its first key to its second, step by step and by a journal: see `emulate/move.ts`. If it
   * may wait, it is tried until there is something: see `emulate/wait.ts`.
   */
  | { readonly kind: "move" }
  /**
   * Asked of the nodes of its keys in several steps: see `emulate/probe.ts`,
   * `emulate/streams.ts`, `emulate/all-or-none.ts`; and again, if it may wait, until there is
   * something.
   */
  | { readonly kind: "steps"; readonly name: "probe" | "streams" | "all or none" }
  /** On the node that the name of a channel, its first argument, is placed on. */
  | { readonly kind: "channel" }
  /** On connections of their own: see `client/subscriptions.ts`. Refused on a given node. */
  | { readonly kind: "subscribe" }
  /** Sent to every node. */
  | { readonly kind: "every"; readonly merge: Merge }
  /** Sent to the first node, as all would answer alike. */
  | { readonly kind: "any" }
  /** Carried out by code of its own. */
  | { readonly kind: "special"; readonly name: "scan" | "randomkey" }
  /**
   * Refused, with the way out. `always` is refused on a given node too: what
   * changes a connection, which all commands to its node share.
   */
  | { readonly kind: "refuse"; readonly wayOut: string; readonly always: boolean };

/**
 * How the arguments of a command belong to its keys: each key takes `width` of
 * them, itself included. Before the keys may stand how many they are; behind
 * them `common` arguments, or then any number of options, which every part gets.
 */
export interface Shape {
  readonly width: 1 | 2 | 3;
  readonly isCounted: boolean;
  readonly common: number;
}

/**
 * How the replies of nodes become one: `each` a reply for each key, in order;
 * `sum` of numbers; `least` of numbers, of arrays place by place; `same` the
 * reply of the first, as all succeeded alike; `some` the reply of any that
 * succeeded; `list` arrays one after another; `keys` the same, without keys of
 * our own; `text` one text after another.
 */
export type Merge = "each" | "sum" | "least" | "same" | "some" | "list" | "keys" | "text";

const KEYS: Shape = { width: 1, isCounted: false, common: 0 };
const PAIRS: Shape = { ...KEYS, width: 2 };
const TRIPLES: Shape = { ...KEYS, width: 3 };
const KEYS_AND_PATH: Shape = { ...KEYS, common: 1 };
const COUNTED_PAIRS: Shape = { ...PAIRS, isCounted: true };

const ROWS: readonly (readonly [policy: Policy, commands: string])[] = [
  [{ kind: "split", shape: KEYS, merge: "each" }, "mget"],
  [{ kind: "split", shape: KEYS_AND_PATH, merge: "each" }, "json.mget"],
  [{ kind: "split", shape: PAIRS, merge: "same" }, "mset"],
  [{ kind: "split", shape: COUNTED_PAIRS, merge: "least", uncut: ["nx", "xx"] }, "msetex"],
  [{ kind: "split", shape: TRIPLES, merge: "same" }, "json.mset"],
  [{ kind: "split", shape: TRIPLES, merge: "each" }, "ts.madd"],
  [{ kind: "split", shape: KEYS, merge: "sum" }, "del exists touch unlink"],

  [
    { kind: "ship", written: "none" },
    "eval_ro evalsha_ro fcall_ro " +
      "lcs pfcount sdiff sdiffcard sinter sintercard sunion sunioncard zdiff zinter zintercard zunion",
  ],
  [
    { kind: "ship", written: "first" },
    "bitop geosearchstore pfmerge sdiffstore sinterstore sunionstore zdiffstore zinterstore " +
      "zrangestore zunionstore",
  ],
  [{ kind: "ship", written: "last" }, "georadius georadiusbymember"],

  [{ kind: "sort" }, "sort sort_ro"],

  [{ kind: "steps", name: "probe" }, "blmpop blpop brpop bzmpop bzpopmax bzpopmin lmpop zmpop"],
  [{ kind: "steps", name: "streams" }, "xread xreadgroup"],
  [{ kind: "steps", name: "all or none" }, "msetnx"],
  [{ kind: "move" }, "blmove brpoplpush copy lmove rename renamenx rpoplpush smove"],

  [{ kind: "every", merge: "keys" }, "keys"],
  [{ kind: "every", merge: "list" }, "slowlog|get"],
  [{ kind: "every", merge: "text" }, "info"],
  [{ kind: "every", merge: "same" }, "acl|load bgrewriteaof bgsave save"],
  [{ kind: "every", merge: "same" }, "module|load module|unload"],
  [{ kind: "any" }, "acl|cat acl|genpass acl|getuser acl|list acl|users acl|whoami"],
  [{ kind: "any" }, "config|get echo lolwut module|list time"],
  [{ kind: "any" }, "function|dump function|list function|stats"],
  [{ kind: "any" }, "command command|count command|docs command|getkeys"],
  [{ kind: "any" }, "command|getkeysandflags command|info command|list"],
  [{ kind: "special", name: "scan" }, "scan"],
  [{ kind: "special", name: "randomkey" }, "randomkey"],

  [{ kind: "channel" }, "publish"],
  [{ kind: "subscribe" }, "psubscribe punsubscribe ssubscribe subscribe sunsubscribe unsubscribe"],
  ...refused("redis.node(name).duplicate()", "monitor psync replconf sync"),
  ...refused("redis.multi(), or redis.by(key).multi()", "discard exec multi"),
  ...refused("redis.transaction(keys, work)", "unwatch watch"),
  ...refused("redis.quit()", "quit"),
  ...refused("the option db of the nodes", "select"),
  ...refused("the options username and password of the nodes", "auth"),
  ...refused("the option protocol of redisOptions", "hello"),
  ...refused("redis.node(name)", "asking client himport readonly readwrite reset"),
];

/** What changes a connection. */
function refused(wayOut: string, commands: string): [Policy, string][] {
  return [[{ kind: "refuse", wayOut, always: true }, commands]];
}

/** Policies of our own, by command, or by `command|subcommand`. */
export const POLICIES: ReadonlyMap<string, Policy> = new Map(
  ROWS.flatMap(([policy, commands]) =>
    commands.split(" ").map((command) => [command, policy] as const),
  ),
);

/** What Redis' response policies mean here, for commands without keys. */
export const RESPONSES: ReadonlyMap<string, Merge> = new Map<string, Merge>([
  ["all_succeeded", "same"],
  ["one_succeeded", "some"],
  ["agg_sum", "sum"],
  ["agg_min", "least"],
  // Of truths, 0 and 1, the least is whether all hold.
  ["agg_logical_and", "least"],
]);
