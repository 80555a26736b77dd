/** ioredis, and what has its methods. */
import { Redis, type RedisOptions } from "ioredis";
import type { Address, Client } from "../clients.ts";

export async function connect({ host, port }: Address, options?: RedisOptions): Promise<Client> {
  const redis = new Redis({ ...options, host, port });
  await redis.ping();
  return faced(redis);
}

/** The methods that ioredis and shardis share. */
type Methods = Pick<Redis, "get" | "set" | "mget" | "mgetBuffer" | "mset" | "pipeline">;

/** The face of a client that has the methods of ioredis. */
export function faced(redis: Methods): Client {
  return {
    get: (key) => redis.get(key),
    set: (key, value) => redis.set(key, value),
    mget: (keys) => redis.mget(keys),
    mgetBuffer: (keys) => redis.mgetBuffer(keys),
    mset: (pairs) => redis.mset(pairs),
    async pipeline(commands) {
      const results = (await redis.pipeline(commands).exec()) ?? [];
      return results.map(([error, reply]) => {
        if (error !== null) throw error;
        return reply;
      });
    },
  };
}
