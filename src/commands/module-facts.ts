/**
 * The same as `facts.ts` for commands of modules, where it takes more than to ask
 * a server where their keys are. RedisJSON names but the first key of JSON.MGET.
 */
import type { Facts } from "./facts.ts";

export const MODULE_FACTS: ReadonlyMap<string, Facts> = new Map<string, Facts>([
  ["json.mget", ["read", "options"]],
  ["json.mset", ["write", "fixed"]],
  ["ts.madd", ["write", "fixed"]],
]);
