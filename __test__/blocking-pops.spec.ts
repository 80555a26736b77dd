/** Blocking pops over keys of several nodes: they answer as one Redis does, and take one element. */
import { setTimeout as delay } from "node:timers/promises";
import test from "ava";
import { type ShardedRedis, type ShardedRedisOptions, ShardisError } from "../src/index.ts";
import type { Call } from "./helpers/beside-plain.ts";
import {
  agree,
  noneIsBlocked,
  openPlain,
  openTrio,
  REPLY_SHAPES,
  untilAsked,
  untilQuiet,
  untilWaiting,
} from "./helpers/blocking.ts";
import { recorded } from "./helpers/sent.ts";
import {
  at,
  callsOf,
  held,
  keyOn,
  keysOn,
  newClient,
  SCHEDULING,
  settle,
  until,
  watchRejections,
} from "./helpers/setup.ts";

watchRejections(test);

const bytes = Buffer.from([0xff, 0x00, 0x0d, 0x0a, 0xc3]);

/** What is there before each of `CALLS`. */
const SEED: readonly Call[] = [
  ["rpush", "l1", "a", "b", bytes],
  ["rpush", "l2", "c", "d"],
  ["rpush", bytes, bytes, "z"],
  ["zadd", "z1", 0.1, "a", 0.1, "b", "inf", bytes],
  ["zadd", "z2", -1.5, "c", 3, "d"],
  ["set", "text", "text"],
];

/** Where the keys lie; those that nothing is put into do not exist. */
const NODES: Readonly<Record<string, string>> = {
  l1: "node1",
  l2: "node2",
  z1: "node3",
  z2: "node1",
  text: "node2",
  n1: "node3",
  n2: "node1",
  n3: "node2",
  n4: "node3",
};

const CALLS: readonly Call[] = [
  ["blpop", "l1", "l2", 1],
  ["blpop", "n1", "l2", "n2", "l1", 0],
  ["brpop", "n1", "n2", "n3", "l1", 1],
  ["brpop", "l2", "l2", "l1", "1.5"],
  ["blpop", "n1", "n2", "n3", bytes, 1],
  ["brpop", "n1", "n2", bytes, "l1", 1],
  ["blpop", "n1", "n2", "n3", "n4", 0.01],
  ["bzpopmin", "n1", "n2", "z1", "z2", 1],
  ["bzpopmax", "n1", "n2", "z1", "z2", 1],
  ["bzpopmin", "z2", "z1", 0],
  ["bzpopmax", "n1", "n2", "n3", "n4", 0.01],
  ["blmpop", 1, 4, "n1", "n2", "l1", "l2", "LEFT"],
  ["blmpop", 1, 4, "n1", "n2", "l1", "l2", "right", "count", 2],
  ["blmpop", 0, 2, "l2", "l1", "LEFT", "COUNT", 10],
  ["blmpop", 0.01, 3, "n1", "n2", "n3", "LEFT"],
  ["bzmpop", 1, 4, "n1", "n2", "z1", "z2", "MIN"],
  ["bzmpop", 1, 4, "n1", "n2", "z1", "z2", "max", "count", 2],
  ["bzmpop", 0.01, 3, "n1", "n2", "n3", "MIN"],
  // A wrong type counts where it comes first.
  ["blpop", "n1", "text", "l1", "l2", 1],
  ["blpop", "n1", "l1", "text", "l2", 1],
  ["bzpopmin", "l1", "z1", "z2", 1],
  ["bzmpop", 1, 3, "n1", "l1", "z1", "MIN"],
  ["blmpop", 1, 3, "n1", "z1", "l1", "LEFT"],
  ["blpop", "l1", "l2", "n1", "soon"],
  ["blpop", "l1", "l2", "n1", -1],
  ["brpop", "l1", "l2", "n1", ""],
  ["bzpopmin", "z1", "z2", "n1", "1e400"],
  ["blmpop", "soon", 2, "l1", "l2", "LEFT"],
  ["blmpop", 1, 3, "l1", "l2", "n1", "UP"],
  ["blmpop", 1, 3, "l1", "l2", "n1", "LEFT", "COUNT", 0],
  ["bzmpop", 1, 3, "z1", "z2", "n1", "MIN", "COUNT", "few"],
];

