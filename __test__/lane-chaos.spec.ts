/** Whatever becomes of connections, and whatever is on them: no reply is another's, none is made up. */
import { setImmediate as turn } from "node:timers/promises";
import test from "ava";
import { ShardisError } from "../src/index.ts";
import {
  type Ask,
  adminOf,
  all,
  COUNTS,
  calm,
  mixed,
  type Outcome,
  READS,
  textOf,
} from "./helpers/lane.ts";
import { at, keysOn, settle, setUp, until, watchRejections } from "./helpers/setup.ts";

watchRejections(test);

const SHORT = 1000;

/**
 * Nobody waits for the next attempt to connect. What ioredis subscribes to by itself
 * would be rejected to nobody where the connection breaks again.
 */
const redisOptions = { retryStrategy: () => 5, autoResubscribe: false };

test.serial("connections that fail again and again, under all kinds of commands", async (t) => {
  const { redis, proxies, servers } = await setUp(t, 2, { commandTimeout: SHORT, redisOptions });
  const admins = servers.map((server) => adminOf(t, server));
  const keys = mixed([keysOn(redis, "node1", 50), keysOn(redis, "node2", 50)]);
  const counters = mixed([keysOn(redis, "node1", 20, "n"), keysOn(redis, "node2", 20, "n")]);
  await redis.mset(keys.flatMap((key) => [key, textOf(key)]));
  const heard: string[] = [];
  for (const node of redis.nodes()) {
    node.on("message", (channel, message) => heard.push(`${channel} ${message}`));
    await node.subscribe("channel");
    node.on("ready", () => void node.subscribe("channel").catch(() => {}));
  }
  const some = (keys: readonly string[]) => keys.filter(() => Math.random() < 0.3);
  const acknowledged = new Map<string, number[]>();
  const unknown = new Map<string, number>();
  const reasons = new Set<string>();
  let isOver = false;
  let answered = 0;
  const check = ({ value, error }: Outcome, wanted: unknown) => {
    if (error !== undefined) {
      reasons.add(String(error));
      return;
    }
    answered++;
    if (value !== wanted) t.is(value, wanted);
  };
  const read = async (way: Ask) => {
    while (!isOver) {
      const asked = some(keys);
      if (asked.length === 0) continue;
      const outcomes = await way(redis, asked);
      for (const [index, key] of asked.entries()) check(at(outcomes, index), textOf(key));
      await turn();
    }
  };
  const count = async (way: Ask) => {
    while (!isOver) {
      const asked = some(counters);
      const outcomes = await way(redis, asked);
      for (const [index, key] of asked.entries()) {
        const { value, error } = at(outcomes, index);
        if (error === undefined)
          acknowledged.set(key, [...(acknowledged.get(key) ?? []), Number(value)]);
        else if (!(error instanceof ShardisError)) throw error;
        else if (error.sent) unknown.set(key, (unknown.get(key) ?? 0) + 1);
      }
      await turn();
    }
  };
  /** ioredis' own commands, and what servers say unasked, between those of batches. */
  const meddle = async () => {
    while (!isOver) {
      const key = at(keys, Math.floor(Math.random() * keys.length));
      const node = redis.node(redis.nodeFor(key).name);
      check(at(await all([node.get(key)])), textOf(key));
      await Promise.all(admins.map((admin) => admin.publish("channel", "message")));
    }
  };
  const ways = [...Object.values(READS).map(read), ...Object.values(COUNTS).map(count), meddle()];
  for (let round = 0; round < 40; round++) {
    const proxy = at(proxies, round % 2);
    const before = answered;
    await until(() => answered > before + 200, "answers");
    proxy.bytesPerPiece = at(
      [Number.POSITIVE_INFINITY, 1000, 50, 7],
      Math.floor(Math.random() * 4),
    );
    const strike = Math.floor(Math.random() * 5);
    if (strike === 0) proxy.cut();
    else if (strike === 1) proxy.reset();
    else if (strike === 2) await proxy.truncateReplyAfter(Math.floor(Math.random() * 5000));
    else if (strike === 3) await proxy.forgeReplyAfter(Math.floor(Math.random() * 5000), "");
    else await at(admins, round % 2).call("client", "KILL", "TYPE", "normal", "SKIPME", "yes");
  }
  isOver = true;
  for (const proxy of proxies) {
    await proxy.heal();
    // One that is stalled would keep ioredis' own commands for ever.
    proxy.cut();
  }
  await settle(t, ways, 10 * SHORT);
  for (const node of ["node1", "node2"]) await calm(redis, node);
  for (const key of counters) {
    const value = Number(await redis.get(key));
    const values = acknowledged.get(key) ?? [];
    t.is(new Set(values).size, values.length, "no two commands got the same reply");
    t.true(value >= values.length, `${key}: ${value} of ${values.length} acknowledged`);
    t.true(value <= values.length + (unknown.get(key) ?? 0), `${key}: ${value} are too many`);
  }
  // All that servers said was lawful.
  for (const reason of reasons) t.notRegex(reason, /scan|value begins|line|token/);
  t.true(heard.every((message) => message === "channel message"));
});
