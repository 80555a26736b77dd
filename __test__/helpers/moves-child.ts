/**
 * A process of its own that carries one command out, and is killed on the way.
 *
 *     node moves-child.ts <nodes as JSON> <command> <argument>…
 */
import { ShardedRedis } from "../../src/index.ts";

const [, , nodes = "[]", command = "", ...args] = process.argv;
const redis = new ShardedRedis(JSON.parse(nodes));
await redis.connect();
await redis.call(command, ...args);
await redis.quit();
