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

/**
 * What each node is sent while `action` runs, as its MONITOR tells; copies go
 * by the order in which they came.
 */
export async function recorded(
  redis: ShardedRedis,
  action: () => Promise<unknown>,
): Promise<Record<string, string[]>> {
  const end = "end of the recording";
  const names = new Map<string, string>();
  const short = (word: string) =>
    word.replace(/^shardis:copy:\w+:\d+/, (copy) => {
      const name = names.get(copy) ?? `copy${names.size}`;
      names.set(copy, name);
      return name;
    });
  const recordings = await Promise.all(
    redis.placement.nodes.map(async (node) => {
      const monitor = await redis.node(node).monitor();
      const lines: string[] = [];
      const ended = new Promise<void>((resolve) => {
        monitor.on("monitor", (_time: string, words: string[]) => {
          if (words[0] === "echo" && words[1] === end) resolve();
          else if (words[0] === "restore") {
            lines.push(`restore ${short(words[1] ?? "")} ${words[2]} payload`);
          } else lines.push(words.map(short).join(" "));
        });
      });
      return { node, monitor, lines, ended };
    }),
  );
  await action();
  await redis.each.echo(end);
  await Promise.all(recordings.map(({ ended }) => ended));
  for (const { monitor } of recordings) monitor.disconnect();
  return Object.fromEntries(recordings.map(({ node, lines }) => [node, lines]));
}
