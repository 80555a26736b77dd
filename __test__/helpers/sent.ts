/** What tests ask of servers about the commands that came to them. */
import type { ExecutionContext } from "ava";
import type { ShardedRedis } from "../../src/index.ts";

/** Asserts that no server gets any command while `action` runs. */
export async function nothingIsSent(
  t: ExecutionContext,
  redis: ShardedRedis,
  action: () => Promise<void>,
): Promise<void> {
  await onlyIsSent(t, redis, [], action);
}

/** Asserts that no server gets any other command than these while `action` runs. */
export async function onlyIsSent(
  t: ExecutionContext,
  redis: ShardedRedis,
  allowed: readonly string[],
  action: () => Promise<void>,
): Promise<void> {
  await redis.each.config("RESETSTAT");
  await action();
  for (const [name, info] of Object.entries(await redis.each.info("commandstats"))) {
    const commands = [...info.matchAll(/^cmdstat_([^:]+)/gm)].map(([, command = ""]) => command);
    const others = commands.filter((command) => !allowed.includes(command));
    t.deepEqual(others, ["config|resetstat"], name);
  }
}
