// A first meeting with shardis: three real Redis servers, filled with facts about real files,
// through one client; then every value is read back and compared.
//
//   npm run demo                    the files below node_modules
//   npm run demo -- /usr/include    the files below another folder

import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join, relative, resolve } from "node:path";
import { inspect } from "node:util";
import { ShardedRedis } from "../src/index.ts";
import { startNodes } from "../src/testing/index.ts";

const batch = 2_000;
const singles = 5_000;
const folder = resolve(process.argv[2] ?? "node_modules");
console.log(`Three Redis servers, two keys for every file below ${folder}\n`);

// The input: of every file its size, as text, and its first bytes, as they are.
const sizes = new Map<string, string>();
const heads = new Map<string, Buffer>();
await timed("files read", async () => {
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    const facts = look(path);
    if (facts === undefined) continue;
    // Not "{path}:size": what stands in braces is a hash tag, and would bind both keys to one node.
    sizes.set(`file:${relative(folder, path)}:size`, String(facts.size));
    heads.set(`file:${relative(folder, path)}:head`, facts.head);
  }
  return sizes.size;
});
if (sizes.size === 0) throw new Error(`There are no files below ${folder}`);

const servers = await startNodes(3);
const redis = new ShardedRedis(servers.nodes);
let wrong = 0;

try {
  const all = [...sizes, ...heads];
  await timed("mset", async () => {
    for (const pairs of batches(all)) await redis.mset(new Map<string, string | Buffer>(pairs));
    return all.length;
  });

  const some = [...sizes].slice(0, singles);
  await timed("get, one by one", async () => {
    const found = await Promise.all(some.map(([key]) => redis.get(key)));
    wrong += some.filter(([, size], index) => found[index] !== size).length;
    return some.length;
  });

  await timed("mget", async () => {
    for (const pairs of batches([...sizes])) {
      const found = await redis.mget(pairs.map(([key]) => key));
      wrong += pairs.filter(([, size], index) => found[index] !== size).length;
    }
    return sizes.size;
  });

  await timed("mgetBuffer", async () => {
    for (const pairs of batches([...heads])) {
      const found = await redis.mgetBuffer(pairs.map(([key]) => key));
      wrong += pairs.filter(([, head], index) => !found[index]?.equals(head)).length;
    }
    return heads.size;
  });

  console.log("\nWhere the keys are");
  const spread = Object.entries(await redis.each.dbsize());
  for (const [name, keys] of spread) {
    const percent = (100 * keys) / all.length;
    const bar = "▇".repeat(percent / 2);
    console.log(`  ${name} ${count(keys)} keys ${percent.toFixed(1).padStart(5)} %  ${bar}`);
  }
  wrong += Math.abs(all.length - spread.reduce((sum, [, keys]) => sum + keys, 0));

  console.log("\nWhy one of them is where it is");
  const [key = ""] = [...sizes.keys()].slice(sizes.size / 2);
  for (const [name, value] of Object.entries(redis.explain(key))) {
    console.log(`  ${name.padEnd(12)} ${inspect(value)}`);
  }
  console.log(wrong === 0 ? "\nEvery value came back as it was." : `\n${wrong} values differ!`);
} finally {
  await redis.quit();
  await servers.stop();
}
process.exitCode = wrong === 0 ? 0 : 1;

/** The size of a file and its first 64 bytes, if it may be read. */
function look(path: string): { size: number; head: Buffer } | undefined {
  try {
    const file = openSync(path, "r");
    const head = Buffer.alloc(64);
    const length = readSync(file, head);
    const { size } = fstatSync(file);
    closeSync(file);
    return { size, head: head.subarray(0, length) };
  } catch {
    return undefined;
  }
}

function* batches<Item>(items: readonly Item[]): Generator<Item[]> {
  for (let start = 0; start < items.length; start += batch) yield items.slice(start, start + batch);
}

/** Runs a step and prints how many things it has done, as it says itself, and how fast. */
async function timed(title: string, step: () => Promise<number>): Promise<void> {
  const start = performance.now();
  const done = await step();
  const seconds = (performance.now() - start) / 1000;
  const speed = `${seconds.toFixed(2)} s ${count(done / seconds)} per second`;
  console.log(`${title.padEnd(16)} ${count(done)}  in ${speed}`);
}

function count(number: number): string {
  return Math.round(number).toLocaleString("en").padStart(9);
}
