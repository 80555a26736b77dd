/** What users have ioredis make of arguments and of replies holds for commands of batches too. */
import test from "ava";
import { Command } from "ioredis";
import { adminOf, inOneTick, inPipeline } from "./helpers/lane.ts";
import { at, keysOn, setUp, watchRejections } from "./helpers/setup.ts";

watchRejections(test);

test("a user's reply transformer is applied, with what it is told in ioredis", async (t) => {
  const { redis, servers } = await setUp(t, 1);
  const plain = adminOf(t, at(servers));
  await redis.append("text", "value");
  t.is(await redis.strlen("text"), 5);
  const told: unknown[] = [];
  Command.setReplyTransformer("strlen", ((length: unknown, context: unknown) => {
    told.push(context);
    return { length };
  }) as Parameters<typeof Command.setReplyTransformer>[1]);
  const theirs = await plain.strlen("text");
  t.deepEqual(theirs, { length: 5 } as never);
  const calls = [
    ["strlen", "text"],
    ["append", "text", ""],
    ["strlen", "none"],
  ];
  for (const sent of [inOneTick(redis, calls), inPipeline(redis.pipeline(), calls)]) {
    const outcomes = await sent;
    t.deepEqual(
      outcomes.map(({ value }) => value),
      [theirs, 5, { length: 0 }],
    );
  }
  t.is(told.length, 5);
  for (const context of told) t.deepEqual(context, told[0]);
});

test("a reply transformer that throws rejects its command, and no other", async (t) => {
  const { redis, proxies } = await setUp(t, 1);
  Command.setReplyTransformer("bitcount", () => {
    throw new Error("a fault of the user's");
  });
  const outcomes = await inOneTick(redis, [
    ["exists", "a"],
    ["bitcount", "a"],
    ["exists", "b"],
  ]);
  t.deepEqual(
    outcomes.map(({ value }) => value),
    [0, undefined, 0],
  );
  t.is(String(at(outcomes, 1).error), "Error: a fault of the user's");
  t.is(at(proxies).connections, 1);
});

test("a user's argument transformer is applied, whatever it depends on", async (t) => {
  const { redis } = await setUp(t, 2);
  // Set before the first use.
  Command.setArgumentTransformer("getset", ([key, value]) => [key, `<${value}>`]);
  Command.setArgumentTransformer("getex", (args) =>
    args.length === 1 ? [...args, "EX", "60"] : args,
  );
  Command.setArgumentTransformer("setnx", (args) =>
    args.map((arg) => (typeof arg === "number" ? `number ${arg}` : arg)),
  );
  Command.setArgumentTransformer("getrange", ([key, ...range]) =>
    range.length === 0 ? [key, "0", "0"] : [key, ...range],
  );
  for (const key of ["a", "b", "c"]) await redis.set(key, "value");
  await Promise.all(["a", "b", "c"].map((key) => redis.getset(key, "new")));
  t.deepEqual(await redis.mget("a", "b", "c"), ["<new>", "<new>", "<new>"]);
  await Promise.all(["a", "b", "c"].map((key) => redis.getex(key)));
  for (const key of ["a", "b", "c"]) t.true((await redis.ttl(key)) > 0);
  await Promise.all([redis.setnx("n", 1), redis.setnx("s", "1")]);
  t.deepEqual(await redis.mget("n", "s"), ["number 1", "1"]);
  t.is(await redis.call("getrange", "a"), "<");
});

test("a user's argument transformer is applied to the parts of a command", async (t) => {
  const { redis } = await setUp(t, 2);
  Command.setArgumentTransformer("mset", (args) =>
    args.map((arg, index) => (index % 2 === 1 ? `<${arg}>` : arg)),
  );
  const keys = [...keysOn(redis, "node1", 2), ...keysOn(redis, "node2", 2)];
  t.is(await redis.mset(keys.flatMap((key) => [key, "value"])), "OK");
  t.deepEqual(await redis.mget(keys), new Array(4).fill("<value>"));
});
