/** What cannot be a key or an argument is refused before anything is sent. */
import test, { type ExecutionContext } from "ava";
import { ShardedRedis, type ShardedRedisOptions, ShardisError } from "../src/index.ts";
import { startNodes, type TcpTestNode, type TestNodes } from "../src/testing/index.ts";
import { nothingIsSent, onlyIsSent } from "./helpers/sent.ts";
import { onDifferentNodes } from "./helpers/setup.ts";

const NO_KEYS: readonly (readonly [what: string, value: unknown])[] = [
  ["undefined", undefined],
  ["null", null],
  ["NaN", Number.NaN],
  ["Infinity", Number.POSITIVE_INFINITY],
  ["true", true],
  ["a bigint", 1n],
  ["an object", {}],
  ["an object without a prototype", Object.create(null)],
  [
    "an object that throws",
    {
      toString: () => {
        throw new Error("never asked");
      },
    },
  ],
  ["a Map", new Map()],
  ["an array in an array", [["a"]]],
  ["an array of arrays", [[["a", "b"]]]],
  ["a symbol", Symbol("key")],
  ["a Date", new Date()],
  ["half of a surrogate pair", "\ud83d"],
  ["the other half", "key:\ude00:key"],
  ["an ArrayBuffer", new ArrayBuffer(4)],
  ["another typed array", new Uint16Array(4)],
  ["a promise", Promise.resolve("key")],
];

/** Where a command can have a bad key. */
const PLACES: Readonly<Record<string, (key: unknown) => readonly unknown[]>> = {
  "the only key": (key) => ["get", key],
  "a key before values": (key) => ["set", key, "value"],
  "one of many": (key) => ["mget", "good", key, "good2"],
  "the last of many": (key) => ["del", "good", "good2", key],
  "a key of mset": (key) => ["mset", "good", "1", key, "2"],
  "the only key of mset": (key) => ["mset", key, "2"],
  "a second key": (key) => ["sinter", "good", key],
  "a key after a count": (key) => ["eval", "return 1", 1, key],
  "a key after a word": (key) => ["object", "ENCODING", key],
  "a stream": (key) => ["xread", "STREAMS", key, 0],
};

for (const [place, call] of Object.entries(PLACES)) {
  test(`${place} that is no key is refused, and nothing is sent`, async (t) => {
    for (const options of [{}, { keyPrefix: "p:" }]) {
      const { redis } = await sharded(t, options);
      const views = place === "a second key" ? [redis] : [redis, redis.by("home"), redis.each];
      await nothingIsSent(t, redis, async () => {
        for (const [what, value] of NO_KEYS) {
          const [command, ...args] = call(value);
          for (const view of views) {
            const error = await rejection(t, view, String(command), args);
            t.is(error.code, "BAD_KEY", `${what}: ${error.message}`);
            t.is(error.command ?? command, command);
            t.true(error.message.length > 20, error.message);
          }
        }
      });
    }
  });
}

test("a function is a callback where it is last, and no key elsewhere", async (t) => {
  const { redis } = await sharded(t);
  await nothingIsSent(t, redis, async () => {
    const key: unknown = () => "key";
    t.is((await rejection(t, redis, "set", [key, "value"])).code, "BAD_KEY");
    t.is((await rejection(t, redis, "mget", [key, "b"])).code, "BAD_KEY");
    const error = await new Promise((resolve) => Reflect.apply(redis.get, redis, [resolve]));
    t.like(error, { code: "BAD_KEY" });
  });
});

test("no key at all is refused", async (t) => {
  const { redis } = await sharded(t);
  await nothingIsSent(t, redis, async () => {
    for (const command of ["mget", "del", "unlink", "exists", "touch"]) {
      for (const args of [[], [[]], [[], []]]) {
        const error = await rejection(t, redis, command, args);
        t.like(error, { code: "BAD_ARGUMENT", message: `${command} needs at least one key` });
      }
    }
    for (const args of [
      [],
      [[]],
      [{}],
      [new Map()],
      [null],
      [undefined],
      ["key"],
      ["a", "1", "b"],
    ]) {
      const error = await rejection(t, redis, "mset", args);
      t.like(error, {
        code: "BAD_ARGUMENT",
        message: "mset needs at least one key, and a value for each",
      });
    }
    for (const command of ["get", "set", "rename", "xlen", "hset"]) {
      t.is((await rejection(t, redis, command, [])).code, "BAD_KEY", command);
    }
    for (const command of ["sinter", "eval", "zunion", "xread", "object"]) {
      t.is((await rejection(t, redis, command, [])).code, "UNSUPPORTED", command);
    }
  });
});

test("bad keys in an object or a Map are refused", async (t) => {
  const { redis } = await sharded(t);
  await nothingIsSent(t, redis, async () => {
    for (const command of ["mset", "msetnx"]) {
      for (const pairs of [
        { "\ud800": "1" },
        new Map<unknown, string>([
          ["good", "1"],
          [{}, "2"],
        ]),
        new Map([[undefined, "1"]]),
        new Map([[["a"], "1"]]),
      ]) {
        t.is((await rejection(t, redis, command, [pairs])).code, "BAD_KEY");
      }
    }
    t.is((await rejection(t, redis, "mset", [new Uint8Array(3)])).code, "BAD_ARGUMENT");
  });
});