const LOOKS: readonly Call[] = [
  ...["l1", "l2", bytes].map((list): Call => ["lrange", list, 0, -1]),
  ...["z1", "z2"].map((set): Call => ["zrange", set, 0, -1]),
];

for (const redisOptions of REPLY_SHAPES) {
  test.serial(
    `replies, errors and what is left are those of one Redis, with ${JSON.stringify(redisOptions)}`,
    async (t) => {
      const { redis } = await openTrio(t, { redisOptions });
      const keys = new Map(
        Object.entries(NODES).map(([name, at]) => [name, keyOn(redis, at, name)]),
      );
      const plain = await openPlain(t, redisOptions);
      await agree(t, redis, plain, { keys, seed: SEED, calls: CALLS, looks: LOOKS });
      await noneIsBlocked(t, redis);
    },
  );
}

test("it waits as long as it was asked to, and not much longer", async (t) => {
  const { redis, a, b, c } = await openTrio(t);
  for (const wait of [0.2, "1.1", Buffer.from("0.6")]) {
    const start = performance.now();
    t.is(await redis.blpop(a, b, c, String(wait)), null);
    const elapsed = performance.now() - start;
    t.true(elapsed >= 1000 * Number(String(wait)) - 2, `${elapsed} ms for ${wait} s`);
    t.true(elapsed < 1000 * Number(String(wait)) + SCHEDULING, `${elapsed} ms for ${wait} s`);
  }
});

test("a push to any of the keys wakes it, of whatever kind it is", async (t) => {
  const { redis, a, b, c } = await openTrio(t, { commandTimeout: 1000 });
  const pushes: readonly ((key: string) => Promise<unknown>)[] = [
    (key) => redis.rpush(key, "x"),
    (key) => redis.multi().rpush(key, "x").exec(),
    (key) => redis.flushall().then(() => redis.rpush(key, "x")),
    (key) =>
      redis
        .node(redis.nodeFor(key).name)
        .pipeline()
        .rpush(key, "y")
        .del(key)
        .rpush(key, "x")
        .exec(),
    (key) => redis.eval("return redis.call('rpush', KEYS[1], 'x')", 1, key),
    (key) => redis.rpush(`{${key}}other`, "x").then(() => redis.rename(`{${key}}other`, key)),
  ];
  for (const key of [a, b, c]) {
    for (const push of pushes) {
      const popped = redis.blpop(a, b, c, 0);
      await delay(Math.random() * 5);
      await push(key);
      const pushed = performance.now();
      t.deepEqual(await popped, [key, "x"]);
      // Not only when a silent node is asked whether it is there.
      t.true(performance.now() - pushed < SCHEDULING);
    }
    const sorted = redis.bzpopmax(a, b, c, 0);
    await delay(Math.random() * 5);
    await redis.zadd(key, 1.5, "x", 2.5, "y");
    t.deepEqual(await sorted, [key, "y", "2.5"]);
    await redis.del(key);
  }
});

test("a wait for ever outlasts commandTimeout", async (t) => {
  const { redis, a, b, c } = await openTrio(t, { commandTimeout: 1000 });
  const popped = redis.blmpop(0, 3, a, b, c, "LEFT");
  await untilWaiting(redis, "node3", "blmpop");
  await delay(1500);
  await redis.rpush(c, "x");
  t.deepEqual(await popped, [c, ["x"]]);
});

