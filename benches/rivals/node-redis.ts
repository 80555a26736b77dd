/** node-redis, the npm package `@redis/client` that `redis` is made of. */
import { createClient, RESP_TYPES } from "@redis/client";
import type { Address, Client } from "../clients.ts";

export async function connect({ host, port }: Address): Promise<Client> {
  const redis = createClient({ socket: { host, port } });
  // Without a listener errors would be thrown; those of commands reject the commands.
  redis.on("error", () => {});
  await redis.connect();
  const binary = redis.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer });
  return {
    get: (key) => redis.get(key),
    set: (key, value) => redis.set(key, value),
    mget: (keys) => redis.mGet(keys),
    mgetBuffer: (keys) => binary.mGet(keys),
    mset: (pairs) => redis.mSet(pairs),
    pipeline(commands) {
      const multi = redis.multi();
      for (const command of commands) multi.addCommand(command);
      return multi.execAsPipeline();
    },
  };
}
