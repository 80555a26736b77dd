/** What the tests of moves share: a client of two nodes, keys on either, and what lies under them. */
import type { ExecutionContext } from "ava";
import { Redis } from "ioredis";
import { Dispatcher } from "../../src/client/dispatcher.ts";
import { ShardedRedis, type ShardedRedisOptions } from "../../src/index.ts";
import { Placement } from "../../src/placement/placement.ts";
import { type StartNodesOptions, startNodes, type TcpTestNode } from "../../src/testing/index.ts";
import { Node } from "../../src/topology/node.ts";
import { readNode } from "../../src/topology/node-options.ts";

/** A client of two nodes, and plain clients of each. */
export interface Pair {
  readonly redis: ShardedRedis;
  readonly servers: readonly TcpTestNode[];
  readonly nodes: readonly [Redis, Redis];
  /** A key that lies on the first or the second node, with a stem of its own. */
  keyOn(node: 0 | 1, stem: string): string;
}

export async function openPair(
  t: ExecutionContext,
  options: ShardedRedisOptions = {},
  servers: StartNodesOptions = {},
): Promise<Pair> {
  const started = await startNodes(2, { ...servers, unixSocket: false });
  t.teardown(() => started.stop());
  const redis = new ShardedRedis(started.nodes, options);
  await redis.connect();
  const [first, second] = started.nodes.map(({ port }) => new Redis(port));
  if (first === undefined || second === undefined) throw new RangeError("two were started");
  for (const client of [first, second]) client.on("error", () => {});
  t.teardown(() => {
    for (const client of [redis, first, second]) client.disconnect();
  });
  const keyOn = (node: 0 | 1, stem: string) => {
    for (let number = 0; ; number++) {
      const key = `${stem}:${number}`;
      if (redis.nodeFor(key).name === started.node(node).name) return key;
    }
  };
  return { redis, servers: started.nodes, nodes: [first, second], keyOn };
}

/** What carries commands out for a client, by itself; it is closed when the test has ended. */
export function openDispatcher(t: ExecutionContext, urls: readonly string[]): Dispatcher {
  const read = urls.map((url) => readNode(url));
  const limits = { commandTimeout: 5000, maxQueuedCommands: 10_000, autoBatch: true };
  const nodes = read.map((node) => new Node(node, {}, limits));
  t.teardown(() => {
    for (const node of nodes) node.disconnect();
  });
  return new Dispatcher(
    nodes,
    { placement: new Placement(read), prefix: undefined },
    { autoBatch: true },
  );
}

/** Keys of our own on a server that do not soon expire by themselves. */
export async function ownKeys(client: Redis): Promise<string[]> {
  const lasting: string[] = [];
  for (const key of await client.keys("shardis:*")) {
    const left = await client.pttl(key);
    const most = /^shardis:(mark|done):/.test(key) ? 24 * 3_600_000 : 600_000;
    if (left === -1 || left > most) lasting.push(key);
  }
  return lasting;
}

/** What lies under a key, in a form that two servers can be compared by. */
export async function look(client: Redis, key: string | Buffer): Promise<unknown> {
  const type = await client.type(key);
  const expiry = await client.call("pttl", [key]).then(async (left) => {
    if (Number(left) < 0) return left;
    return client.eval("return redis.call('PEXPIRETIME', KEYS[1])", 1, key);
  });
  return { type, expiry, content: await contentOf(client, key, type) };
}

async function contentOf(client: Redis, key: string | Buffer, type: string): Promise<unknown> {
  switch (type) {
    case "string":
      return client.getBuffer(key);
    case "list":
      return client.lrangeBuffer(key, 0, -1);
    case "set":
      return (await client.smembersBuffer(key)).map((member) => member.toString("hex")).sort();
    case "zset":
      return client.callBuffer("zrange", [key, "0", "-1", "withscores"]);
    case "hash":
      return client.hgetallBuffer(key);
    case "stream": {
      const groups = await client.call("xinfo", ["groups", key]);
      const entries = await client.callBuffer("xrange", [key, "-", "+"]);
      const pending: unknown[] = [];
      for (const group of Array.isArray(groups) ? groups : []) {
        const name = Array.isArray(group) ? String(group[1]) : "";
        pending.push(await client.call("xpending", [key, name]));
      }
      return { groups, entries, pending };
    }
    default:
      return null;
  }
}
