/**
 * shardis: many Redis servers with the face of one.
 *
 * @packageDocumentation
 */
import "./cure.ts";

export type { CommandExplanation } from "./client/explain.ts";
export type { ShardedRedisStatus } from "./client/lifecycle.ts";
export type { Lock, LockOptions } from "./client/lock.ts";
export type { ShardedRedisOptions } from "./client/options.ts";
export type { ShardedPipeline } from "./client/pipeline.ts";
export type { PipelineResult } from "./client/results.ts";
export type { ScriptDefinition } from "./client/scripts.ts";
export { ShardedRedis, ShardedRedis as default } from "./client/sharded-redis.ts";
export type { KeyspaceEvent } from "./client/subscriptions.ts";
export type { ShardedTransaction } from "./client/transaction.ts";
export type { ByNode } from "./client/types.ts";
export type { CommandView, EachView, NodeView } from "./client/views.ts";
export type { TransactionOptions, TransactionWork } from "./client/watched.ts";
export type { CrossNode } from "./commands/check.ts";
export type { Recovery } from "./commands/emulate/journal.ts";
export {
  ERROR_CODES,
  type ErrorCode,
  type ErrorDetails,
  type NodeFailure,
  PartialFailureError,
  ShardisError,
} from "./errors.ts";
export type { BufferLayout, Key } from "./keys.ts";
export type { Nameable } from "./placement/node-name.ts";
export {
  type Explanation,
  Placement,
  type PlacementDiff,
  type PlacementNode,
} from "./placement/placement.ts";
export type { Plan } from "./placement/plan.ts";
export type * from "./placement/schemes.ts";
export type { NodeDescription } from "./topology/node.ts";
export type { NodeInput, NodeOptions } from "./topology/node-options.ts";
