/**
 * How fast keys find their node: shardis against what one would write or
 * install instead, in one process and one race.
 *
 * `npm run bench:placement`, with `-- --write` for RESULTS-placement.md.
 */
import { strictEqual } from "node:assert/strict";
// Loaded for what it does to strings, as in every process that uses shardis.
import "ioredis";
import { Placement } from "../src/placement/placement.ts";
import type { SchemeOptions } from "../src/placement/schemes.ts";
import {
  clusterSlots,
  crc32Loops,
  crc32Zlibs,
  digests,
  hashring,
  type Place,
  redisShardRing,
} from "./placement-rivals.ts";
import { type Contender, type Result, race } from "./race.ts";
import { machine, Page, show, table } from "./report.ts";
import { cureStrings, makeKeys } from "./strings.ts";

const NODES = ["a", "b", "c", "d"];
const SIZES = [10, 100, 1_000, 10_000, 100_000, 1_000_000];

interface Rival {
  readonly name: string;
  readonly place: Place;
  /** Whether it only hashes, which is less than to place. */
  readonly partial?: true;
}

/** One way to place keys, and who else does it. */
interface Job {
  readonly title: string;
  readonly options: SchemeOptions;
  readonly rivals: readonly Rival[];
}

const slotTable = Uint16Array.from({ length: 16384 }, (_, slot) => slot % NODES.length);

const JOBS: readonly Job[] = [
  {
    title: "crc32 modulo",
    options: { scheme: "modulo", hash: "crc32", hashTag: "{}" },
    rivals: [
      { name: "JS loop", place: crc32Loops(NODES.length) },
      { name: "zlib.crc32", place: crc32Zlibs(NODES.length) },
    ],
  },
  {
    title: "md5 ring",
    options: { scheme: "redis-shard", hash: "md5" },
    rivals: [
      { name: "crypto.hash, hex", place: digests("md5", "hex"), partial: true },
      { name: "crypto.hash, latin1", place: digests("md5", "latin1"), partial: true },
      { name: "crypto.hash, buffer", place: digests("md5", "buffer"), partial: true },
      { name: "crypto.hash and ring", place: redisShardRing("md5", NODES) },
    ],
  },
  {
    title: "sha1 ring",
    options: { scheme: "redis-shard", hash: "sha1" },
    rivals: [
      { name: "crypto.hash, hex", place: digests("sha1", "hex"), partial: true },
      { name: "crypto.hash and ring", place: redisShardRing("sha1", NODES) },
    ],
  },
  {
    title: "ketama ring",
    options: { scheme: "hashring" },
    rivals: [
      { name: "hashring", place: hashring(NODES, 1) },
      { name: "hashring, 5,000 keys cached", place: hashring(NODES, 5_000) },
    ],
  },
  {
    title: "slots",
    options: { scheme: "slots", table: Array.from(slotTable, (owner) => NODES[owner] ?? "") },
    rivals: [{ name: "cluster-key-slot", place: clusterSlots(slotTable) }],
  },
];

interface Goal {
  readonly job: string;
  readonly contender: string;
  readonly rival: string;
  /** How many times as fast as the rival, over 1,000 keys. */
  readonly speedup: number;
}

/** A ring needs the number that a digest stands for, so the rival is the one that gives its bytes. */
const MD5_RIVAL = "crypto.hash, buffer";

const GOALS: readonly Goal[] = [
  { job: "crc32 modulo", contender: "plan", rival: "JS loop", speedup: 1 / 0.65 },
  { job: "md5 ring", contender: "plan", rival: MD5_RIVAL, speedup: 12 },
  { job: "crc32 modulo", contender: "planBuffer, ends", rival: "JS loop", speedup: 5 },
  { job: "md5 ring", contender: "planBuffer, ends", rival: MD5_RIVAL, speedup: 20 },
];

