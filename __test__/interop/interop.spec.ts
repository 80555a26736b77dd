/**
 * What another client wrote, shardis finds, and the other way round: real clients, real servers.
 *
 * A client that cannot run here is a failure, unless SHARDIS_INTEROP_ALLOW_MISSING=1 is set; the
 * summary at the end lists it in both cases.
 */

import test, { type ExecutionContext } from "ava";
import { Placement, ShardedRedis } from "../../src/index.ts";
import { type ClientName, clients, type Presence, prepare } from "./clients.ts";
import { generate } from "./keys.ts";
import type { Action, Item, Key } from "./protocol.ts";
import { type Servers, startServers } from "./servers.ts";
import { type Configuration, configurations, emptied, refusals, unknown } from "./systems.ts";

const { SHARDIS_INTEROP_KEYS, SHARDIS_INTEROP_SEED, SHARDIS_INTEROP_ALLOW_MISSING } = process.env;
const keysEach = Number(SHARDIS_INTEROP_KEYS || 3000);
const seed = Number(SHARDIS_INTEROP_SEED || 20260101);
const allowMissing = SHARDIS_INTEROP_ALLOW_MISSING === "1";

const presences = new Map<ClientName, Presence>();
for (const name of Object.keys(clients) as ClientName[]) presences.set(name, await prepare(name));

/** Keys that went each way and were found, of each client. */
const found = new Map<ClientName, { configurations: number; theirs: number; ours: number }>();

let shared: Servers;

test.before(async () => {
  shared = await startServers(Math.max(...configurations.map(({ nodes }) => nodes)));
});

test.beforeEach(() => shared.empty());

test.after.always(async () => {
  await shared.stop();
  console.log(summary());
});

for (const [name, presence] of presences) {
  if ("version" in presence) continue;
  test.serial(`${name}: is on this machine`, (t) => {
    t.log(presence.missing);
    if (allowMissing) t.pass();
    else t.fail("missing; SHARDIS_INTEROP_ALLOW_MISSING=1 lets the others run without it");
  });
}

for (const configuration of configurations.filter(({ client }) => isHere(client))) {
  const { client, label } = configuration;
  const count = found.get(client) ?? { configurations: 0, theirs: 0, ours: 0 };
  found.set(client, count);
  count.configurations++;
  const items = generate(seed, keysEach, configuration.keys);

  test.serial(`${client}, ${label}: it writes, shardis reads`, async (t) => {
    const { refused } = await drive(configuration, "write", items);
    t.deepEqual(refused, [], "the client refuses keys that this test is not about");
    const sizes = await nodesShare(t, configuration, items);
    await withShardis(configuration, async (redis) => {
      const read = await Promise.all(items.map(({ key }, at) => get(redis, key, at)));
      count.theirs += allFound(t, items, read, `one by one; per node ${sizes.join(" ")}`);
      // The client itself has no mget of keys whose tags are cut off, each in its own way.
      if (configuration.keys.storedAs) return;
      allFound(t, items, await redis.mgetBuffer(items.map(({ key }) => key)), "by one mget");
    });
  });

  test.serial(`${client}, ${label}: shardis writes, it reads`, async (t) => {
    await withShardis(configuration, (redis) =>
      Promise.all(items.map(({ key, value }) => redis.set(key, value))),
    );
    const sizes = await nodesShare(t, configuration, items);
    const { refused, values } = await drive(configuration, "read", items);
    t.deepEqual(refused, []);
    count.ours += allFound(t, items, values, `by it; per node ${sizes.join(" ")}`);
  });
}

for (const refusal of refusals.filter(({ client }) => isHere(client))) {
  test.serial(`${refusal.client}, ${refusal.label}: refused by it`, async (t) => {
    const items = refusal.refuses.map((key) => ({ key, value: Buffer.from("value") }));
    const { refused } = await drive(refusal, "write", items);
    t.is(refused.length, items.length, "it does not refuse all of them");
    t.deepEqual(await shared.sizes(refusal.nodes), new Array(refusal.nodes).fill(0));
    // No data of it can exist under such a key: shardis may refuse too, or keep its own there.
    await withShardis(refusal, async (redis) => {
      for (const { key } of items) {
        const outcome = await valueOrCode(() => redis.set(key, "ours").then(() => redis.get(key)));
        t.log(`${JSON.stringify(key)}: shardis ${outcome === "ours" ? "places it" : outcome}`);
        t.true(
          outcome === "ours" || outcome === "BAD_KEY",
          `${outcome}: neither found nor refused`,
        );
      }
    });
  });
}

