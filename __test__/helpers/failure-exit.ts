/**
 * A process of its own that uses a client and closes it; it says what it does,
 * and ends only because nothing keeps it.
 *
 *     node failure-exit.ts <how> <url>…
 */
import { ShardedRedis, ShardisError } from "../../src/index.ts";

const [, , how = "", ...urls] = process.argv;
const redis = new ShardedRedis(urls, {
  commandTimeout: 1000,
  lazyConnect: how.startsWith("lazy"),
});

function say(what: unknown): void {
  const text = what instanceof ShardisError ? what.code : String(what);
  process.stdout.write(`${text}\n`);
}

const WAYS: Record<string, () => Promise<unknown> | unknown> = {
  quit: async () => {
    say(await redis.set("key", "value"));
    await redis.quit();
  },
  "quit at once": () => redis.quit(),
  disconnect: async () => {
    say(await redis.set("key", "value"));
    redis.disconnect();
  },
  "disconnect at once": () => redis.disconnect(),
  "disconnect while the node is down": async () => {
    await redis.get("key").catch(say);
    redis.disconnect();
  },
  "quit while the node is down": async () => {
    await redis.get("key").catch(say);
    await redis.quit();
  },
  "disconnect with commands in flight": async () => {
    await redis.connect();
    redis.get("key").catch(say);
    redis.blpop("list", 0).catch(say);
    redis.disconnect();
  },
  "disconnect after blocking": async () => {
    say(await redis.blpop("list", 0.01));
    redis.disconnect();
  },
  "quit after blocking": async () => {
    say(await redis.blpop("list", 0.01));
    await redis.quit();
  },
  lazy: () => undefined,
  "lazy quit": () => redis.quit(),
};

await WAYS[how]?.();
say("done");
