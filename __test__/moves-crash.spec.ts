/**
 * A client that is killed at any step of a move loses nothing, and what it left
 * is finished or undone by the next.
 */
import test, { type ExecutionContext } from "ava";
import { killAfter } from "./helpers/moves-kill.ts";
import { look, openPair, ownKeys, type Pair } from "./helpers/moves-setup.ts";
import { until } from "./helpers/setup.ts";

/** More steps than any move has. */
const MOST_STEPS = 20;

interface Scene {
  readonly command: (source: string, destination: string) => readonly string[];
  readonly prepare: (pair: Pair, source: string, destination: string) => Promise<unknown>;
  /** What both keys hold that must never be less, in any order. */
  readonly holds: (pair: Pair, source: string, destination: string) => Promise<readonly string[]>;
}

const expiry = Date.now() + 3_600_000;

const keys: Pick<Scene, "prepare" | "holds"> = {
  prepare: async ({ nodes }, source) => {
    await nodes[0].rpush(source, "a", "b");
    await nodes[0].pexpireat(source, expiry);
  },
  holds: async ({ nodes }, source, destination) => {
    const here = await nodes[0].lrange(source, 0, -1);
    return here.length > 0 ? here : nodes[1].lrange(destination, 0, -1);
  },
};

const lists: Pick<Scene, "prepare" | "holds"> = {
  prepare: ({ nodes }, source, destination) =>
    Promise.all([nodes[0].rpush(source, "a", "b"), nodes[1].rpush(destination, "c")]),
  holds: async ({ nodes }, source, destination) => [
    ...(await nodes[0].lrange(source, 0, -1)),
    ...(await nodes[1].lrange(destination, 0, -1)),
  ],
};

const SCENES: readonly Scene[] = [
  { ...keys, command: (source, destination) => ["rename", source, destination] },
  {
    command: (source, destination) => ["rename", source, destination],
    prepare: async (pair, source, destination) => {
      await keys.prepare(pair, source, destination);
      await pair.nodes[1].set(destination, "was there", "PXAT", expiry + 1);
    },
    holds: async ({ nodes }, source, destination) => {
      const here = await nodes[0].lrange(source, 0, -1);
      if (here.length === 0) return nodes[1].lrange(destination, 0, -1);
      return here;
    },
  },
  { ...keys, command: (source, destination) => ["renamenx", source, destination] },
  { ...keys, command: (source, destination) => ["copy", source, destination, "REPLACE"] },
  { ...lists, command: (source, destination) => ["lmove", source, destination, "LEFT", "RIGHT"] },
  { ...lists, command: (source, destination) => ["rpoplpush", source, destination] },
  {
    ...lists,
    command: (source, destination) => ["blmove", source, destination, "LEFT", "RIGHT", "1"],
  },
  { ...lists, command: (source, destination) => ["brpoplpush", source, destination, "1"] },
  {
    command: (source, destination) => ["lmove", source, destination, "RIGHT", "LEFT"],
    prepare: ({ nodes }, source) => nodes[0].rpush(source, "only"),
    holds: lists.holds,
  },
  {
    command: (source, destination) => ["smove", source, destination, "a"],
    prepare: ({ nodes }, source, destination) =>
      Promise.all([nodes[0].sadd(source, "a", "b"), nodes[1].sadd(destination, "c")]),
    holds: async ({ nodes }, source, destination) => [
      ...(await nodes[0].smembers(source)),
      ...(await nodes[1].smembers(destination)),
    ],
  },
];

async function killAtEveryStep(t: ExecutionContext, scene: Scene): Promise<void> {
  const pair = await openPair(t);
  const { nodes } = pair;
  const [source, destination] = [pair.keyOn(0, "source"), pair.keyOn(1, "destination")];
  const command = scene.command(source, destination);
  const state = async () => [await look(nodes[0], source), await look(nodes[1], destination)];
  const clear = () => Promise.all(nodes.map((node) => node.flushall()));

  await scene.prepare(pair, source, destination);
  const before = await state();
  const held = [...(await scene.holds(pair, source, destination))].sort();
  await pair.redis.call(command[0] ?? "", ...command.slice(1));
  const after = await state();
  // The mark goes last, and nobody waits for it.
  for (const node of nodes) await until(async () => (await node.keys("shardis:*")).length === 0);

  const seen: string[] = [];
  for (let steps = 0; steps < MOST_STEPS; steps++) {
    await clear();
    await scene.prepare(pair, source, destination);
    const { killed, passed } = await killAfter(pair.servers, steps, command);
    const told = `${command.join(" ")}, killed after ${passed.join(", ") || "nothing"}`;
    if (!killed) {
      t.log(`${command[0]}: ${steps} steps (${passed.join(", ")}): ${seen.join(", ")}`);
      t.true(
        seen.includes("before") && seen.includes("after"),
        "some steps come before, some after",
      );
      return;
    }
    const recovery = await pair.redis.recover(0);
    t.deepEqual(recovery.errors, [], told);
    const found = await state();
    const isAfter = isSame(found, after);
    seen.push(isAfter ? "after" : "before");
    t.deepEqual(found, isAfter ? after : before, told);
    t.deepEqual([...(await scene.holds(pair, source, destination))].sort(), held, told);
    for (const node of nodes) t.deepEqual(await ownKeys(node), [], told);
    if (isAfter) {
      t.is(await pair.redis.rename(destination, source), "OK", `${told}, and then back`);
      continue;
    }
    // What was not done can be done now.
    await pair.redis.call(command[0] ?? "", ...command.slice(1));
    t.deepEqual(await state(), after, told);
  }
  t.fail(`more than ${MOST_STEPS} steps`);
}

function isSame(one: unknown, other: unknown): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}

for (const [index, scene] of SCENES.entries()) {
  test(`killed at every step: ${index + 1}. ${scene.command("a", "b").join(" ")}`, async (t) => {
    await killAtEveryStep(t, scene);
  });
}

test("between the steps nothing is ever in neither place", async (t) => {
  const pair = await openPair(t);
  const { nodes } = pair;
  const [source, destination] = [pair.keyOn(0, "source"), pair.keyOn(1, "destination")];
  for (let steps = 0; steps < MOST_STEPS; steps++) {
    for (const node of nodes) await node.flushall();
    await nodes[0].rpush(source, "a");
    const { killed, passed } = await killAfter(pair.servers, steps, [
      "rename",
      source,
      destination,
    ]);
    // Before any recovery.
    const there = (await nodes[0].exists(source)) + (await nodes[1].exists(destination));
    t.true(there >= 1, `rename killed after ${passed.join(", ")}`);
    if (!killed) return;
    const isMoved = (await nodes[0].exists(source)) === 0;
    if (isMoved)
      t.is(await pair.redis.rename(destination, source), "OK", "what is over blocks none");
  }
  t.fail();
});

test("a lease that is no time is refused", async (t) => {
  const { redis } = await openPair(t);
  for (const lease of [Number.NaN, -1, 0.5, Number.POSITIVE_INFINITY]) {
    await t.throwsAsync(redis.recover(lease), { code: "BAD_ARGUMENT" }, String(lease));
  }
});
