/** Batches over whatever ioredis speaks: TLS, Unix sockets, and primaries that Sentinels know. */
import { tracingChannel } from "node:diagnostics_channel";
import test, { type ExecutionContext } from "ava";
import { Redis } from "ioredis";
import type { ShardedRedis } from "../src/index.ts";
import { startNodes } from "../src/testing/index.ts";
import { adminOf, all, type Outcome, READS, textOf, WRITES } from "./helpers/lane.ts";
import { startProxy } from "./helpers/proxy.ts";
import { startSentinel, startTls } from "./helpers/servers.ts";
import { at, eventually, newClient, start, until, watchRejections } from "./helpers/setup.ts";

watchRejections(test);

test.serial("batches over TLS, in records that end anywhere", async (t) => {
  const server = await startTls(t);
  if (server instanceof Error) return t.pass(`skipped: no server with TLS (${server.message})`);
  const proxy = await startProxy({ host: "localhost", port: server.port });
  t.teardown(() => proxy.stop());
  const redis = newClient(t, [`rediss://localhost:${proxy.port}?name=a`], {
    redisOptions: { tls: { ca: server.ca } },
  });
  await redis.connect();
  for (const bytesPerPiece of [Number.POSITIVE_INFINITY, 999]) {
    proxy.bytesPerPiece = bytesPerPiece;
    await batchesWork(t, redis);
  }
  const cut = proxy.cutReplies();
  const lost = await all([redis.get("a"), redis.get("b"), redis.mget("a", "b")]);
  await cut;
  for (const { error } of lost) t.like(error, { code: "CONNECTION_LOST" });
  await eventually(() => redis.get("a"));
  await batchesWork(t, redis);
});

test.serial("batches over Unix sockets", async (t) => {
  const servers = await startNodes(2, { unixSocket: true });
  t.teardown(() => servers.stop());
  const redis = newClient(t, servers.nodes);
  await redis.connect();
  await batchesWork(t, redis);
  const { name } = servers.node(0);
  servers.node(0).pause();
  const asked = all(keysOf("lost").map((key) => redis.get(key)));
  await servers.node(0).kill();
  for (const [index, { value, error }] of (await asked).entries()) {
    if (redis.nodeFor(at(keysOf("lost"), index)).name !== name) t.is(value, null);
    else t.like(error, { code: "CONNECTION_LOST", node: name });
  }
  await servers.node(0).restart();
  await until(() => redis.node(name).status === "ready");
  await batchesWork(t, redis);
});

test.serial("batches to a primary that Sentinels know, before and after a failover", async (t) => {
  const servers = await start(t, 3);
  const [primary, replica, other] = servers.nodes;
  if (primary === undefined || replica === undefined || other === undefined) return t.fail();
  const follower = adminOf(t, replica);
  await follower.replicaof(primary.host, primary.port);
  const port = await startSentinel(t, primary);
  const sentinels = [{ host: "127.0.0.1", port }];
  const redis = newClient(t, [
    { name: "a", sentinels, sentinelName: "mymaster" },
    { name: "b", host: other.host, port: other.port },
  ]);
  await redis.connect();
  await batchesWork(t, redis);
  const keys = keysOf("kept");
  await Promise.all(keys.map((key) => redis.set(key, textOf(key))));
  const mine = keys.filter((key) => redis.nodeFor(key).name === "a");
  await until(async () => (await follower.exists(...mine)) === mine.length);
  const watcher = new Redis(port);
  t.teardown(() => watcher.disconnect());
  await until(async () => /slaves=1/.test(await watcher.info("sentinel")));

  primary.pause();
  const asked = all(keys.map((key) => redis.get(key)));
  await primary.kill();
  for (const [index, { value, error }] of (await asked).entries()) {
    const key = at(keys, index);
    if (!mine.includes(key)) t.is(value, textOf(key));
    else t.like(error, { code: "CONNECTION_LOST", node: "a" });
  }
  // Until it has been promoted it is still a replica.
  await until(async () => (await redis.set(at(mine), textOf(at(mine))).catch(String)) === "OK");
  t.deepEqual(await Promise.all(keys.map((key) => redis.get(key))), keys.map(textOf));
  await batchesWork(t, redis);
});

test.serial("batches to a server that does not know RESP3", async (t) => {
  const servers = await start(t, 2, { args: ["--rename-command", "HELLO", ""] });
  const redis = newClient(t, servers.nodes);
  await redis.connect();
  t.is(redis.node("node1").options.protocol, 3);
  await batchesWork(t, redis);
  t.deepEqual(await all([redis.zadd("zset", 1.5, "member"), redis.zscore("zset", "member")]), [
    { value: 1, error: undefined },
    { value: "1.5", error: undefined },
  ]);
});

// --- Helpers ------------------------------------------------------------------------------------

function keysOf(label: string): string[] {
  return Array.from({ length: 200 }, (_, number) => `${label}:${number}`);
}

/** Asserts that many commands at once do what they should, in batches. */
async function batchesWork(t: ExecutionContext, redis: ShardedRedis): Promise<void> {
  const names: string[] = [];
  const tracing = tracingChannel<unknown, { command: string }>("ioredis:command");
  const note = (context: unknown) =>
    void names.push(String(Reflect.get(Object(context), "command")));
  tracing.start.subscribe(note);
  const check = (outcomes: readonly Outcome[], wanted: readonly unknown[]) =>
    t.deepEqual(
      outcomes,
      wanted.map((value) => ({ value, error: undefined })),
    );
  for (const [label, way] of Object.entries(WRITES)) {
    const keys = keysOf(label);
    check(
      await way(redis, keys),
      keys.map(() => "OK"),
    );
    for (const read of Object.values(READS)) check(await read(redis, keys), keys.map(textOf));
  }
  tracing.start.unsubscribe(note);
  t.deepEqual([...new Set(names)].sort(), ["batch"], "they are not sent in batches");
}
