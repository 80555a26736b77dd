/** BLMOVE and BRPOPLPUSH between two nodes: they wait for the source, and then lose nothing. */
import { setTimeout as delay } from "node:timers/promises";
import test from "ava";
import { type ShardedRedis, ShardisError } from "../src/index.ts";
import { noneIsBlocked, openPlain, openTrio, untilWaiting } from "./helpers/blocking.ts";
import { ownKeys } from "./helpers/moves-setup.ts";
import { at, held, keysOn, newClient, until, watchRejections } from "./helpers/setup.ts";

watchRejections(test);

type Call = readonly [command: string, ...args: (string | number | Buffer)[]];

const bytes = Buffer.from([0xff, 0x00, 0x0d, 0x0a, 0xc3]);

/** What is there before, and what is asked for; A and B lie on different nodes. */
const CASES: readonly (readonly [seed: readonly Call[], call: Call])[] = [
  [[["rpush", "A", "1", "2", bytes]], ["blmove", "A", "B", "LEFT", "RIGHT", 1]],
  [[["rpush", "A", "1", "2", bytes]], ["blmove", "A", "B", "right", "left", 0]],
  [[["rpush", "A", "1", "2", bytes]], ["brpoplpush", "A", "B", "1.5"]],
  [
    [
      ["rpush", "A", "1"],
      ["rpush", "B", "2"],
    ],
    ["brpoplpush", "A", "B", 1],
  ],
  [[], ["blmove", "A", "B", "LEFT", "RIGHT", 0.02]],
  [[], ["brpoplpush", "A", "B", ".02"]],
  [[["rpush", "B", "2"]], ["brpoplpush", "A", "B", 1e-7]],
  // A source that does not exist comes before a destination of the wrong type.
  [[["set", "B", "text"]], ["blmove", "A", "B", "LEFT", "LEFT", 0.02]],
  [
    [
      ["rpush", "A", "1"],
      ["set", "B", "text"],
    ],
    ["blmove", "A", "B", "LEFT", "LEFT", 1],
  ],
  [[["set", "A", "text"]], ["brpoplpush", "A", "B", 1]],
  [[["rpush", "A", "1"]], ["blmove", "A", "B", "LEFT", "UP", 1]],
  [[["rpush", "A", "1"]], ["blmove", "A", "B", "LEFT", "LEFT", "soon"]],
  [[["rpush", "A", "1"]], ["blmove", "A", "B", "LEFT", "LEFT", -1]],
  [[["rpush", "A", "1"]], ["brpoplpush", "A", "B", "1e400"]],
  [[["rpush", "A", "1"]], ["brpoplpush", "A", "B", ""]],
  [[["rpush", "A", "1"]], ["blmove", "A", "B", "LEFT", "LEFT"]],
  [[["rpush", "A", "1"]], ["blmove", "A", "B", "LEFT", "LEFT", 1, 2]],
];

for (const protocol of [2, 3] as const) {
  test.serial(
    `replies, errors and what is left are those of one Redis, with RESP${protocol}`,
    async (t) => {
      const { redis, a: A, b: B } = await openTrio(t, { redisOptions: { protocol } });
      const plain = await openPlain(t, { protocol });
      const placed = (args: Call) =>
        args.map((arg) =>
          arg === "A" ? A : arg === "B" ? B : Buffer.isBuffer(arg) ? arg : `${arg}`,
        );
      for (const [seed, call] of CASES) {
        for (const form of ["call", "callBuffer"] as const) {
          const outcomes: unknown[] = [];
          for (const client of [redis, plain]) {
            await client.flushall();
            for (const command of seed) await client.call("eval", run(placed(command)));
            const [name = "", ...args] = placed(call);
            const reply = await client[form](String(name), args).catch((error) => error.message);
            const left = [A, B].map((key) =>
              client.callBuffer("lrange", [key, "0", "-1"]).catch((error) => error.message),
            );
            outcomes.push([reply, ...(await Promise.all(left))]);
          }
          t.deepEqual(outcomes[0], outcomes[1], `${form} ${call.join(" ")}`);
        }
      }
      await noOwnKeyIsLeft(redis);
      await noneIsBlocked(t, redis);
    },
  );
}

