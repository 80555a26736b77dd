/** `strict` and `tagged`, which ask more of keys, and `explain`, which says what a command would do. */
import test, { type ExecutionContext } from "ava";
import { type ShardedRedisOptions, ShardisError } from "../src/index.ts";
import { nothingIsSent } from "./helpers/sent.ts";
import { keyOn, newClient, start } from "./helpers/setup.ts";

type Call = readonly [command: string, ...args: (string | number | Buffer)[]];

test("strict runs what lies on one node, as the client does", async (t) => {
  const { redis, a } = await sharded(t);
  const b = keyOn(redis, "node1", "other");
  const { strict } = redis;
  t.is(await strict.set(a, "1"), "OK");
  t.is(await strict.mset({ [b]: "2", [`{${a}}`]: "3" }), "OK");
  t.deepEqual(await strict.mget(a, b), ["1", "2"]);
  t.deepEqual(await strict.mgetBuffer(a), [Buffer.from("1")]);
  t.deepEqual(await strict.sunion("{t}1", "{t}2"), []);
  t.is(await strict.call("GET", a), "1");
  t.is(await strict.del(a, b), 2);
  await new Promise<void>((resolve) => {
    strict.get(`{${a}}`, (error, value) => {
      t.deepEqual([error, value], [null, "3"]);
      resolve();
    });
  });
});

test("strict refuses to split or to copy, names the nodes, and nothing is sent", async (t) => {
  const { redis, a, b, c } = await sharded(t);
  const calls: readonly Call[] = [
    ["mget", a, b],
    ["mset", a, "1", b, "2"],
    ["del", a, b, c],
    ["exists", a, b],
    ["sunion", a, b],
    ["sinterstore", a, b, c],
    ["rename", a, b],
    ["eval", "return 1", 2, a, b],
    ["sort", a, "STORE", b],
  ];
  await nothingIsSent(t, redis, async () => {
    for (const call of calls) {
      const error = await t.throwsAsync(
        redis.strict.call(...call),
        { instanceOf: ShardisError, code: "CROSS_NODE" },
        call[0],
      );
      const keys = call.filter((word) => [a, b, c].includes(String(word)));
      t.deepEqual([...(error.keys ?? [])].sort(), [...keys].sort());
      for (const key of keys) t.true(error.message.includes(redis.nodeFor(key).name), call[0]);
      t.regex(error.message, /hash tag/);
    }
  });
});

test("strict asks nothing of commands without keys", async (t) => {
  const { redis, a, b } = await sharded(t);
  await redis.mset({ [a]: "1", [b]: "2" });
  t.is(await redis.strict.dbsize(), 2);
  t.is(await redis.strict.ping(), "PONG");
  t.deepEqual((await redis.strict.keys("*")).sort(), [a, b].sort());
  t.is((await redis.strict.scan(0)).length, 2);
  t.is(await redis.strict.echo("text"), "text");
});

test("tagged takes keys of one common tag", async (t) => {
  const { redis } = await sharded(t);
  const { tagged } = redis;
  t.is(await tagged.mset({ "{user:1}:a": "1", "b:{user:1}": "2" }), "OK");
  t.deepEqual(await tagged.mget("{user:1}:a", Buffer.from("b:{user:1}")), ["1", "2"]);
  t.is(await tagged.get("one key needs no tag"), null);
  t.is(await tagged.set("another", "1"), "OK");
  t.is(await tagged.dbsize(), 3);
  t.is(await tagged.eval("return #KEYS", 2, "{x}1", "{x}2"), 2);
});

test("tagged refuses other keys, even where they lie on one node, and nothing is sent", async (t) => {
  const { redis, a } = await sharded(t);
  const beside = keyOn(redis, "node1", "other");
  await nothingIsSent(t, redis, async () => {
    const calls: readonly Call[] = [
      ["mget", a, beside],
      ["mset", "{x}", "1", "{y}", "2"],
      ["mget", "{x}1", "x"],
      ["mget", "{}1", "{}2"],
      ["sinterstore", "{x}to", "{x}1", "{y}1"],
      ["rename", a, beside],
      ["mget", a, a],
    ];
    for (const call of calls) {
      const error = await t.throwsAsync(
        redis.tagged.call(...call),
        { instanceOf: ShardisError, code: "CROSS_NODE" },
        call.join(" "),
      );
      t.regex(error.message, /no common hash tag/);
      t.is(error.command, call[0]);
    }
  });
});

test("a tag in the prefix is common to all keys", async (t) => {
  const { redis } = await sharded(t, { keyPrefix: "{app}:" });
  t.is(await redis.tagged.mset({ a: "1", b: "2" }), "OK");
  t.deepEqual(await redis.tagged.mget("a", "b", "{user}"), ["1", "2", null]);
});

