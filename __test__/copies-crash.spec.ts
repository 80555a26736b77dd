/**
 * A client that is killed at any step of a command that works on copies changes
 * nothing but what the command writes, and that at once; its copies expire.
 */
import test, { type ExecutionContext } from "ava";
import { killAfter } from "./helpers/moves-kill.ts";
import { look, openPair, type Pair } from "./helpers/moves-setup.ts";

/** More steps than any of these commands has. */
const MOST_STEPS = 20;

/** In milliseconds: how long a copy lives that nobody drops. */
const COPY_LIFE = 60_000;

interface Scene {
  /** A command that reads a key on one node, and writes another on the other. */
  readonly command: (read: string, written: string) => readonly string[];
  readonly prepare: (pair: Pair, read: string, written: string) => Promise<unknown>;
}

const sets: Scene["prepare"] = ({ nodes }, read, written) =>
  Promise.all([nodes[0].sadd(read, "a", "b"), nodes[1].sadd(written, "b", "c")]);

const sortedSets: Scene["prepare"] = ({ nodes }, read, written) =>
  Promise.all([nodes[0].zadd(read, 1, "a", 2, "b"), nodes[1].zadd(written, 3, "b")]);

const strings: Scene["prepare"] = ({ nodes }, read, written) =>
  Promise.all([nodes[0].set(read, "abc"), nodes[1].set(written, "xyz!")]);

const lists: Scene["prepare"] = ({ nodes }, read, written) =>
  Promise.all([nodes[0].rpush(read, "3", "1", "2"), nodes[1].set(written, "was there")]);

const SCENES: readonly Scene[] = [
  { prepare: sets, command: (read, written) => ["sunionstore", written, read, written] },
  { prepare: sets, command: (read, written) => ["sinterstore", written, read, written] },
  { prepare: sets, command: (read, written) => ["sdiffstore", written, read, "nothing"] },
  { prepare: sortedSets, command: (read, written) => ["zunionstore", written, "2", read, written] },
  { prepare: sortedSets, command: (read, written) => ["zrangestore", written, read, "0", "0"] },
  { prepare: strings, command: (read, written) => ["bitop", "xor", written, read, written] },
  { prepare: lists, command: (read, written) => ["sort", read, "store", written] },
  {
    prepare: async (pair, read, written) => {
      await lists(pair, read, written);
      await Promise.all(pair.nodes.map((node) => node.mset("w1", "5", "w2", "4", "w3", "6")));
    },
    command: (read, written) => ["sort", read, "by", "w*", "store", written],
  },
  {
    prepare: ({ nodes }, read, written) =>
      Promise.all([nodes[0].pfadd(read, "a", "b"), nodes[1].pfadd(written, "c")]),
    command: (read, written) => ["pfmerge", written, read],
  },
];

async function killAtEveryStep(t: ExecutionContext, scene: Scene): Promise<void> {
  const pair = await openPair(t);
  const { nodes } = pair;
  const [read, written] = [pair.keyOn(0, "read"), pair.keyOn(1, "written")];
  const command = scene.command(read, written);
  const prepare = async () => {
    await Promise.all(nodes.map((node) => node.flushall()));
    await scene.prepare(pair, read, written);
  };
  const run = () => pair.redis.call(command[0] ?? "", ...command.slice(1));
  const state = async () => [await look(nodes[0], read), await look(nodes[1], written)];

  await prepare();
  const before = await state();
  await run();
  const after = await state();
  t.notDeepEqual(after, before);

  for (let steps = 0; steps < MOST_STEPS; steps++) {
    await prepare();
    const { killed, passed } = await killAfter(pair.servers, steps, command);
    const told = `${command.join(" ")}, killed after ${passed.join(", ") || "nothing"}`;
    if (!killed) {
      t.log(`${command[0]}: ${steps} steps (${passed.join(", ")})`);
      return;
    }
    const found = await state();
    const isAfter = JSON.stringify(found) === JSON.stringify(after);
    t.deepEqual(found, isAfter ? after : before, told);
    for (const node of nodes) {
      for (const copy of await node.keys("shardis:*")) {
        const left = await node.pttl(copy);
        // -2 is one that is gone by now.
        t.true(left !== -1 && left <= COPY_LIFE, `${told}: ${copy} lives for ${left} ms`);
      }
    }
    t.deepEqual(await pair.redis.keys("shardis:*"), [], told);
    // What was not done can be done now.
    if (isAfter) continue;
    await run();
    t.deepEqual(await state(), after, told);
  }
  t.fail(`more than ${MOST_STEPS} steps`);
}

for (const [index, scene] of SCENES.entries()) {
  test(`killed at every step: ${index + 1}. ${scene.command("a", "b").join(" ")}`, async (t) => {
    await killAtEveryStep(t, scene);
  });
}
