/** The types of the client's methods: those of ioredis, with the results of each view. */
import type { Redis, RedisCommander } from "ioredis";

/** What a command returns on every node, by the node's name. */
export type ByNode<Result> = Record<string, Result>;

// ioredis' own way for others to say what its commands return elsewhere.
declare module "ioredis/built/utils/RedisCommander.js" {
  interface ResultTypes<Result, Context> {
    each: Promise<ByNode<Result>>;
  }
}

/** Every command of ioredis. */
export type Commands = RedisCommander<{ type: "default" }>;

/** Keys, and the elements of one key, as streams. */
export type ScanStreams = Pick<
  Redis,
  | "hscanBufferStream"
  | "hscanStream"
  | "scanBufferStream"
  | "scanStream"
  | "sscanBufferStream"
  | "sscanStream"
  | "zscanBufferStream"
  | "zscanStream"
>;

/** Every command of ioredis, run on each node. */
export type EachCommands = RedisCommander<{ type: "each" }>;
