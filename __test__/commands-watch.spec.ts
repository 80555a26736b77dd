/** Transactions that read before they write: run if nobody else has written, on a connection of their own. */
import test, { type ExecutionContext } from "ava";
import { type CommandView, type ShardedRedis, ShardisError } from "../src/index.ts";
import { fill, sharded } from "./helpers/pipelines.ts";
import { nothingIsSent } from "./helpers/sent.ts";
import {
  at,
  failure,
  held,
  keyOn,
  newClient,
  settle,
  setUp,
  start,
  until,
  watchRejections,
} from "./helpers/setup.ts";

watchRejections(test);

const N = "{t}n";

test("what is read is what is written upon, and the work's result comes back", async (t) => {
  const { redis } = await sharded(t);
  await redis.set(N, "1");
  const result = await redis.transaction([N, "{t}log"], async (tx) => {
    const value = Number(await tx.get(N));
    const results = await tx
      .multi()
      .set(N, value + 1)
      .rpush("{t}log", value)
      .exec();
    return { value, results };
  });
  t.deepEqual(result, {
    value: 1,
    results: [
      [null, "OK"],
      [null, 1],
    ],
  });
  t.is(await redis.get(N), "2");
});

test("it is run again, from its beginning, if others have changed a key", async (t) => {
  const { redis } = await sharded(t);
  const seen: unknown[] = [];
  const result = await redis.transaction([N], async (tx) => {
    const value = Number(await tx.get(N));
    seen.push(value);
    if (seen.length < 3) await redis.incr(N);
    return tx
      .multi()
      .set(N, value * 10)
      .exec();
  });
  t.deepEqual(seen, [0, 1, 2]);
  t.deepEqual(result, [[null, "OK"]]);
  t.is(await redis.get(N), "20");
});

test("it rejects with CONFLICT if they have in each attempt, and has written nothing", async (t) => {
  const { redis } = await sharded(t);
  for (const [options, attempts] of [
    [{ retries: 0 }, 1],
    [{ retries: 2 }, 3],
    [undefined, 6],
  ] as const) {
    let runs = 0;
    const promise = redis.transaction(
      [N, "{t}other"],
      async (tx) => {
        runs++;
        await redis.incr(N);
        await tx.multi().set("{t}written", "1").exec();
      },
      options,
    );
    const error = await t.throwsAsync(promise, { instanceOf: ShardisError, code: "CONFLICT" });
    t.is(runs, attempts);
    t.deepEqual(error.keys, [N, "{t}other"]);
    t.regex(error.message, /"\{t\}n", "\{t\}other".*nothing was written/);
  }
  t.is(await redis.exists("{t}written"), 0);
});

test("a conflict cannot be overlooked, nor an EXEC that nobody waits for", async (t) => {
  const { redis } = await sharded(t);
  let runs = 0;
  const overlooked = redis.transaction([N], async (tx) => {
    if (runs++ === 0) await redis.incr(N);
    await tx
      .multi()
      .incr("{t}count")
      .exec()
      .catch(() => null);
    return runs;
  });
  t.is(await overlooked, 2);
  t.is(await redis.get("{t}count"), "1");
  runs = 0;
  await redis.transaction([N], async (tx) => {
    if (runs++ === 0) await redis.incr(N);
    held(tx.multi().incr("{t}count").exec());
  });
  t.is(runs, 2);
  t.is(await redis.get("{t}count"), "2");
});

test("a key that is changed otherwise, or expires, counts", async (t) => {
  const { redis } = await sharded(t);
  const changes: ((key: string) => Promise<unknown>)[] = [
    (key) => redis.del(key),
    (key) => redis.expire(key, 100),
    (key) => redis.rename(key, `${key}:renamed`),
    () => redis.flushall(),
  ];
  for (const change of changes) {
    await redis.set(N, "1");
    const promise = redis.transaction(
      [N],
      async (tx) => {
        await change(N);
        await tx.multi().set("{t}written", "1").exec();
      },
      { retries: 0 },
    );
    await t.throwsAsync(promise, { code: "CONFLICT" }, String(change));
  }
  t.is(await redis.exists("{t}written"), 0);
});

