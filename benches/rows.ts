/** What is measured: work, who does it, and what is wanted of shardis. */
import { deepStrictEqual, strictEqual } from "node:assert/strict";
import type { Batch } from "./batch.ts";
import { CLIENT_NAMES, type Client, type ClientName } from "./clients.ts";
import type { Goal } from "./findings.ts";

const ONE = "ioredis";
const AUTO = "ioredis, auto-pipelining";
const BY_HAND = "ioredis, sharded by hand";

/** Pipelining by itself changes nothing about what is one write anyway. */
const WITHOUT_AUTO = CLIENT_NAMES.filter((name) => name !== AUTO);

/** What is done in one operation. */
interface Work {
  /** Who does it. */
  readonly clients: readonly ClientName[];
  /** Whether it wants the values of the batch on the servers. */
  readonly reads?: true;
  run(client: Client, batch: Batch): Promise<unknown>;
  /** Throws if the reply is wrong, or what is on the servers now. */
  check(reply: unknown, batch: Batch, client: Client): unknown;
}

const get: Work = {
  clients: CLIENT_NAMES,
  reads: true,
  run: (client, { keys: [key = ""] }) => client.get(key),
  check: (reply, { values: [value] }) => strictEqual(reply, value),
};

const gets: Work = {
  clients: CLIENT_NAMES,
  reads: true,
  run: (client, { keys }) => Promise.all(keys.map((key) => client.get(key))),
  check: (replies, { values }) => deepStrictEqual(replies, values),
};

const sets: Work = {
  clients: CLIENT_NAMES,
  run: (client, { keys, values }) =>
    Promise.all(keys.map((key, index) => client.set(key, values[index] ?? ""))),
  check: isWritten,
};

const mget: Work = {
  clients: WITHOUT_AUTO,
  reads: true,
  run: (client, { keys }) => client.mget(keys),
  check: (replies, { values }) => deepStrictEqual(replies, values),
};

/** As services do it, which work for many users at the same time. */
const mgets = (count: number): Work => ({
  clients: WITHOUT_AUTO,
  reads: true,
  run: (client, { keys }) => Promise.all(inParts(keys, count).map((part) => client.mget(part))),
  check: (replies, { values }) => deepStrictEqual(replies, inParts(values, count)),
});

const mgetBuffer: Work = {
  clients: WITHOUT_AUTO,
  reads: true,
  run: (client, { keys }) => client.mgetBuffer(keys),
  check: (replies, { values }) => {
    const bytes = values.map((value) => Buffer.from(value));
    deepStrictEqual(replies, bytes);
  },
};

const mset: Work = {
  clients: WITHOUT_AUTO,
  run: (client, { pairs }) => client.mset(pairs),
  check: isWritten,
};

const pipeline: Work = {
  clients: WITHOUT_AUTO,
  run: (client, { commands }) => client.pipeline(commands),
  check: (replies, { commands, values }) => {
    if (!Array.isArray(replies)) throw new Error("a pipeline replies with an array");
    strictEqual(replies.length, commands.length);
    for (const [index, [name]] of commands.entries()) {
      if (name === "get") strictEqual(replies[index], values[index - 1]);
    }
  },
};

function inParts<T>(list: readonly T[], count: number): T[][] {
  const size = list.length / count;
  return Array.from({ length: count }, (_, part) => list.slice(part * size, (part + 1) * size));
}

async function isWritten(_: unknown, { keys, values }: Batch, client: Client): Promise<void> {
  deepStrictEqual(await client.mget(keys), values);
}

export interface Row {
  readonly title: string;
  readonly work: Work;
  /** How many keys, or commands, one operation has. */
  readonly size: number;
  readonly goals?: readonly Goal[];
  /** The size of a value in bytes; 100 unless given. */
  readonly valueBytes?: number;
  /** Fewer clients than do such work otherwise. */
  readonly clients?: readonly ClientName[];
  /** How long a turn takes, in milliseconds, and how many rounds there are, where the usual is too little. */
  readonly turn?: number;
  readonly rounds?: number;
  /** Whether an operation takes so long that a few are enough, and the event loop is watched. */
  readonly long?: true;
}

export const ROWS: readonly Row[] = [
  { title: "mget of 100 keys", work: mget, size: 100 },
  {
    title: "mget of 1,000 keys",
    work: mget,
    size: 1_000,
    goals: [{ against: BY_HAND, throughput: 2.5, cpu: 0.4 }],
  },
  { title: "4 mgets of 1,000 keys at once", work: mgets(4), size: 4_000 },
  { title: "100 mgets of 10 keys at once", work: mgets(100), size: 1_000 },
  {
    title: "mget of 10,000 keys",
    work: mget,
    size: 10_000,
    goals: [{ against: BY_HAND, throughput: 2.5, cpu: 0.4 }],
  },
  {
    title: "mget of 10,000 keys, values of 1 KiB",
    work: mget,
    size: 10_000,
    valueBytes: 1024,
  },
  { title: "mgetBuffer of 10,000 keys", work: mgetBuffer, size: 10_000 },
  {
    title: "mset of 1,000 pairs",
    work: mset,
    size: 1_000,
    goals: [{ against: BY_HAND, throughput: 2, cpu: 0.45 }],
  },
  {
    title: "mset of 10,000 pairs",
    work: mset,
    size: 10_000,
    goals: [{ against: BY_HAND, throughput: 2, cpu: 0.45 }],
  },
  {
    title: "1,000 gets at once",
    work: gets,
    size: 1_000,
    goals: [
      { against: ONE, throughput: 6, cpu: 0.25 },
      { against: AUTO, throughput: 4, cpu: 0.35 },
    ],
  },
  { title: "10,000 gets at once", work: gets, size: 10_000 },
  {
    title: "1,000 sets at once",
    work: sets,
    size: 1_000,
    goals: [
      { against: ONE, throughput: 4, cpu: 0.3 },
      { against: AUTO, throughput: 2.5, cpu: 0.45 },
    ],
  },
  {
    title: "a pipeline of 1,000 mixed commands",
    work: pipeline,
    size: 1_000,
    goals: [{ against: ONE, throughput: 2.5, cpu: 0.45 }],
  },
  {
    title: "one get after another",
    work: get,
    size: 1,
    // Which processor client and server run on, and how deep each sleeps, takes the scheduler a
    // tenth of a second to settle; before, a turn of the same client takes 35 us a get, or 100.
    turn: 400,
    rounds: 31,
    // The second rival wakes up a server for each get, as shardis does; the first always the same.
    goals: [
      { against: ONE, throughput: 0.95, p50: 1.05, cpu: 1.1 },
      { against: BY_HAND, throughput: 0.95, p50: 1.05, cpu: 1.1 },
    ],
  },
  {
    title: "mget of 1,000,000 keys",
    work: mget,
    size: 1_000_000,
    goals: [{ delay: 25 }],
    clients: ["shardis", ONE, BY_HAND, "node-redis, sharded by hand"],
    long: true,
  },
];

/** For memory only: more gets than can be answered before all of them have been asked. */
export const IN_FLIGHT: Row = {
  title: "1,000,000 gets at once",
  work: gets,
  size: 1_000_000,
  long: true,
};

/** @throws Error if there is none of that title */
export function rowOf(title: string): Row {
  const row = [...ROWS, IN_FLIGHT].find((row) => row.title === title);
  if (row === undefined) throw new Error(`no work is called ${title}`);
  return row;
}
