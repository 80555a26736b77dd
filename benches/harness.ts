/**
 * Races: contenders that do the same job, timed side by side.
 *
 * A machine has other things to do, so no absolute time is worth much: what
 * counts are ratios between contenders that ran moments apart. Each round times
 * every contender once, in an order that turns from round to round; a ratio is
 * taken within a round, and the median over all rounds is what is reported.
 * Time is the processor's: of all threads, the garbage collector's included,
 * but not what other processes take in between.
 */
import { cpus } from "node:os";
import { setFlagsFromString } from "node:v8";

export interface Contender {
  readonly name: string;
  /** Does the whole job once. */
  run(): unknown;
}

/** What a race found about one contender. */
export interface Result {
  readonly name: string;
  /** Nanoseconds for each of the things that one run handles. */
  readonly each: number;
  /** How many times as long as the first contender this one took. */
  readonly ratio: number;
}

/** Long enough for the clock, short enough that a round sees one state of the machine. */
const TURN_NS = 2e6;

/** Long enough for the compiler to have done its best. */
const WARM_UP_NS = 150e6;

const LEAST_ROUNDS = 5;
const MOST_ROUNDS = 51;

/**
 * Times contenders against the first of them.
 *
 * @param things how many things one run handles
 * @param seconds about how long all rounds may take
 */
export function race(contenders: readonly Contender[], things: number, seconds = 1): Result[] {
  const racers = contenders.map(({ name, run }) => {
    const ns = warmUp(run);
    return { name, run, ns, runs: Math.ceil(TURN_NS / ns), times: [] as number[] };
  });
  const round = racers.reduce((sum, { runs, ns }) => sum + runs * ns, 0);
  const rounds = Math.round((seconds * 1e9) / round);
  for (let count = 0; count < Math.min(MOST_ROUNDS, Math.max(LEAST_ROUNDS, rounds)); count++) {
    for (let turn = 0; turn < racers.length; turn++) {
      const racer = racers[(turn + count) % racers.length];
      racer?.times.push(time(racer.run, racer.runs) / racer.runs / things);
    }
  }
  const first = racers[0]?.times ?? [];
  return racers.map(({ name, times }) => ({
    name,
    each: median(times),
    ratio: median(times.map((ns, index) => ns / (first[index] ?? Number.NaN))),
  }));
}

/** Runs until it is compiled; how long one run takes then. */
function warmUp(run: () => unknown): number {
  let [spent, least] = [0, Number.POSITIVE_INFINITY];
  for (let runs = 1; spent < WARM_UP_NS; runs = Math.max(1, Math.floor(TURN_NS / least))) {
    // A clock of whole microseconds may see nothing of one run.
    const ns = Math.max(1000, time(run, runs));
    spent += ns;
    least = Math.min(least, ns / runs);
  }
  return least;
}

/** The last result: one that nobody could read might as well not be computed. */
let kept: unknown;

/** The processor time of so many runs, in nanoseconds. */
function time(run: () => unknown, runs: number): number {
  const start = process.cpuUsage();
  for (let count = 0; count < runs; count++) kept = run();
  const { user, system } = process.cpuUsage(start);
  if (kept === race) throw new Error("no contender returns this");
  return (user + system) * 1000;
}

export function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const [low = Number.NaN, high = low] =
    sorted.length % 2 === 0 ? sorted.slice(middle - 1, middle + 1) : [sorted[middle]];
  return (low + high) / 2;
}

/** Rows as a table that is Markdown and reads well as it stands; numbers to the right. */
export function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [header, ...rows];
  const widths = header.map((_, column) =>
    Math.max(...all.map((row) => (row[column] ?? "").length)),
  );
  const isNumber = header.map((_, column) =>
    rows.every((row) => /^[-\d.,× ]*$/.test(row[column] ?? "")),
  );
  const line = (cells: readonly string[]) => {
    const padded = widths.map((width, column) => {
      const cell = cells[column] ?? "";
      return isNumber[column] ? cell.padStart(width) : cell.padEnd(width);
    });
    return `| ${padded.join(" | ")} |`;
  };
  const rule = widths.map((width, column) =>
    isNumber[column] ? `${"-".repeat(width - 1)}:` : "-".repeat(width),
  );
  return [line(header), line(rule), ...rows.map(line)].join("\n");
}

/** Where the race was run. */
export function machine(): string {
  const all = cpus();
  return `${all.length} × ${all[0]?.model ?? "unknown CPU"}, Node ${process.version}, V8 ${process.versions.v8}`;
}

/**
 * Gives loops over strings their full speed back, which loading ioredis 6 takes
 * from the whole process: a class of it extends `String`, which leaves
 * `String.prototype` a dictionary, and V8 inlines no method of one. Reading a
 * property of it many times makes V8 tidy it up. Contenders in JavaScript get
 * this, as they do in every process that has loaded shardis.
 *
 * @throws Error if it did not help
 */
export function cureStrings(): void {
  for (let count = 0; count < 1000; count++) void String.prototype.charCodeAt;
  setFlagsFromString("--allow-natives-syntax");
  const isFast: unknown = new Function("return %HasFastProperties(String.prototype)")();
  setFlagsFromString("--no-allow-natives-syntax");
  if (isFast !== true) throw new Error("String.prototype is still a dictionary");
}
