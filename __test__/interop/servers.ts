/** The Redis servers that all configurations share, emptied between them. */

import { Redis } from "ioredis";
import { startNodes } from "../../src/testing/index.ts";
import type { Server } from "./systems.ts";

export interface Servers {
  servers: readonly Server[];
  empty: () => Promise<void>;
  /** How many keys the first `count` of them hold, each. */
  sizes: (count: number) => Promise<number[]>;
  stop: () => Promise<void>;
}

export async function startServers(count: number): Promise<Servers> {
  const started = await startNodes(count);
  const servers = started.nodes.map(({ host, port }) => ({ host, port }));
  const connections = servers.map(({ host, port }) => new Redis({ host, port }));
  return {
    servers,
    async empty() {
      await Promise.all(connections.map((redis) => redis.flushall()));
    },
    sizes(first) {
      return Promise.all(connections.slice(0, first).map((redis) => redis.dbsize()));
    },
    async stop() {
      await Promise.all(connections.map((redis) => redis.quit()));
      await started.stop();
    },
  };
}
