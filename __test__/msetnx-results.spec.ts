/** MSETNX over several nodes answers as one plain Redis does, and leaves what it leaves. */
import test, { type ExecutionContext } from "ava";
import type { ShardedRedisOptions } from "../src/index.ts";
import { startBesidePlain } from "./helpers/beside-plain.ts";
import { nothingIsSent, onlyIsSent } from "./helpers/sent.ts";
import { keyOn, keysOn, until } from "./helpers/setup.ts";

const odd = Buffer.from([0xff, 0x00, 0x0d, 0x0a, 0x7b]);

/** With a key on each node. */
async function started(
  t: ExecutionContext,
  options: ShardedRedisOptions = {},
  names = ["node1", "node2", "node3"],
) {
  const together = await startBesidePlain(t, options, names);
  const [a = "", b = "", c = ""] = names.map((name) => keyOn(together.sharded, name));
  return { ...together, a, b, c };
}

test("all keys are set where none exists, and none where any does", async (t) => {
  const { sharded, both, a, b, c } = await started(t);
  await both("msetnx", a, 1, b, odd, c, "");
  await both("mget", a, b, c);
  for (const key of [a, b, c]) t.is(await sharded.pttl(key), -1);
  for (const there of [a, b, c]) {
    await both("del", a, b, c);
    await both("rpush", there, "of another type");
    await both("msetnx", a, 1, b, 2, c, 3);
    await both("exists", a);
    await both("exists", b);
    await both("exists", c);
    await both("type", there);
  }
  await both("del", a, b, c);
  await both("set", b, "soon gone", "PX", 1);
  await until(async () => (await sharded.exists(b)) === 0);
  await both("MSETNX", a, 1, b, 2);
  await both("mget", a, b);
});

test("of a key that is given more than once the last value is set", async (t) => {
  const { both, a, b } = await started(t);
  await both("msetnx", a, 1, b, 2, a, 3, b, 4, a, 5);
  await both("mget", a, b);
  await both("msetnx", b, 1, a, 2, b, 3);
  await both("mget", a, b);
});

test("objects, Maps, callbacks and pipelines are as with mset", async (t) => {
  const { sharded, a, b, c } = await started(t);
  t.is(Number(await sharded.msetnx({ [a]: 1, [b]: "2" })), 1);
  t.is(
    Number(
      await sharded.msetnx(
        new Map([
          [c, "3"],
          [a, "4"],
        ]),
      ),
    ),
    0,
  );
  t.deepEqual(await sharded.mget(a, b, c), ["1", "2", null]);
  const results = await sharded.pipeline().del(a, b).msetnx(a, "5", c, "6").mget(a, c).exec();
  t.deepEqual(results, [
    [null, 2],
    [null, 1],
    [null, ["5", "6"]],
  ]);
  await new Promise<void>((resolve) => {
    sharded.msetnx([a, "7", b, "8"], (error, reply) => {
      t.deepEqual([error, reply], [null, 0]);
      resolve();
    });
  });
});

test("with a prefix, and by a scheme that cuts tags off", async (t) => {
  const prefixed = await started(t, { keyPrefix: "p:" });
  await prefixed.both("msetnx", prefixed.a, 1, prefixed.b, 2, odd, 3);
  await prefixed.both("msetnx", odd, 1, prefixed.c, 2);
  await prefixed.both("mget", prefixed.a, prefixed.b, prefixed.c, odd);
  const names = ["node_1", "node_2", "node_3"];
  const placement = { scheme: "rediscluster", client: "python3" } as const;
  const { sharded } = await started(t, { placement }, names);
  const keys = ["x{1}", "y{2}", "z{3}"];
  t.is(Number(await sharded.msetnx(keys.flatMap((key) => [key, key]))), 1);
  t.deepEqual(await sharded.mget(keys), keys);
  const stored = Object.values(await sharded.each.keys("?")).flat();
  t.deepEqual(stored.sort(), ["x", "y", "z"]);
});

test("thousands of keys are set, and nothing but them is left", async (t) => {
  const { sharded } = await started(t);
  const keys = Array.from({ length: 30_000 }, (_, n) => `key:${n}`);
  const pairs = keys.flatMap((key) => [key, key]);
  t.is(Number(await sharded.msetnx(pairs)), 1);
  t.deepEqual(await sharded.mget(keys), keys);
  t.is(
    Number(
      await sharded.msetnx("new", "1", ...keysOn(sharded, "node3", 1).flatMap((key) => [key, 1])),
    ),
    0,
  );
  await until(async () => (await sharded.dbsize()) === keys.length);
});

test("where a key exists, nothing but that is asked", async (t) => {
  const { sharded, a, b, c } = await started(t);
  await sharded.set(c, "there");
  await onlyIsSent(t, sharded, ["exists", "zrange"], async () => {
    t.is(Number(await sharded.msetnx(a, "1", b, "2", c, "3")), 0);
  });
});

test("keys of one node go there unchanged", async (t) => {
  const { sharded } = await started(t);
  await onlyIsSent(t, sharded, ["msetnx"], async () => {
    t.is(Number(await sharded.msetnx("{t}a", "1", "{t}b", "2")), 1);
  });
});

test("a key without a value, strict, tagged and transactions: nothing is sent", async (t) => {
  const { sharded, a, b } = await started(t);
  // The first one looks for what crashed clients have left.
  await sharded.msetnx(a, "1", b, "2");
  await sharded.del(a, b);
  await until(async () => (await sharded.dbsize()) === 0);
  await nothingIsSent(t, sharded, async () => {
    const error = await t.throwsAsync(sharded.call("MSETNX", a, "1", b), { code: "BAD_ARGUMENT" });
    t.like(error, { command: "msetnx", keys: [a, b] });
    const code = "CROSS_NODE";
    await t.throwsAsync(sharded.strict.msetnx(a, "1", b, "2"), { code });
    await t.throwsAsync(sharded.tagged.msetnx(a, "1", b, "2"), { code });
    await t.throwsAsync(sharded.multi().msetnx(a, "1", b, "2").exec(), { code });
    t.like(sharded.explain("msetnx", [a, "1", b, "2"]), {
      strategy: "steps",
      nodes: ["node1", "node2"],
      roundTrips: 4,
      atomicity: "emulated",
    });
  });
});