test("a push to the source wakes it, one to the destination does not", async (t) => {
  const { redis, a, b } = await openTrio(t);
  const moved = redis.blmove(a, b, "LEFT", "RIGHT", 0);
  const taken = redis.brpoplpushBuffer(a, b, 0);
  await untilWaiting(redis, "node1", "blmove");
  await untilWaiting(redis, "node1", "brpoplpush");
  await redis.rpush(b, "was there");
  await redis.rpush(a, "1", "2");
  const elements = (await Promise.all([moved, taken])).map(String);
  t.true(elements[0] === "1" || elements[0] === "2");
  t.deepEqual(elements.toSorted(), ["1", "2"]);
  const all = await redis.lrange(b, 0, -1);
  t.deepEqual(all.toSorted(), ["1", "2", "was there"]);
  t.deepEqual([all[0], all.at(-1)], [elements[1], elements[0]]);
  t.is(await redis.exists(a), 0);
  await noOwnKeyIsLeft(redis);
});

test("a destination of the wrong type is an error once there is an element, which stays", async (t) => {
  const { redis, a, b } = await openTrio(t);
  const moved = held(redis.blmove(a, b, "LEFT", "RIGHT", 0));
  await untilWaiting(redis, "node1", "blmove");
  await redis.set(b, "text");
  await redis.rpush(a, "1", "2");
  await t.throwsAsync(moved, { message: /^WRONGTYPE/, name: "ReplyError" });
  t.deepEqual(await redis.lrange(a, 0, -1), ["1", "2"]);
  await noOwnKeyIsLeft(redis);
});

test("it waits as long as it was asked to", async (t) => {
  const { redis, a, b } = await openTrio(t);
  const start = performance.now();
  t.is(await redis.blmove(a, b, "LEFT", "RIGHT", 0.5), null);
  t.true(performance.now() - start >= 498);
});

test.serial("many who move in a ring: nothing is lost, and nothing doubled", async (t) => {
  const { redis, nodes } = await openTrio(t);
  const keys = ["node1", "node2", "node3"].flatMap((node) => keysOn(redis, node, 1, "ring"));
  const clients = Array.from({ length: 3 }, () => newClient(t, nodes));
  let moves = 0;
  const carry = async (client: ShardedRedis, from: number) => {
    const [source, destination] = [at(keys, from), at(keys, (from + 1) % keys.length)];
    for (; ; moves++) {
      if (from % 2 === 0) await client.blmove(source, destination, "LEFT", "RIGHT", 0);
      else await client.brpoplpush(source, destination, 0);
    }
  };
  const ends = clients.flatMap((client) =>
    keys.flatMap((_, from) => [held(carry(client, from)), held(carry(client, from))]),
  );
  const elements = Array.from({ length: 60 }, (_, number) => `e${number}`);
  for (const [number, element] of elements.entries()) {
    await redis.rpush(at(keys, number % keys.length), element);
    if (number % 10 === 0) await delay(5);
  }
  await until(() => moves > 600);
  await Promise.all(clients.map((client) => client.quit()));
  await Promise.allSettled(ends);
  // What was under way when they were closed stands in the journal, as after a crash.
  await redis.recover(0);
  const left = await Promise.all(keys.map((key) => redis.lrange(key, 0, -1)));
  t.deepEqual(left.flat().toSorted(), elements.toSorted());
  await noneIsBlocked(t, redis);
});

test("explain, strict, transactions and pipelines know them", async (t) => {
  const { redis, a, b } = await openTrio(t);
  const { hint, ...explained } = redis.explain("blmove", [a, b, "LEFT", "RIGHT", 0]);
  t.deepEqual(explained, {
    command: "blmove",
    strategy: "move",
    nodes: ["node1", "node2"],
    roundTrips: 3,
    atomicity: "emulated",
  });
  for (const refused of [
    redis.strict.brpoplpush(a, b, 1),
    redis.tagged.brpoplpush(a, b, 1),
    redis.multi().brpoplpush(a, b, 1).exec(),
  ]) {
    await t.throwsAsync(refused, { instanceOf: ShardisError, code: "CROSS_NODE" });
  }
  t.deepEqual(
    await redis
      .pipeline()
      .rpush(a, "1")
      .blmove(a, b, "LEFT", "LEFT", 1)
      .lrange(b, 0, -1)
      .brpoplpush(a, b, 0.02)
      .exec(),
    [
      [null, 1],
      [null, "1"],
      [null, ["1"]],
      [null, null],
    ],
  );
});

// --- Helpers ------------------------------------------------------------------------------------

/** A command as the arguments of EVAL, which both clients place by the same key. */
function run([command = "", key = "", ...args]: readonly (string | Buffer)[]): (string | Buffer)[] {
  return ["return redis.call(ARGV[1], KEYS[1], unpack(ARGV, 2))", "1", key, command, ...args];
}

async function noOwnKeyIsLeft(redis: ShardedRedis): Promise<void> {
  for (const node of redis.nodes()) await until(async () => (await ownKeys(node)).length === 0);
}