test("transactions of other callers do not end what is watched", async (t) => {
  const { redis } = await sharded(t);
  const result = await redis
    .transaction(
      [N],
      async (tx) => {
        await redis.multi().set("{t}beside", "1").exec();
        await redis.transaction(["{t}third"], (inner) => inner.multi().set("{t}third", "1").exec());
        await redis.incr(N);
        return tx.multi().set(N, "mine").exec();
      },
      { retries: 0 },
    )
    .catch((error) => error.code);
  t.is(result, "CONFLICT", "EXEC of others did not end the watch");
});

test("fifty increments at once all count", async (t) => {
  const { redis } = await sharded(t);
  const [a, b] = [keyOn(redis, "node1"), keyOn(redis, "node2")];
  const increment = (key: string) =>
    redis.transaction(
      [key],
      async (tx) => {
        const value = Number(await tx.get(key));
        await tx
          .multi()
          .set(key, value + 1)
          .exec();
      },
      { retries: 1000 },
    );
  await Promise.all(Array.from({ length: 50 }, (_, n) => increment(n % 2 === 0 ? a : b)));
  t.deepEqual(await redis.mget(a, b), ["25", "25"]);
});

test("keys on several nodes are refused, and nothing is sent", async (t) => {
  const { redis } = await sharded(t);
  const [a, b] = [keyOn(redis, "node1"), keyOn(redis, "node2")];
  await nothingIsSent(t, redis, async () => {
    const promise = redis.transaction([a, b], () => t.fail("the work is not begun"));
    const error = await t.throwsAsync(promise, { instanceOf: ShardisError, code: "CROSS_NODE" });
    t.deepEqual(error.keys, [a, b]);
    for (const word of [a, b, "node1", "node2", "hash tag"]) t.true(error.message.includes(word));
  });
});

test("within it a key of another node is named, and the command not sent", async (t) => {
  const { redis } = await sharded(t);
  const [a, b] = [keyOn(redis, "node1"), keyOn(redis, "node2")];
  await redis.mset({ [a]: "1", [b]: "2" });
  const strays: ((tx: CommandView) => Promise<unknown>)[] = [
    (tx) => tx.set(b, "stray"),
    (tx) => tx.mset({ [a]: "stray", [b]: "stray" }),
    (tx) => tx.rename(a, b),
    (tx) => tx.flushall(),
    (tx) => tx.watch(b),
    (tx) => tx.multi().set(a, "stray").set(b, "stray").exec(),
    (tx) => tx.pipeline().set(b, "stray").exec().then(firstError),
  ];
  for (const stray of strays) {
    const promise = redis.transaction([a], stray);
    const error = await t.throwsAsync(promise, { instanceOf: ShardisError }, String(stray));
    t.is(error.code, "CROSS_NODE", String(stray));
    t.regex(error.message, /nothing was sent|it runs on one only/);
  }
  const error = await t.throwsAsync(redis.transaction([a], (tx) => tx.get(b)));
  for (const word of [`"${a}"`, `"${b}"`, "node1", "node2", "hash tag"]) {
    t.true(error.message.includes(word), `${word} in: ${error.message}`);
  }
  t.deepEqual(await redis.mget(a, b), ["1", "2"]);
});

test("every command and a pipeline can be used within, and scripts", async (t) => {
  const { redis } = await sharded(t);
  redis.defineCommand("twice", { numberOfKeys: 1, lua: "return redis.call('GET', KEYS[1]) * 2" });
  await redis.mset({ [N]: "1", "{t}m": "2" });
  const read = await redis.transaction([N], async (tx) => [
    await tx.mget(N, "{t}m"),
    await tx.getBuffer(N),
    await tx.call("GET", N),
    await tx.echo("text"),
    await fill(tx.pipeline(), [
      ["get", N],
      ["twice", N],
    ]).exec(),
    await Reflect.apply(Reflect.get(tx, "twice"), tx, ["{t}m"]),
    await new Promise((resolve) => tx.get(N, (_, value) => resolve(value))),
  ]);
  t.deepEqual(read, [
    ["1", "2"],
    Buffer.from("1"),
    "1",
    "text",
    [
      [null, "1"],
      [null, 2],
    ],
    4,
    "1",
  ]);
});

test("more keys may be watched on the way", async (t) => {
  const { redis } = await sharded(t);
  await redis.set("{t}current", "{t}first");
  let runs = 0;
  const value = await redis.transaction(["{t}current"], async (tx) => {
    const current = (await tx.get("{t}current")) ?? "";
    await tx.watch(current);
    if (runs++ === 0) await redis.incr(current);
    const value = await tx.get(current);
    await tx.multi().del(current).exec();
    return value;
  });
  t.deepEqual([value, runs], ["1", 2]);
});