if (isHere(emptied.client)) {
  test.serial(`${emptied.client}, ${emptied.label}: refused, never a miss`, async (t) => {
    await withShardis(emptied, async (redis) => {
      for (const key of emptied.writes) {
        const value = `of ${key}`;
        const { refused } = await drive(emptied, "write", [{ key, value: Buffer.from(value) }]);
        t.deepEqual(refused, []);
        const outcome = await valueOrCode(() => redis.get(key));
        t.is(outcome, "BAD_KEY", key);
      }
    });
  });
}

for (const { label, placement } of unknown) {
  test.serial(`${label}: not placed as something else`, (t) => {
    const error = t.throws(() => new Placement(["127.0.0.1:7101", "127.0.0.1:7102"], placement));
    t.log(error.message);
  });
}

function isHere(client: ClientName): boolean {
  const presence = presences.get(client);
  return presence !== undefined && "version" in presence;
}

type Setting = Omit<Configuration, "keys">;

function nodesOf({ nodes, name, weights }: Setting) {
  return shared.servers.slice(0, nodes).map((server, index) => ({
    name: name(server, index),
    host: server.host,
    port: server.port,
    weight: weights?.[index] ?? 1,
  }));
}

function drive(setting: Setting, action: Action, items: readonly Item[]) {
  const { drive } = clients[setting.client];
  return drive({ nodes: nodesOf(setting), config: setting.config, action, items });
}

async function withShardis<T>(setting: Setting, use: (redis: ShardedRedis) => Promise<T>) {
  const redis = new ShardedRedis(nodesOf(setting), { placement: setting.placement });
  try {
    return await use(redis);
  } finally {
    await redis.quit();
  }
}

/** What was asked for, or the code of the error that came instead. */
async function valueOrCode(ask: () => Promise<unknown>): Promise<unknown> {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof Error && "code" in error) return error.code;
    throw error;
  }
}

/** By `get` where the value is text, else by `getBuffer`: every third value is binary. */
async function get(redis: ShardedRedis, key: Key, at: number) {
  if (at % 3 === 0) return redis.getBuffer(key);
  const text = await redis.get(key);
  return text === null ? null : Buffer.from(text);
}

/** Every key is on exactly one node, and the nodes share them as far as the client lets them. */
async function nodesShare(
  t: ExecutionContext,
  { nodes, lopsided = false }: Setting,
  items: readonly Item[],
): Promise<number[]> {
  const sizes = await shared.sizes(nodes);
  const total = sizes.reduce((sum, size) => sum + size, 0);
  t.is(total, items.length, "keys were lost or doubled");
  if (!lopsided) t.true(Math.min(...sizes) > 0, `a node got nothing: ${sizes.join(" ")}`);
  return sizes;
}

/** How many there are, once all of them were found. */
function allFound(
  t: ExecutionContext,
  items: readonly Item[],
  values: readonly (Buffer | null)[],
  how: string,
): number {
  const wrong = items.flatMap(({ key, value }, index) => {
    const got = values[index];
    if (got?.equals(value)) return [];
    return [`${JSON.stringify(key)}: ${got ? "another value" : "not found"}`];
  });
  const about = `${items.length - wrong.length} of ${items.length} keys found ${how}`;
  t.log(about);
  t.deepEqual(wrong.slice(0, 20), [], about);
  return items.length;
}

function summary(): string {
  const lines = [...presences].map(([name, presence]) => {
    if ("missing" in presence) return `  MISSING ${name}: ${presence.missing}`;
    const { configurations = 0, theirs = 0, ours = 0 } = found.get(name) ?? {};
    return (
      `  ${presence.version}: ${configurations} configurations, ` +
      `${theirs} keys of its own found by shardis, ${ours} keys of shardis found by it`
    );
  });
  return `\nInterop, ${keysEach} keys a configuration and direction, seed ${seed}:\n${lines.join("\n")}\n`;
}
