/** Memory: whether it stays flat over ten million keys, and what a million gets in flight take. */
import type { ClientName } from "./clients.ts";
import { machine, Page, show, table } from "./report.ts";
import { IN_FLIGHT, rowOf } from "./rows.ts";
import { onStage, SERVERS } from "./stage.ts";
import { versions } from "./versions.ts";

/** Work that is done for long, by shardis and by a rival. */
const LONG_RUNS: readonly { readonly title: string; readonly rival: ClientName }[] = [
  { title: "mget of 10,000 keys", rival: "ioredis, sharded by hand" },
  { title: "mset of 10,000 pairs", rival: "ioredis, sharded by hand" },
  { title: "1,000 gets at once", rival: "ioredis, auto-pipelining" },
];

/** Who has a million gets in flight. */
const FLYING: readonly ClientName[] = ["shardis", "ioredis", "ioredis, auto-pipelining"];

/** A long run has so many parts, of which the first is the warm-up. */
const PARTS = 10;

/** How far memory may grow from the first part to the last to be called flat, in percent. */
const FLAT = 10;

/** What is in use, rather than what nobody has yet tidied up. */
const FLAGS = ["--expose-gc"];

export interface MemoryOptions {
  /** Whether a tenth of the keys will do. */
  readonly quick: boolean;
}

export async function memory({ quick }: MemoryOptions): Promise<Page> {
  const part = quick ? 100_000 : 1_000_000;
  const runs: string[][] = [];
  for (const { title, rival } of LONG_RUNS) {
    for (const client of ["shardis", rival] as const) {
      console.error(`${title}: ${client} …`);
      runs.push([title, client, ...(await longRun(title, client, part))]);
    }
  }
  const flights: string[][] = [];
  for (const client of FLYING) {
    console.error(`${IN_FLIGHT.title}: ${client} …`);
    flights.push([client, ...(await inFlight(client))]);
  }

  const million = (things: number) => (things / 1e6).toLocaleString("en");
  const page = new Page();
  page.say(`# Memory

${machine()}; ${await versions()}.

${SERVERS} servers on the same machine, keys of 20 bytes, values of 100. Each client runs in a process of its
own. Numbers are resident memory of the whole process, with Node and the keys and values that it
works on, in MB.`);
  page.section(
    "Over many keys",
    `After a full garbage collection, once so many million keys have gone through; "most" is the most
after any ${million(part)} million. Flat is what has not grown by more than ${FLAT} %.

${table(
  [
    "work",
    "client",
    `after ${million(part)}`,
    "most",
    `after ${million(PARTS * part)}`,
    "grown",
    "",
  ],
  runs,
)}`,
  );
  page.section(IN_FLIGHT.title, table(["client", "before", "peak", "bytes for each get"], flights));
  return page;
}

/** Does the work for long; memory after the first part, the most, memory at the end, growth. */
function longRun(title: string, client: ClientName, part: number): Promise<string[]> {
  return onStage({ row: rowOf(title), clients: [client], flags: FLAGS }, async ([player]) => {
    const sizes: number[] = [];
    for (let count = 0; count < PARTS; count++) {
      sizes.push((await player?.turn({ things: part }))?.rss ?? Number.NaN);
    }
    const [first = Number.NaN] = sizes;
    const last = sizes.at(-1) ?? Number.NaN;
    const grown = 100 * (last / first - 1);
    const verdict = grown <= FLAT ? "flat" : "not flat";
    return [show(first), show(Math.max(...sizes)), show(last), `${grown.toFixed(0)} %`, verdict];
  });
}

/** Asks for all at once; memory before, at its most, and the difference for each. */
function inFlight(client: ClientName): Promise<string[]> {
  return onStage({ row: IN_FLIGHT, clients: [client], flags: FLAGS }, async ([player]) => {
    const before = player?.before.rss ?? Number.NaN;
    const peak = (await player?.turn({}))?.peak ?? Number.NaN;
    return [show(before), show(peak), show(((peak - before) * 1e6) / IN_FLIGHT.size)];
  });
}