/** What has no text, or whose text nobody can have meant. */
const NO_VALUES: readonly (readonly [what: string, value: unknown])[] = [
  ["a symbol", Symbol("value")],
  ["a function", () => "value"],
  ["an object without a prototype", Object.create(null)],
  [
    "an object that throws",
    {
      toString: () => {
        throw new Error("no text");
      },
    },
  ],
];

test("a value that cannot be sent is refused, also when it would go to the second of two nodes", async (t) => {
  const { redis } = await sharded(t);
  const [a = "", b = ""] = onDifferentNodes(redis, 2);
  await nothingIsSent(t, redis, async () => {
    for (const [what, value] of NO_VALUES) {
      for (const [command, ...args] of [
        ["set", "key", value, "EX", 1],
        ["mset", a, "1", b, value, b, "2"],
        ["mset", b, "1", a, value, a, "2"],
        ["mset", { [a]: "1", [b]: value }],
        ["mset", { [b]: "1", [a]: value }],
        [
          "mset",
          new Map([
            [a, "1"],
            [b, value],
          ]),
        ],
        ["msetnx", { [a]: value }],
        ["eval", "return 1", 1, "key", value, "last"],
        ["sadd", "key", ["good", value]],
      ]) {
        for (const view of [redis, redis.by("home"), redis.each]) {
          const error = await rejection(t, view, String(command), args);
          t.like(error, { code: "BAD_ARGUMENT", command }, `${what} in ${command}`);
        }
      }
    }
    for (const [what, value] of NO_VALUES.slice(0, 2)) {
      for (const fields of [{ field: value }, new Map([["field", value]])]) {
        const error = await rejection(t, redis, "hset", ["key", fields]);
        t.is(error.code, "BAD_ARGUMENT", what);
      }
    }
  });
});

test("names of commands that are none are refused", async (t) => {
  const { redis } = await sharded(t);
  // A server may be asked whether it knows them.
  await onlyIsSent(t, redis, ["command|info"], async () => {
    for (const name of [
      undefined,
      null,
      1,
      {},
      Object.create(null),
      Symbol("get"),
      "",
      "get key",
    ]) {
      const error = await rejection(t, redis, "call", [name, "key"]);
      t.is(error.code, "UNSUPPORTED");
    }
    for (const name of ["toString", "__proto__", "constructor", "hasOwnProperty"]) {
      t.is((await rejection(t, redis, "call", [name, "key"])).code, "UNSUPPORTED", name);
    }
  });
});

test("what answers at once throws at once", async (t) => {
  const { redis } = await sharded(t);
  for (const [what, value] of NO_KEYS) {
    for (const method of ["by", "nodeFor", "explain"]) {
      const member: unknown = Reflect.get(redis, method);
      if (typeof member !== "function") return t.fail(method);
      t.throws(
        () => Reflect.apply(member, redis, [value]),
        { instanceOf: ShardisError, code: "BAD_KEY" },
        `${method} of ${what}`,
      );
    }
    t.throws(() => redis.groupByNode(["good", value as string]), { code: "BAD_KEY" });
    t.throws(() => redis.node(value as string), { code: "BAD_ARGUMENT" });
  }
  for (const keys of [undefined, null, "key", { 0: "key" }]) {
    t.throws(() => redis.groupByNode(keys as unknown as string[]), { code: "BAD_ARGUMENT" });
  }
  for (const commands of [[["gett", "key"]], [[]], [["length"]]]) {
    t.throws(() => redis.pipeline(commands), { instanceOf: ShardisError, code: "BAD_ARGUMENT" });
    t.throws(() => redis.multi(commands), { instanceOf: ShardisError, code: "BAD_ARGUMENT" });
  }
  // As in ioredis a transaction without a pipeline, which is on one connection.
  const options: unknown = { pipeline: false };
  t.throws(() => redis.multi(options as unknown[][]), { code: "UNSUPPORTED" });
});

// --- Helpers ------------------------------------------------------------------------------------

async function sharded(t: ExecutionContext, options: ShardedRedisOptions = {}) {
  const servers: TestNodes<TcpTestNode> = await startNodes(2);
  const redis = new ShardedRedis(servers.nodes, options);
  t.teardown(async () => {
    redis.disconnect();
    await servers.stop();
  });
  await redis.connect();
  return { redis, servers };
}

/** The error with which a method rejects, having thrown nothing. */
async function rejection(
  t: ExecutionContext,
  client: object,
  method: string,
  args: readonly unknown[],
): Promise<ShardisError> {
  const member: unknown = Reflect.get(client, method);
  if (typeof member !== "function") throw new TypeError(`there is no method ${method}`);
  const promise: unknown = Reflect.apply(member, client, args);
  t.true(promise instanceof Promise);
  try {
    await promise;
  } catch (error) {
    if (error instanceof ShardisError) return error;
    throw error;
  }
  throw new Error(`${method} of ${args.length} arguments did not reject`);
}
