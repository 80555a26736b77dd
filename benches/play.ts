/**
 * The program of a process in which one client does the work of one row, turn after turn, whenever
 * it is told to. What this process spends, that client has spent.
 */
import { monitorEventLoopDelay } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import { type Batch, makeBatches } from "./batch.ts";
import { CLIENTS, type Client } from "./clients.ts";
import type { Figures } from "./findings.ts";
import type { Answer, Assignment, Order } from "./player.ts";
import { median } from "./rounds.ts";
import { type Row, rowOf } from "./rows.ts";
import { cureStrings } from "./strings.ts";

/** How many pairs are written at once before the first turn. */
const WRITTEN_AT_ONCE = 10_000;

/** How long, in milliseconds, the timer that watches the event loop may take to see its last block. */
const LAST_LOOK = 5;

class Play {
  readonly #row: Row;
  readonly #client: Client;
  readonly #batches: readonly Batch[];
  #operations = 0;

  constructor(row: Row, client: Client) {
    this.#row = row;
    this.#client = client;
    this.#batches = makeBatches(row.size, row.valueBytes);
  }

  /** Writes what will be read. */
  async prepare(): Promise<void> {
    if (!this.#row.work.reads) return;
    const pairs = this.#batches.flatMap(({ keys, values }) =>
      keys.flatMap((key, index) => [key, values[index] ?? ""]),
    );
    for (let start = 0; start < pairs.length; start += 2 * WRITTEN_AT_ONCE) {
      await this.#client.mset(pairs.slice(start, start + 2 * WRITTEN_AT_ONCE));
    }
  }

  /** Does the work once, to see whether it is done well. */
  async rehearse(): Promise<void> {
    const { work } = this.#row;
    const batch = this.#next();
    await work.check(await work.run(this.#client, batch), batch, this.#client);
  }

  async turn({ milliseconds = 0, things = 0 }: Order): Promise<Figures> {
    const { work, size, long } = this.#row;
    const loop = long ? monitorEventLoopDelay({ resolution: 1 }) : undefined;
    loop?.enable();
    const times: number[] = [];
    const before = process.cpuUsage();
    const start = performance.now();
    let now = start;
    do {
      await work.run(this.#client, this.#next());
      const end = performance.now();
      times.push(end - now);
      now = end;
    } while (now - start < milliseconds || times.length * size < things);
    const { user, system } = process.cpuUsage(before);
    if (long) await sleep(LAST_LOOK);
    loop?.disable();
    const done = times.length * size;
    return {
      throughput: (1000 * done) / (now - start),
      cpu: (user + system) / done,
      p50: median(times),
      time: now - start,
      ...(loop && { delay: loop.max / 1e6 }),
      ...memory(),
    };
  }

  #next(): Batch {
    const batch = this.#batches[this.#operations++ % this.#batches.length];
    if (batch === undefined) throw new Error("there are no batches");
    return batch;
  }
}

function memory(): Figures {
  globalThis.gc?.();
  const kilobytes = process.resourceUsage().maxRSS;
  return { rss: process.memoryUsage.rss() / 1e6, peak: (1024 * kilobytes) / 1e6 };
}

const { client: name, title, addresses }: Assignment = JSON.parse(process.argv[2] ?? "");

async function answer(figures: () => Promise<Figures>): Promise<void> {
  const said: Answer = await figures().then(
    (figures) => ({ figures }),
    (error) => ({ error: error instanceof Error ? error.message : String(error) }),
  );
  process.send?.(said);
}

// Whoever started this process has gone.
process.once("disconnect", () => process.exit());

await answer(async () => {
  const client = await CLIENTS[name](addresses);
  cureStrings();
  const play = new Play(rowOf(title), client);
  await play.prepare();
  const before = memory();
  await play.rehearse();
  process.on("message", (order: Order) => answer(() => play.turn(order)));
  return before;
});