test("EXEC ends it: nothing more is sent, as nothing is watched", async (t) => {
  const { redis } = await sharded(t);
  const promise = redis.transaction([N], async (tx) => {
    await tx.multi().incr(N).exec();
    return tx.multi().incr(N).exec();
  });
  const error = await t.throwsAsync(promise, { instanceOf: ShardisError, code: "CLOSED" });
  t.like(error, { command: "exec", keys: [N], sent: false });
  t.is(await redis.get(N), "1");
});

test("tx is of no use once the work is over", async (t) => {
  const { redis } = await sharded(t);
  const tx = await redis.transaction([N], (tx) => ({ tx }));
  await t.throwsAsync(tx.tx.set(N, "late"), { code: "CLOSED" });
  await t.throwsAsync(tx.tx.multi().set(N, "late").exec(), { code: "CLOSED" });
  const [result] = (await tx.tx.pipeline().set(N, "late").exec()) ?? [];
  t.like(result?.[0], { code: "CLOSED" });
  t.is(await redis.get(N), null);
});

test("the work's own error comes through, and leaves nothing watched", async (t) => {
  const { redis } = await sharded(t);
  const mine = new Error("mine");
  const failing = [
    () => {
      throw mine;
    },
    async (tx: CommandView) => {
      await tx.get(N);
      throw mine;
    },
  ];
  for (const work of failing) t.is(await t.throwsAsync(redis.transaction([N], work)), mine);
  await nothingIsWatched(t, redis);
});

test("a work that writes nothing leaves nothing watched", async (t) => {
  const { redis } = await sharded(t);
  t.is(await redis.transaction([N], (tx) => tx.get(N)), null);
  t.is(await redis.transaction([N], () => 7), 7);
  await nothingIsWatched(t, redis);
});

test("errors of the server are its own", async (t) => {
  const { redis } = await sharded(t);
  await redis.set(N, "text");
  const results = await redis.transaction([N], (tx) => tx.multi().lpush(N, "x").exec());
  t.regex(String(results?.[0]?.[0]?.message), /^WRONGTYPE/);
  await t.throwsAsync(
    redis.transaction([N], (tx) => tx.multi([["call", "get", N, "too many"]]).exec()),
    { name: "ReplyError", message: /^EXECABORT/ },
  );
  await t.throwsAsync(
    redis.transaction([N], (tx) => tx.incr(N)),
    { name: "ReplyError" },
  );
  await redis.del(N);
  await nothingIsWatched(t, redis);
});

test("connections are used again, and few are kept", async (t) => {
  const { redis } = await sharded(t);
  const node = redis.node(redis.nodeFor(N).name);
  const made = async () =>
    Number(/^total_connections_received:(\d+)/m.exec(await node.info("stats"))?.[1]);
  const before = await made();
  for (let n = 0; n < 20; n++) await redis.transaction([N], (tx) => tx.multi().incr(N).exec());
  t.true((await made()) - before <= 4);
  await Promise.all(Array.from({ length: 20 }, () => redis.transaction([N], (tx) => tx.get(N))));
  await until(async () => (await connectionsTo(redis, N)) === 5, "four, and the node's own");
});

test("by(key) has it on the node of the key, whatever the keys", async (t) => {
  const { redis } = await sharded(t, { keyPrefix: "p:" });
  const [here, there] = [keyOn(redis, "node1"), keyOn(redis, "node2")];
  let runs = 0;
  const results = await redis.by(here).transaction([here, there], async (tx) => {
    const value = Number(await tx.get(there));
    if (runs++ === 0) await redis.by(here).incr(there);
    return tx
      .multi()
      .set(there, value + 1)
      .mget(here, there)
      .exec();
  });
  t.deepEqual(results, [
    [null, "OK"],
    [null, [null, "2"]],
  ]);
  t.is(await redis.node("node1").get(there), "2");
});

test("keyPrefix is before its keys, and bytes are keys", async (t) => {
  const { redis } = await sharded(t, { keyPrefix: "{p}:" });
  const bytes = Buffer.from([0xff, 0]);
  let runs = 0;
  await redis.transaction([bytes, 7], async (tx) => {
    if (runs++ === 0) await redis.set("7", "changed");
    await tx.multi().set(bytes, "1").exec();
  });
  t.is(runs, 2);
  t.deepEqual((await redis.keysBuffer("*")).map((key) => key.toString("latin1")).sort(), [
    "{p}:7",
    "{p}:\u00ff\u0000",
  ]);
});

