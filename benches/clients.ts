/** Who takes part: clients, each with the same face. */
import { shardByHand } from "./rivals/by-hand.ts";
import { connect as connectIoredis, faced } from "./rivals/ioredis.ts";

/** A server that listens for clients. */
export interface Address {
  readonly name: string;
  readonly host: string;
  readonly port: number;
}

/** What the work asks of a client. */
export interface Client {
  get(key: string): Promise<unknown>;
  set(key: string, value: string): Promise<unknown>;
  mget(keys: string[]): Promise<readonly unknown[]>;
  mgetBuffer(keys: string[]): Promise<readonly unknown[]>;
  /** @param pairs key, value, key, value and so on */
  mset(pairs: string[]): Promise<unknown>;
  /** One reply for each command; throws if one of them is an error. */
  pipeline(commands: string[][]): Promise<readonly unknown[]>;
}

/** Connects a client to one server. */
export type Connect = (address: Address) => Promise<Client>;

/** In milliseconds: a machine that is busy with other things shall make nobody give up. */
export const PATIENCE = 600_000;

/** Connects the client that is named, to all servers or, if it knows one only, to the first. */
export const CLIENTS = {
  shardis: async (addresses) => {
    const { ShardedRedis } = await import("shardis");
    const redis = new ShardedRedis(addresses, { commandTimeout: PATIENCE });
    await redis.connect();
    return faced(redis);
  },
  ioredis: (addresses) => connectIoredis(first(addresses)),
  "ioredis, auto-pipelining": (addresses) =>
    connectIoredis(first(addresses), { enableAutoPipelining: true }),
  "ioredis, sharded by hand": (addresses) => shardByHand(addresses, connectIoredis),
  "node-redis": (addresses) => connectNodeRedis(first(addresses)),
  "node-redis, sharded by hand": (addresses) => shardByHand(addresses, connectNodeRedis),
  "valkey-glide": (addresses) => connectGlide(first(addresses)),
} satisfies Record<string, (addresses: readonly Address[]) => Promise<Client>>;

export type ClientName = keyof typeof CLIENTS;

export const CLIENT_NAMES = Object.keys(CLIENTS).filter(
  (name): name is ClientName => name in CLIENTS,
);

// What may not be installed is loaded only by who asks for it.
const connectNodeRedis: Connect = async (address) =>
  (await import("./rivals/node-redis.ts")).connect(address);
const connectGlide: Connect = async (address) =>
  (await import("./rivals/valkey-glide.ts")).connect(address);

function first([address]: readonly Address[]): Address {
  if (address === undefined) throw new Error("there is no server");
  return address;
}