test("of two elements that come at once, on two nodes, one is taken and one stays", async (t) => {
  const { redis, a, b, c } = await openTrio(t);
  const taken = new Set<string>();
  for (let round = 0; round < 40; round++) {
    const popped = redis.blpop(a, b, c, 0);
    if (round % 2 === 0) await delay(Math.random() * 4);
    await Promise.all([redis.rpush(c, "c1", "c2"), redis.rpush(b, "b1", "b2")]);
    const [key, element] = (await popped) ?? [];
    taken.add(String(key));
    t.is(element, key === b ? "b1" : "c1");
    const left = { [b]: ["b1", "b2"], [c]: ["c1", "c2"], [String(key)]: [`${element?.[0]}2`] };
    for (const name of [b, c]) t.deepEqual(await redis.lrange(name, 0, -1), left[name]);
    await redis.del(b, c);
  }
  t.true([...taken].every((key) => key === b || key === c));
});

test("who waits takes nothing until there is something for it", async (t) => {
  const { redis, nodes, a, b, c } = await openTrio(t);
  const other = newClient(t, nodes);
  const popped = held(other.blpop(a, b, c, 0));
  await untilWaiting(redis, "node3", "blpop");
  other.disconnect();
  await t.throwsAsync(popped, { instanceOf: ShardisError });
  await redis.rpush(b, "1", "2");
  t.deepEqual(await redis.lrange(b, 0, -1), ["1", "2"]);
  // One that waits on the server itself is served first, and whole.
  const first = redis.blpop(a, b, c, 0);
  await redis.del(b);
  const native = redis.blpop(a, 0);
  await redis.blpop(b, 0.01);
  await redis.rpush(a, "1", "2");
  const got = (await Promise.all([first, native])).map((reply) => String(reply?.[1]));
  t.deepEqual(got.sort(), ["1", "2"]);
});

test.serial(
  "many producers and consumers: every element is taken once, none is lost",
  async (t) => {
    const { redis, nodes } = await openTrio(t);
    const keys = ["node1", "node2", "node3"].flatMap((node) => keysOn(redis, node, 2, "queue"));
    const sets = keys.map((key) => `{${key}}set`);
    const clients = Array.from({ length: 4 }, () => newClient(t, nodes));
    const total = 600;
    const got: string[] = [];
    const consume = async (client: ShardedRedis, number: number) => {
      for (;;) {
        const rotated = [...keys.slice(number % 6), ...keys.slice(0, number % 6)];
        const rotatedSets = [...sets.slice(number % 6), ...sets.slice(0, number % 6)];
        const replies: readonly (() => Promise<unknown>)[] = [
          () => client.blpop(...rotated, 0),
          () => client.brpop(...rotated, 0),
          () => client.blmpop(0, 6, ...rotated, "LEFT", "COUNT", "3"),
          () => client.bzpopmin(...rotatedSets, 0),
          () => client.bzmpop(0, 6, ...rotatedSets, "MAX", "COUNT", "3"),
        ];
        const reply: unknown = await replies[number % replies.length]?.();
        const [, element] = Array.isArray(reply) ? reply : [];
        got.push(...[element].flat(2).filter((text) => /^e\d+$/.test(String(text))));
      }
    };
    const ends = clients.flatMap((client) =>
      Array.from({ length: 10 }, (_, number) => held(consume(client, number))),
    );
    const produce = async (client: ShardedRedis, share: number) => {
      for (let number = share; number < total; number += 6) {
        const key = keys[number % keys.length] ?? "";
        if (number % 5 === 0) await client.lpush(key, `e${number}`);
        else if (number % 2 === 0) await client.zadd(`{${key}}set`, number, `e${number}`);
        else await client.rpush(key, `e${number}`);
        if (number % 7 === 0) await delay(1);
      }
    };
    await Promise.all(Array.from({ length: 6 }, (_, share) => produce(redis, share)));
    await until(() => got.length >= total);
    for (const client of clients) client.disconnect();
    await Promise.allSettled(ends);
    t.is(got.length, total);
    t.is(new Set(got).size, total);
    t.is(await redis.exists(...keys, ...sets), 0);
    await noneIsBlocked(t, redis);
  },
);