function contenders(job: Job, keys: readonly string[]): Contender[] {
  const placement = new Placement(NODES, job.options);
  const lines = Buffer.from(keys.join("\n"));
  const packed = Buffer.from(keys.join(""));
  let end = 0;
  const ends = Uint32Array.from(keys, (key) => (end += key.length));
  return [
    { name: "plan", run: () => placement.plan(keys).owners },
    {
      name: "planBuffer, lines",
      run: () => placement.planBuffer(lines, { separator: "\n", text: true }).owners,
    },
    {
      name: "planBuffer, ends",
      run: () => placement.planBuffer(packed, { ends, text: true }).owners,
    },
    { name: "indexFor", run: () => keys.map((key) => placement.indexFor(key)) },
    { name: "nodeFor", run: () => keys.map((key) => placement.nodeFor(key)) },
    ...job.rivals.map(({ name, place }) => ({ name, run: () => place(keys) })),
  ];
}

/** Keys with tags, with halves of tags, and beyond ASCII. */
const ODD_KEYS = ["{user}:1", "cart:{42}", "{", "a{b", "a{}b", "grün", "日本{é}"];

/** Whoever places keys must place them alike: a race to different goals has no winner. */
function checkOwners(job: Job, keys: readonly string[]): void {
  const placement = new Placement(NODES, job.options);
  const { owners } = placement.plan(keys);
  const lines = placement.planBuffer(Buffer.from(keys.join("\n")), { separator: 10, text: true });
  const others = [
    { name: "planBuffer", owners: lines.owners },
    { name: "indexFor", owners: keys.map((key) => placement.indexFor(key)) },
    ...job.rivals
      .filter((rival) => !rival.partial)
      .map(({ name, place }) => ({ name, owners: place(keys) })),
  ];
  for (const other of others) {
    for (const [index, key] of keys.entries()) {
      strictEqual(other.owners[index], owners[index], `${job.title}: ${other.name} on ${key}`);
    }
  }
}

function judge({ job, contender, rival, speedup }: Goal, results: readonly Result[]): string[] {
  const ratio = (name: string) => results.find((row) => row.name === name)?.ratio ?? Number.NaN;
  const reached = ratio(rival) / ratio(contender);
  return [
    `${contender} (${job}) against ${rival}`,
    `${show(speedup)} ×`,
    `${show(reached)} ×`,
    reached >= speedup ? "reached" : "missed",
  ];
}

cureStrings();
const write = process.argv.includes("--write");
const page = new Page();

page.say(`# Placement

${machine()}. Keys of 20 bytes over ${NODES.length} nodes.

Nanoseconds are processor time, all threads together; the ratio is that to \`plan\`, the median of
rounds in turns. Rivals in JavaScript run at full speed: what ioredis does to \`String.prototype\`
has been undone, as shardis undoes it on import. \`crypto.hash\` by itself only hashes; into a
string it is quicker than into the bytes that a ring needs, so both are here.`);

const atGoal = new Map<string, readonly Result[]>();
// Words on the command line choose among the jobs, for a quicker look.
const words = process.argv.slice(2).filter((word) => !word.startsWith("-"));
const jobs = JOBS.filter(({ title }) => words.every((word) => title.includes(word)));
for (const job of jobs) {
  checkOwners(job, makeKeys(5_000));
  const rows: string[][] = [];
  for (const size of SIZES) {
    const results = await race(contenders(job, makeKeys(size)), size);
    if (size === 1_000) atGoal.set(job.title, results);
    for (const [index, { name, each, ratio }] of results.entries()) {
      rows.push([index === 0 ? size.toLocaleString("en") : "", name, show(each), show(ratio)]);
    }
  }
  page.say(`## ${job.title}\n\n${table(["keys", "contender", "ns/key", "ratio"], rows)}`);
}

// Not before the races: loops that have seen such keys are compiled for them too, and lose half
// their speed. Rings are spared, whose tags are redis-shard's own.
for (const job of jobs.filter(({ title }) => !title.endsWith("ring"))) checkOwners(job, ODD_KEYS);

const judged = GOALS.filter(({ job }) => atGoal.has(job)).map((goal) =>
  judge(goal, atGoal.get(goal.job) ?? []),
);
page.say(`## Goals, over 1,000 keys\n\n${table(["goal", "wanted", "measured", ""], judged)}`);

if (write) page.write("RESULTS-placement.md");