/** How each kind of command is explained; nodes in their order. */
const EXPLAINED: readonly [
  over: (keys: { a: string; b: string; c: string; a2: string }) => Call,
  strategy: string,
  nodes: readonly string[],
  roundTrips: number,
  atomicity: string,
][] = [
  [({ a }) => ["get", a], "node", ["node1"], 1, "atomic"],
  [({ b }) => ["SET", b, "1"], "node", ["node2"], 1, "atomic"],
  [({ a, a2 }) => ["mget", a, a2], "node", ["node1"], 1, "atomic"],
  [({ a, a2 }) => ["sinter", a, a2], "node", ["node1"], 1, "atomic"],
  [({ a, b, c }) => ["mget", c, a, b], "split", ["node1", "node2", "node3"], 1, "per node"],
  [({ b, c }) => ["mset", b, "1", c, "2"], "split", ["node2", "node3"], 1, "per node"],
  [({ a, b }) => ["sinter", a, b], "ship", ["node1", "node2"], 3, "emulated"],
  [({ a, c }) => ["zunionstore", c, 1, a], "ship", ["node1", "node3"], 3, "emulated"],
  [() => ["dbsize"], "every", ["node1", "node2", "node3"], 1, "per node"],
  [() => ["config", "SET", "a", "b"], "every", ["node1", "node2", "node3"], 1, "per node"],
  [() => ["echo", "text"], "any", ["node1"], 1, "atomic"],
  [() => ["config", "get", "*"], "any", ["node1"], 1, "atomic"],
  [() => ["scan", 0], "special", ["node1", "node2", "node3"], 1, "per node"],
  [() => ["randomkey"], "special", ["node1", "node2", "node3"], 2, "per node"],
];

test("explain says how a command would be carried out, and sends nothing", async (t) => {
  const { redis, a, b, c } = await sharded(t);
  const keys = { a, b, c, a2: keyOn(redis, "node1", "other") };
  await nothingIsSent(t, redis, async () => {
    for (const [over, strategy, nodes, roundTrips, atomicity] of EXPLAINED) {
      const [command, ...args] = over(keys);
      const { hint, ...told } = redis.explain(command, args);
      t.deepEqual(
        { ...told, nodes: [...told.nodes].sort() },
        { command: command.toLowerCase(), strategy, nodes, roundTrips, atomicity } as never,
        command,
      );
      const isHelped = strategy === "split" || strategy === "ship";
      t.is(hint !== undefined, isHelped, command);
      if (isHelped) t.regex(String(hint), /hash tag/);
    }
  });
});

test("what explain says of round trips and nodes is what happens", async (t) => {
  const { redis, a, b, c } = await sharded(t);
  await redis.sadd(a, "x");
  await redis.sadd(b, "x");
  for (const call of [
    ["mget", a, b],
    ["sinterstore", a, b],
    ["sinter", b, a],
    ["exists", c],
    ["dbsize"],
  ] as const) {
    const [command, ...args] = call;
    const { nodes } = redis.explain(command, args);
    await redis.each.config("RESETSTAT");
    await redis.call(command, ...args);
    const infos = Object.entries(await redis.each.info("commandstats"));
    const reached = infos
      .filter(([, info]) => (info.match(/^cmdstat_(?!config)/gm) ?? []).length > 0)
      .map(([name]) => name);
    t.deepEqual([...nodes].sort(), reached, call.join(" "));
  }
});

test("explain refuses what the command would refuse", async (t) => {
  const { redis, a, b } = await sharded(t);
  const wrong = (command: string, args: unknown[], code: string) =>
    t.throws(
      () => redis.explain(command, args as string[]),
      { instanceOf: ShardisError, code },
      command,
    );
  wrong("eval", ["return 1", 2, a, b], "CROSS_NODE");
  wrong("get", [undefined], "BAD_KEY");
  wrong("mset", [a], "BAD_ARGUMENT");
  wrong("monitor", [], "UNSUPPORTED");
  wrong("eval", ["return 1", 0], "UNSUPPORTED");
  t.is(redis.explain("get").node, redis.nodeFor("get").name, "without arguments it is a key");
});

test("explain takes arrays, prefixes and objects as the command does", async (t) => {
  const { redis } = await sharded(t, { keyPrefix: "{p}" });
  t.is(redis.explain("mget", ["a", "b", "c"]).strategy, "node");
  const nested: unknown = [["a", "b"]];
  t.is(redis.explain("mget", nested as string[]).strategy, "node");
  const pairs: unknown = [{ a: "1", b: "2" }];
  t.is(redis.explain("mset", pairs as string[]).strategy, "node");
});

// --- Helpers ------------------------------------------------------------------------------------

async function sharded(t: ExecutionContext, options: ShardedRedisOptions = {}) {
  const servers = await start(t, 3);
  const redis = newClient(t, servers.nodes, options);
  await redis.connect();
  // With a tag in the prefix all keys lie on one node.
  if (options.keyPrefix !== undefined) return { redis, a: "", b: "", c: "" };
  const [a = "", b = "", c = ""] = ["node1", "node2", "node3"].map((name) => keyOn(redis, name));
  return { redis, a, b, c };
}