test.serial("many of one client wait in a line: few connections, and few questions", async (t) => {
  const { redis, direct, proxies, a, b, c } = await openTrio(t);
  const waits = Array.from({ length: 200 }, () => redis.blpop(a, b, c, 0));
  await untilAsked(direct, "node3", { exists: 1, blpop: 200 });
  await untilQuiet(direct, "node3", "blpop");
  await direct.each.config("RESETSTAT");
  const elements = Array.from({ length: 200 }, (_, number) => String(number));
  for (const element of elements) await direct.rpush(b, element);
  const got = (await Promise.all(waits)).map((reply) => reply?.[1]);
  t.deepEqual(got, elements, "who came first is served first");
  // One when it comes, and one to see that there is no more.
  t.true((await callsOf(direct, "node2", "blpop")) <= 400);
  t.true((await callsOf(direct, "node3", "blpop")) <= 200);
  for (const proxy of proxies) t.is(proxy.open, 3);
});

test("those in a line end each at its own time, or all at once by a failure", async (t) => {
  const { redis, servers, a, b, c } = await openTrio(t, { commandTimeout: 1000 });
  const start = performance.now();
  const ends: number[] = [];
  const waits = Array.from({ length: 20 }, async (_, number) => {
    await delay(20 * number);
    t.is(await redis.blpop(a, b, c, 1), null);
    ends.push(performance.now() - start - 20 * number);
  });
  await Promise.all(waits);
  for (const elapsed of ends)
    t.true(elapsed >= 998 && elapsed < 1000 + SCHEDULING, `${elapsed} ms`);
  const forever = Array.from({ length: 20 }, () => held(redis.blpop(a, b, c, 0)));
  await untilQuiet(redis, "node3", "blpop");
  await at(servers, 1).kill();
  for (const { error } of await settle(t, forever, 3000)) {
    t.true(error instanceof ShardisError && error.node === "node2");
  }
});

test("those who wait for something else do not wait in the same line", async (t) => {
  const { redis, a, b, c } = await openTrio(t);
  const lists = redis.blpop(a, b, c, 0);
  const sets = redis.bzpopmin(`{${a}}z`, b, c, 0);
  const others = redis.blpop(c, b, a, 0);
  const moved = redis.blmove(c, a, "LEFT", "LEFT", 0);
  await untilWaiting(redis, "node3", "blmove");
  await redis.zadd(`{${a}}z`, 1, "m");
  t.deepEqual(await sets, [`{${a}}z`, "m", "1"]);
  await redis.rpush(b, "1", "2", "3");
  t.deepEqual(
    [await lists, await others].map((reply) => reply?.[0]),
    [b, b],
  );
  await redis.rpush(c, "x");
  t.is(await moved, "x");
  t.deepEqual(await redis.lrange(a, 0, -1), ["x"]);
});

test("keys are those on the wire: with a prefix, and with a scheme that rewrites them", async (t) => {
  const options: readonly ShardedRedisOptions[] = [
    { keyPrefix: "app:" },
    { placement: { scheme: "rediscluster" } },
  ];
  for (const option of options) {
    const started = await openTrio(t);
    const nodes = started.nodes.map((node, index) => ({ ...node, name: `node_${index + 1}` }));
    const redis = newClient(t, nodes, option);
    const on = (node: string) =>
      at(
        Array.from({ length: 100 }, (_, n) => `k{${n}}`).filter(
          (key) => redis.nodeFor(key).name === node,
        ),
      );
    const [a, b] = [on("node_1"), on("node_2")];
    const wired = String(redis.explain(b).storedKey);
    const popped = redis.blpop(a, b, 0);
    await untilWaiting(started.redis, "node2", "blpop");
    await redis.rpush(b, "x");
    t.deepEqual(await popped, [wired, "x"]);
    t.is(wired, option.keyPrefix === undefined ? "k" : `app:${b}`);
    t.is(await started.redis.node("node2").exists(wired), 0);
  }
});