test("what cannot be done within is refused, with the way out", async (t) => {
  const { redis } = await sharded(t);
  const refused: [(tx: CommandView) => Promise<unknown>, RegExp][] = [
    [(tx) => tx.blpop(N, 1), /outside of the transaction/],
    [(tx) => tx.unwatch(), /redis\.transaction/],
    [(tx) => tx.call("exec"), /redis\.multi\(\)/],
    [(tx) => tx.select(1), /option db/],
    [(tx) => tx.subscribe("channel"), /redis\.subscribe|redis\.node/],
    [(tx) => tx.multi().watch(N).exec(), /redis\.transaction/],
    [(tx) => tx.call("json.get", N), /redis\.by\(key\)/],
  ];
  for (const [work, message] of refused) {
    await t.throwsAsync(redis.transaction([N], work), { code: "UNSUPPORTED", message });
  }
  for (const command of [redis.watch(N), redis.unwatch(), redis.by(N).watch(N)]) {
    await t.throwsAsync(command, {
      code: "UNSUPPORTED",
      message: /redis\.transaction\(keys, work\)/,
    });
  }
});

test("wrong arguments are refused, and nothing is sent", async (t) => {
  const { redis } = await sharded(t);
  const work = () => t.fail("it is not begun");
  const wrong: [code: string, ...args: unknown[]][] = [
    ["BAD_ARGUMENT", [], work],
    ["BAD_ARGUMENT", "key", work],
    ["BAD_ARGUMENT", undefined, work],
    ["BAD_ARGUMENT", ["key"], undefined],
    ["BAD_ARGUMENT", ["key"], work, { retries: -1 }],
    ["BAD_ARGUMENT", ["key"], work, { retries: 0.5 }],
    ["BAD_ARGUMENT", ["key"], work, { retries: "1" }],
    ["BAD_KEY", [undefined], work],
    ["BAD_KEY", ["key", {}], work],
  ];
  await nothingIsSent(t, redis, async () => {
    for (const [code, ...args] of wrong) {
      const promise = Reflect.apply(redis.transaction, redis, args);
      await t.throwsAsync(promise, { instanceOf: ShardisError, code }, String(args));
    }
  });
});

// --- Nodes that fail ----------------------------------------------------------------------------

test("its node is down: it is refused, and those of others are not", async (t) => {
  const { redis, servers } = await sharded(t, { commandTimeout: 1000 });
  const [a, b] = [keyOn(redis, "node1"), keyOn(redis, "node2")];
  await servers.node("node2").kill();
  const error = await failure(
    t,
    redis.transaction([b], () => t.fail("the work is not begun")),
    1000,
  );
  t.like(error, { code: "NODE_DOWN", node: "node2", command: "watch", keys: [b], sent: false });
  t.deepEqual(await redis.transaction([a], (tx) => tx.multi().set(a, "1").exec()), [[null, "OK"]]);
});

test("its node dies within: it rejects in time, and works again when the node does", async (t) => {
  const { redis, servers } = await sharded(t, { commandTimeout: 1000 });
  const b = keyOn(redis, "node2");
  const error = await failure(
    t,
    redis.transaction([b], async (tx) => {
      await tx.get(b);
      await servers.node("node2").kill();
      return tx.multi().set(b, "unguarded").exec();
    }),
    3000,
  );
  t.true(["CONNECTION_LOST", "NODE_DOWN"].includes(error.code), error.code);
  t.is(error.node, "node2");
  await servers.node("node2").restart();
  await until(() => redis.node("node2").status === "ready");
  t.deepEqual(await redis.transaction([b], (tx) => tx.multi().set(b, "1").exec()), [[null, "OK"]]);
});

test("a connection that breaks is not made again without the watch", async (t) => {
  const { redis } = await sharded(t);
  const b = keyOn(redis, "node2");
  const plain = redis.node("node2");
  const promise = redis.transaction([b], async (tx) => {
    const id = await tx.client("ID").catch(() => undefined);
    t.is(id, undefined, "connections are not the work's to ask");
    const list = String(await plain.client("LIST"));
    for (const [, address = ""] of list.matchAll(/ addr=(\S+).* cmd=watch/g)) {
      await plain.client("KILL", "ADDR", address);
    }
    return tx.multi().set(b, "unguarded").exec();
  });
  const error = await failure(t, promise, 5000);
  t.true(["CONNECTION_LOST", "NODE_DOWN"].includes(error.code), error.code);
  t.is(await redis.get(b), null);
});

