/** Publish and subscribe over nodes: every message reaches who asked for it, once. */
import { once } from "node:events";
import test, { type ExecutionContext } from "ava";
import { PartialFailureError, ShardedRedis, ShardisError } from "../src/index.ts";
import { startNodes } from "../src/testing/index.ts";

const CHANNELS = Array.from({ length: 12 }, (_, index) => `news:${index}`);

async function started(t: ExecutionContext, args: string[] = []) {
  const servers = await startNodes(3, { args });
  const client = () => {
    const redis = new ShardedRedis(servers.nodes, { commandTimeout: 1000 });
    t.teardown(() => redis.disconnect());
    return redis;
  };
  t.teardown(() => servers.stop());
  return { servers, client };
}

/** The first so many messages of an event, sorted. */
function messages(redis: ShardedRedis, event: string, count: number): Promise<unknown[][]> {
  return new Promise((resolve) => {
    const all: unknown[][] = [];
    redis.on(event, (...message: unknown[]) => {
      if (all.push(message) === count) resolve(all.sort());
    });
  });
}

test("a message reaches every subscriber of its channel, whichever node that is on", async (t) => {
  const { client } = await started(t);
  const [reader, other, writer] = [client(), client(), client()];
  t.is(await reader.subscribe(...CHANNELS), CHANNELS.length);
  t.is(await other.subscribe(CHANNELS[0] ?? ""), 1);
  const nodes = new Set(CHANNELS.map((channel) => writer.nodeFor(channel).name));
  t.is(nodes.size, 3, "the channels lie on all nodes");
  const received = messages(reader, "message", CHANNELS.length);
  const counts = await Promise.all(CHANNELS.map((channel) => writer.publish(channel, "hello")));
  t.deepEqual(counts, [2, ...CHANNELS.slice(1).map(() => 1)]);
  t.deepEqual(await received, CHANNELS.map((channel) => [channel, "hello"]).sort());
  t.is(await reader.set("key", "value"), "OK", "a subscriber goes on taking commands");
});

test("a pattern is subscribed to on all nodes", async (t) => {
  const { client } = await started(t);
  const [reader, writer] = [client(), client()];
  t.is(await reader.psubscribe("news:*"), 1);
  const received = messages(reader, "pmessage", CHANNELS.length);
  for (const channel of CHANNELS) t.is(await writer.publish(channel, channel), 1);
  t.deepEqual(await received, CHANNELS.map((channel) => ["news:*", channel, channel]).sort());
  t.is(await reader.punsubscribe(), 0);
  t.is(await writer.publish(CHANNELS[0] ?? "", "gone"), 0);
});

test("messages and channels may be bytes", async (t) => {
  const { client } = await started(t);
  const [reader, writer] = [client(), client()];
  const channel = Buffer.from([0xff, 0x00, 0x7b]);
  await reader.subscribe(channel);
  const received = once(reader, "messageBuffer");
  t.is(await writer.publish(channel, Buffer.from([0xfe])), 1);
  t.deepEqual(await received, [channel, Buffer.from([0xfe])]);
});

test("shard channels, with the prefix that Redis gives keys", async (t) => {
  const { servers } = await started(t);
  const options = { keyPrefix: "app:" };
  const [reader, writer] = [0, 1].map(() => new ShardedRedis(servers.nodes, options));
  if (reader === undefined || writer === undefined) return t.fail();
  t.teardown(() => [reader, writer].map((redis) => redis.disconnect()));
  t.is(await reader.ssubscribe("orders"), 1);
  const received = once(reader, "smessage");
  t.is(await writer.spublish("orders", "one"), 1);
  t.deepEqual(await received, ["app:orders", "one"]);
});

test("unsubscribing counts what is left, as Redis does", async (t) => {
  const { client } = await started(t);
  const redis = client();
  await redis.subscribe("a", "b", "c");
  await redis.psubscribe("d*");
  t.is(await redis.unsubscribe("a", "none"), 3);
  t.is(await redis.unsubscribe(), 1);
  t.is(await redis.punsubscribe("d*"), 0);
  t.is(await redis.unsubscribe(), 0);
});

test("subscriptions come back with their node", async (t) => {
  const { servers, client } = await started(t);
  const [reader, writer] = [client(), client()];
  await reader.subscribe("news");
  const { name } = reader.nodeFor("news");
  await servers.node(name).restart();
  // Whether the subscription is back shows in the count of who was reached.
  let reached = 0;
  while (reached === 0) reached = await writer.publish("news", "back").catch(() => 0);
  t.is(reached, 1);
});

test("a node that is down fails its channels, and no others", async (t) => {
  const { servers, client } = await started(t);
  const redis = client();
  await redis.connect();
  await servers.node("node2").kill();
  const error = await t.throwsAsync(redis.subscribe(...CHANNELS), {
    instanceOf: PartialFailureError,
  });
  t.deepEqual([...error.failures.keys()], ["node2"]);
  const channel = CHANNELS.find((name) => redis.nodeFor(name).name === "node1") ?? "";
  t.is(await redis.publish(channel, "hello"), 1);
});

test("views of given nodes refuse to subscribe on connections that others share", async (t) => {
  const { client } = await started(t);
  const redis = client();
  for (const attempt of [redis.each.subscribe("a"), redis.by("a").psubscribe("a*")]) {
    const error = await t.throwsAsync(attempt, { instanceOf: ShardisError });
    t.is(error.code, "UNSUPPORTED");
  }
});

test("the key-space events of all nodes are one loop, with the name of the node", async (t) => {
  const { client } = await started(t, ["--notify-keyspace-events", "KEA"]);
  const redis = client();
  const keys = ["a", "b", "c", "d", "e", "f"];
  const expected = keys.map((key) => `${redis.nodeFor(key).name} ${key}`).sort();
  const seen: string[] = [];
  const events = redis.keyspaceEvents({ pattern: "__keyevent@0__:set" });
  const first = events.next();
  // The loop has begun once an event of each node has been seen: keys are set until then.
  const writing = (async () => {
    while (seen.length < keys.length) {
      await Promise.all(keys.map((key) => redis.set(key, "value")));
    }
  })();
  const { value } = await first;
  if (value !== undefined) seen.push(`${value.node} ${value.message}`);
  for await (const { node, message } of events) {
    const event = `${node} ${message}`;
    if (!seen.includes(event)) seen.push(event);
    if (seen.length === keys.length) break;
  }
  await writing;
  t.deepEqual(seen.sort(), expected);
});

test("a loop over key-space events ends when it is told to", async (t) => {
  const { client } = await started(t, ["--notify-keyspace-events", "KEA"]);
  const controller = new AbortController();
  const events = client().keyspaceEvents({ signal: controller.signal });
  const next = events.next();
  controller.abort();
  await t.throwsAsync(next, { name: "AbortError" });
});
