/**
 * Races within one process: contenders that do the same job without waiting for anything.
 *
 * Time is the processor's: of all threads, the garbage collector's included, but not what other
 * processes take in between.
 */
import { median, medianRatio, takeTurns } from "./rounds.ts";

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
export async function race(
  contenders: readonly Contender[],
  things: number,
  seconds = 1,
): Promise<Result[]> {
  const racers = contenders.map(({ name, run }) => {
    const ns = warmUp(run);
    return { name, run, ns, runs: Math.ceil(TURN_NS / ns) };
  });
  const round = racers.reduce((sum, { runs, ns }) => sum + runs * ns, 0);
  const rounds = Math.round((seconds * 1e9) / round);
  const times = await takeTurns(
    racers,
    Math.min(MOST_ROUNDS, Math.max(LEAST_ROUNDS, rounds)),
    ({ run, runs }) => time(run, runs) / runs / things,
  );
  const [first = []] = times;
  return times.map((ours, index) => ({
    name: racers[index]?.name ?? "",
    each: median(ours),
    ratio: medianRatio(ours, first),
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
