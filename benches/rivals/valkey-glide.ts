/** Valkey GLIDE, whose connections are in Rust, on threads of its own. */
import { Batch, Decoder, GlideClient } from "@valkey/valkey-glide";
import { type Address, type Client, PATIENCE } from "../clients.ts";

export async function connect({ host, port }: Address): Promise<Client> {
  const client = await GlideClient.createClient({
    addresses: [{ host, port }],
    requestTimeout: PATIENCE,
    // By default it refuses more than 1,000 at once.
    inflightRequestsLimit: 1_000_000,
  });
  return {
    get: (key) => client.get(key),
    set: (key, value) => client.set(key, value),
    mget: (keys) => client.mget(keys),
    mgetBuffer: (keys) => client.mget(keys, { decoder: Decoder.Bytes }),
    mset: (pairs) => client.customCommand(["MSET", ...pairs]),
    async pipeline(commands) {
      const batch = new Batch(false);
      for (const command of commands) batch.customCommand(command);
      return (await client.exec(batch, true)) ?? [];
    },
  };
}