test("its node falls silent within: it settles in time", async (t) => {
  const { redis, servers } = await sharded(t, { commandTimeout: 1000 });
  const b = keyOn(redis, "node2");
  const promise = redis.transaction([b], async (tx) => {
    servers.node("node2").pause();
    return tx.multi().set(b, "1").exec();
  });
  t.like(await failure(t, promise, 2000), { code: "TIMEOUT", node: "node2", sent: true });
  servers.node("node2").resume();
});

test("quit() lets EXEC have its reply, and refuses what comes after", async (t) => {
  const { redis, proxies } = await setUp(t, 1);
  let ended: Promise<unknown> | undefined;
  const promise = redis.transaction([N], async (tx) => {
    // The reply is on its way for longer than an orderly end of the connection takes.
    at(proxies).delay = 150;
    const executed = tx.multi().incr(N).get(N).exec();
    ended = redis.quit();
    return executed;
  });
  t.deepEqual(await promise, [
    [null, 1],
    [null, "1"],
  ]);
  t.is(await ended, "OK");
  const late = redis.transaction([N], (tx) => tx.get(N));
  await t.throwsAsync(late, { code: "CLOSED", message: /watch was not sent/ });
});

test("quit() and disconnect() within it end it, and neither waits for the work", async (t) => {
  for (const close of ["quit", "disconnect"] as const) {
    const { redis } = await sharded(t);
    const error = await failure(
      t,
      redis.transaction([N], async (tx) => {
        await tx.get(N);
        await redis[close]();
        await tx.multi().set(N, "1").exec();
      }),
      5000,
    );
    t.is(error.code, "CLOSED", close);
    await until(() => redis.status === "end");
  }
});

test("disconnect() while they are under way settles all of them", async (t) => {
  const servers = await start(t, 2);
  const redis = newClient(t, servers.nodes);
  await redis.connect();
  const running = Array.from({ length: 30 }, (_, n) => {
    const key = `key:${n % 3}`;
    const work = async (tx: CommandView) => {
      const value = Number(await tx.get(key));
      return tx
        .multi()
        .set(key, value + 1)
        .exec();
    };
    return held(redis.transaction([key], work, { retries: Number.POSITIVE_INFINITY }));
  });
  await Promise.race(running);
  redis.disconnect();
  const endings = await settle(t, running, 1000);
  for (const { error, value } of endings) {
    const code = Reflect.get(Object(error), "code");
    t.true(value !== undefined || ["CLOSED", "CONNECTION_LOST"].includes(code), code);
  }
});

// --- Helpers ------------------------------------------------------------------------------------

/** Asserts that nothing is watched on the connections of transactions that are over. */
async function nothingIsWatched(t: ExecutionContext, redis: ShardedRedis): Promise<void> {
  const client = redis.node(redis.nodeFor(N).name);
  await until(async () => {
    const others = String(await client.client("LIST")).match(/^.* cmd=(?!client).*$/gm) ?? [];
    // Redis 7.4 and later say how many keys are watched.
    return others.every((line) => / cmd=unwatch /.test(line) && !/ watch=[1-9]/.test(line));
  });
  const before = await connectionsTo(redis, N);
  await redis.incr(N);
  // As many at once as there are connections: each would be the end of one.
  const executed = Array.from({ length: before - 1 }, () =>
    redis.transaction(["{t}m"], (tx) => tx.multi().echo("text").exec(), { retries: 0 }),
  );
  for (const results of await Promise.all(executed)) t.deepEqual(results, [[null, "text"]]);
  t.is(await connectionsTo(redis, N), before);
}

async function connectionsTo(redis: ShardedRedis, key: string): Promise<number> {
  const list = String(await redis.node(redis.nodeFor(key).name).client("LIST"));
  return list.trim().split("\n").length;
}

/** Rejects with the error of the first command of a pipeline. */
function firstError(results: readonly [Error | null, unknown][] | null): void {
  const [error] = results?.[0] ?? [];
  if (error) throw error;
}
