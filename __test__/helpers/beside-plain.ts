/** Three nodes with the face of one beside one plain Redis, which must agree. */
import type { ExecutionContext } from "ava";
import { Redis } from "ioredis";
import type { ShardedRedis, ShardedRedisOptions } from "../../src/index.ts";
import type { TcpTestNode, TestNodes } from "../../src/testing/index.ts";
import { newClient, start } from "./setup.ts";

export type Argument = string | number | Buffer;
export type Call = readonly [command: string, ...args: Argument[]];

/** Both, and how they are asked for the same. */
export interface BesidePlain {
  readonly servers: TestNodes<TcpTestNode>;
  readonly sharded: ShardedRedis;
  readonly plain: Redis;
  /** Replies of both, or what they failed with, are alike. */
  readonly both: (...call: Call) => Promise<void>;
}

/** @param names of the three nodes */
export async function startBesidePlain(
  t: ExecutionContext,
  options: ShardedRedisOptions = {},
  names: readonly string[] = ["node1", "node2", "node3"],
): Promise<BesidePlain> {
  const servers = await start(t, 4, { names: [...names, "plain"] });
  const sharded = newClient(t, servers.nodes.slice(0, 3), options);
  await sharded.connect();
  const plain = new Redis(servers.node("plain").port, { keyPrefix: options.keyPrefix });
  t.teardown(() => plain.disconnect());
  const both = async (...[command, ...args]: Call) => {
    const [ours, theirs] = await Promise.all(
      [sharded, plain].map((client) =>
        client.callBuffer(command, args).catch((error: Error) => error.message),
      ),
    );
    t.deepEqual(ours, theirs, `${command} ${args.join(" ")}`);
  };
  return { servers, sharded, plain, both };
}