test("nodes are asked in the order of the keys; while one waits, nothing is sent", async (t) => {
  const { redis, a, b, c } = await openTrio(t);
  const a2 = at(keysOn(redis, "node1", 1, "other"));
  const ask = (...keys: string[]) => ["multi", `blpop ${keys.join(" ")} 0`, "exec"];
  // The first that waits makes the connections.
  const first = redis.blpop(a, b, c, 0);
  await untilWaiting(redis, "node3", "blpop");
  await redis.rpush(c, "0");
  await first;
  await redis.rpush(c, "1");
  t.deepEqual(await recorded(redis, () => redis.blpop(a, a2, b, a, c, 0)), {
    node1: [...ask(a, a2), ...ask(a)],
    node2: ask(b),
    node3: ask(c),
  });
  await redis.each.config("RESETSTAT");
  const sent = await recorded(redis, async () => {
    const popped = redis.blpop(a, a2, b, 0);
    await untilWaiting(redis, "node2", "blpop");
    await delay(100);
    await redis.rpush(b, "2");
    await popped;
  });
  const isOwn = (line: string) => !line.startsWith("info") && !line.startsWith("rpush");
  t.deepEqual(sent.node1?.filter(isOwn), [
    ...ask(a, a2),
    `exists ${a} ${a2}`,
    ...ask(a, a2),
    ...ask(a, a2),
  ]);
  t.deepEqual(sent.node2?.filter(isOwn), [...ask(b), `exists ${b}`, ...ask(b), ...ask(b)]);
  t.deepEqual(sent.node3?.filter(isOwn), []);
});

test("in a pipeline it holds up what comes after, as other blocking commands do", async (t) => {
  const { redis, a, b, c } = await openTrio(t);
  t.deepEqual(
    await redis
      .pipeline()
      .rpush(b, "1", "2")
      .blpop(a, b, c, 1)
      .llen(b)
      .blpop(a, c, 0.05)
      .rpush(c, "3")
      .brpopBuffer(a, c, b, 1)
      .exec(),
    [
      [null, 2],
      [null, [b, "1"]],
      [null, 1],
      [null, null],
      [null, 1],
      [null, [Buffer.from(c), Buffer.from("3")]],
    ],
  );
});

test("strict, tagged and transactions refuse it; explain knows it", async (t) => {
  const { redis, a, b, c } = await openTrio(t);
  for (const refused of [
    redis.strict.blpop(a, b, 1),
    redis.tagged.bzpopmin(a, b, 1),
    redis.multi().blmpop(1, 2, a, b, "LEFT").exec(),
  ]) {
    const error = await t.throwsAsync(refused, { instanceOf: ShardisError, code: "CROSS_NODE" });
    t.deepEqual(error.keys, [a, b]);
  }
  const { hint, ...explained } = redis.explain("blpop", [a, b, a, c, 1]);
  t.deepEqual(explained, {
    command: "blpop",
    strategy: "steps",
    nodes: ["node1", "node2", "node3"],
    roundTrips: 4,
    atomicity: "emulated",
  });
  t.regex(String(hint), /hash tag/);
  t.is(redis.explain("bzmpop", [1, 2, a, `{${a}}`, "MIN"]).strategy, "node");
});

test("a server that refuses the command, or to track keys, says so in its own words", async (t) => {
  const { redis, a, b } = await openTrio(t);
  await redis.node("node2").acl("SETUSER", "default", "-blpop");
  await t.throwsAsync(redis.blpop(a, b, 1), { message: /^NOPERM .*'blpop'/, name: "ReplyError" });
  await redis.node("node2").acl("SETUSER", "default", "+@all", "-client|tracking");
  await t.throwsAsync(redis.blpop(a, b, 1), { message: /^NOPERM .*'client\|tracking'/ });
  await redis.node("node2").acl("SETUSER", "default", "+@all");
  t.is(await redis.blpop(a, b, 0.01), null);
});
