/** The option `crossNode`: what a client does, and what not, with keys of several nodes. */
import test, { type ExecutionContext } from "ava";
import { type CrossNode, type ShardedRedisOptions, ShardisError } from "../src/index.ts";
import { fill } from "./helpers/pipelines.ts";
import { nothingIsSent } from "./helpers/sent.ts";
import { keyOn, newClient, start } from "./helpers/setup.ts";

type Call = readonly [command: string, ...args: (string | number)[]];

/** Commands over the nodes of their keys, by what becomes of them. */
const callsOver = (
  a: string,
  b: string,
  c: string,
): Readonly<Record<"split" | "emulated" | "everywhere", readonly Call[]>> => ({
  split: [
    ["mset", a, "1", b, "2", c, "3"],
    ["mget", a, b],
    ["exists", a, b, c],
    ["del", a, b, c],
  ],
  emulated: [
    ["sunion", a, b],
    ["sinterstore", a, b, c],
    ["pfcount", a, c],
    ["rename", a, b],
    ["smove", a, b, "member"],
    ["lmpop", 2, a, b, "LEFT"],
    ["xread", "STREAMS", a, b, "0", "0"],
  ],
  everywhere: [["dbsize"], ["keys", "*"], ["scan", 0], ["randomkey"], ["ping"]],
});

test("split: what is cut by node, and what runs on every node, does so", async (t) => {
  const { redis, calls } = await sharded(t, "split");
  for (const call of calls.split) await t.notThrowsAsync(redis.call(...call), call[0]);
  for (const call of calls.everywhere) await t.notThrowsAsync(redis.call(...call), call[0]);
});

test("split: what would take several steps is refused, and nothing is sent", async (t) => {
  const { redis, calls, a, b } = await sharded(t, "split");
  await nothingIsSent(t, redis, async () => {
    for (const call of calls.emulated) {
      const error = await refused(t, redis.call(...call), call[0]);
      t.regex(error.message, /the option crossNode: "split" refuses what takes several steps/);
    }
  });
  t.is(await redis.sunionstore(a, a, `{${a}}`), 0, "on one node it is taken");
  const error = await refused(t, redis.rename(a, b));
  t.deepEqual([error.command, error.keys], ["rename", [a, b]]);
  t.regex(error.message, /node1, node2.*give them a common hash tag/);
});

test("refuse: only what lies on one node, or has no keys, is taken", async (t) => {
  const { redis, calls, a, b } = await sharded(t, "refuse");
  await nothingIsSent(t, redis, async () => {
    for (const call of [...calls.split, ...calls.emulated]) {
      const error = await refused(t, redis.call(...call), call[0]);
      t.regex(error.message, /the option crossNode: "refuse" takes one node only/, call[0]);
    }
  });
  t.is(await redis.mset({ [a]: "1", [`{${a}}`]: "2" }), "OK");
  t.is(await redis.set(b, "3"), "OK");
  for (const call of calls.everywhere) await t.notThrowsAsync(redis.call(...call), call[0]);
});

test("refuse is what strict does in any mode", async (t) => {
  for (const mode of ["emulate", "split", "refuse"] as const) {
    const { redis, calls } = await sharded(t, mode);
    for (const call of [...calls.split, ...calls.emulated]) {
      const error = await refused(t, redis.strict.call(...call), call[0]);
      t.regex(error.message, /redis\.strict takes one node only/);
    }
    await t.notThrowsAsync(redis.strict.dbsize());
  }
});

test("in pipelines what is refused has its error, and the others run", async (t) => {
  const { redis, calls, a, b } = await sharded(t, "split");
  for (const call of calls.emulated) {
    const pipeline = fill(redis.pipeline(), [["set", a, "1"], call, ["mget", a, b], ["del", a]]);
    const results = await pipeline.exec();
    const [error] = results?.[1] ?? [];
    t.like(error, { code: "CROSS_NODE", command: call[0] }, call[0]);
    t.deepEqual(
      [results?.[0], results?.[2], results?.[3]],
      [
        [null, "OK"],
        [null, ["1", null]],
        [null, 1],
      ],
    );
  }
  const { redis: refusing } = await sharded(t, "refuse");
  const [read, written] = (await refusing.pipeline().mget(a, b).set(a, "1").exec()) ?? [];
  t.like(read?.[0], { code: "CROSS_NODE", command: "mget" });
  t.deepEqual(written, [null, "OK"]);
});

test("explain throws what the command would", async (t) => {
  const { redis, calls } = await sharded(t, "split");
  for (const [command, ...args] of calls.emulated) {
    const error = t.throws(() => redis.explain(command, args), { instanceOf: ShardisError });
    t.deepEqual(error.message, (await refused(t, redis.call(command, ...args))).message);
  }
  for (const [command, ...args] of calls.split)
    t.is(redis.explain(command, args).strategy, "split");
});

test("duplicate() keeps the mode, or has another", async (t) => {
  const { redis, a, b } = await sharded(t, "refuse");
  const [same, other] = [redis.duplicate(), redis.duplicate([], { crossNode: "emulate" })];
  t.teardown(() => [same.disconnect(), other.disconnect()]);
  await refused(t, same.mget(a, b));
  t.deepEqual(await other.mget(a, b), [null, null]);
});

test("another mode is no option", async (t) => {
  const wrong: unknown[] = ["no", "", null, true, {}, ["split"]];
  for (const crossNode of wrong) {
    t.throws(() => newClient(t, ["localhost:1"], { crossNode } as ShardedRedisOptions), {
      instanceOf: ShardisError,
      code: "BAD_OPTION",
      message: 'crossNode is one of "emulate", "split", "refuse"',
    });
  }
});

// --- Helpers ------------------------------------------------------------------------------------

async function sharded(t: ExecutionContext, crossNode: CrossNode) {
  const servers = await start(t, 3);
  const redis = newClient(t, servers.nodes, { crossNode });
  await redis.connect();
  const [a, b, c] = [keyOn(redis, "node1"), keyOn(redis, "node2"), keyOn(redis, "node3")];
  return { redis, a, b, c, calls: callsOver(a, b, c) };
}

async function refused(
  t: ExecutionContext,
  promise: Promise<unknown>,
  command?: string,
): Promise<ShardisError> {
  return t.throwsAsync(promise, { instanceOf: ShardisError, code: "CROSS_NODE" }, command);
}
