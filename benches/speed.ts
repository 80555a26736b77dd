/** Speed: every client does the work of every row, in turns. */
import { availableParallelism, loadavg } from "node:os";
import {
  absentList,
  clientsTable,
  type Figures,
  type Finding,
  goalsTable,
  judge,
} from "./findings.ts";
import { LOADING, load } from "./loading.ts";
import { machine, Page } from "./report.ts";
import { takeTurns } from "./rounds.ts";
import { ROWS, type Row } from "./rows.ts";
import { onStage, SERVERS } from "./stage.ts";
import { versions } from "./versions.ts";

interface Pace {
  readonly rounds: number;
  /** Rounds of rows with long operations. */
  readonly longRounds: number;
  /** Rounds of loading the package. */
  readonly loads: number;
  /** How long a turn takes, in milliseconds. */
  readonly turn: number;
  /** How long each client works before the first round, in milliseconds. */
  readonly warmUp: number;
}

const USUAL: Pace = { rounds: 11, longRounds: 9, loads: 31, turn: 80, warmUp: 500 };
const QUICK: Pace = { rounds: 3, longRounds: 1, loads: 5, turn: 50, warmUp: 150 };

export interface SpeedOptions {
  /** Parts of the titles of the rows that are wanted; none for all. */
  readonly only: readonly string[];
  readonly quick: boolean;
  readonly rounds: number | undefined;
}

export async function speed({ only, quick, rounds }: SpeedOptions): Promise<Page> {
  const usual = quick ? QUICK : USUAL;
  const pace = rounds === undefined ? usual : { ...usual, rounds, longRounds: rounds };
  const jobs = [
    ...ROWS.map((row) => ({ title: row.title, run: () => measure(row, pace) })),
    { title: LOADING, run: () => load(pace.loads) },
  ];
  const [busy = 0] = loadavg();
  const findings: Finding[] = [];
  for (const { title, run } of jobs) {
    if (only.length > 0 && !only.some((part) => title.includes(part))) continue;
    console.error(`${title} …`);
    findings.push(await run());
  }
  if (findings.length === 0) throw new Error(`no row has ${only.join(" or ")} in its title`);
  return report(findings, pace, busy);
}

function measure(row: Row, pace: Pace): Promise<Finding> {
  return onStage({ row }, async (players, absent, serverTime) => {
    const { title, goals = [], long } = row;
    // One long operation is warm-up enough, and has been done.
    if (!long) for (const player of players) await player.turn({ milliseconds: pace.warmUp });
    const { rounds, milliseconds } = paceOf(row, pace);
    const all = await takeTurns(players, rounds, async (player) => {
      const before = await serverTime();
      const turn = await player.turn({ milliseconds });
      return withServers(turn, (await serverTime()) - before);
    });
    const turns = new Map(players.map(({ client }, index) => [client, all[index] ?? []]));
    return { title, goals, turns, absent };
  });
}

/** How often and how long clients do the work of a row. */
function paceOf({ long, turn, rounds = USUAL.rounds }: Row, pace: Pace) {
  if (long) return { rounds: pace.longRounds, milliseconds: 0 };
  const part = pace.rounds / USUAL.rounds;
  return { rounds: Math.ceil(rounds * part), milliseconds: turn ?? pace.turn };
}

/** @param spent by all servers, in microseconds */
function withServers(turn: Figures, spent: number): Figures {
  const { throughput = 0, time = 0, cpu = 0 } = turn;
  const servers = spent / ((throughput * time) / 1000);
  return { ...turn, servers, bound: (availableParallelism() * 1e6) / (cpu + servers) };
}

/** @param busy the load of the machine before it all began: processes that wanted to run */
async function report(findings: readonly Finding[], pace: Pace, busy: number): Promise<Page> {
  const page = new Page();
  const { rounds, longRounds, loads, turn } = pace;
  page.say(`# Speed

${machine()}; ${await versions()}.
Load average before: ${busy.toFixed(1)}. Whatever else runs slows those down most who ask most servers.

${SERVERS} servers on the same machine. Keys have 20 bytes, values 100 unless the row says otherwise.
shardis is the built package as it comes, save for a long \`commandTimeout\`. Clients "sharded by hand"
group keys by \`zlib.crc32(key) % ${SERVERS}\`, ask all servers at once and put the answers in order; other
rivals have one of the servers. Each client runs in a process of its own, and its answers are
checked before.

Turns of ${turn} ms go round among the clients (of 400 ms, and more of them, for single gets). A ratio
is taken within a round; what is shown is the median of ${rounds} rounds (${longRounds} of operations that take
seconds, ${loads} of loading). An operation is one call, or all calls made at once. Throughput is keys or commands by the clock; client CPU is what
the client's process took for each, of all threads, the garbage collector's included, and without
the servers. Those run on the same processors: client and servers together could not do more than
the throughput with "no core idle".

Rivals in JavaScript run at full speed: what loading ioredis 6 does to \`String.prototype\` has been
undone, as shardis undoes it on import (see \`src/cure.ts\`).`);
  const verdicts = findings.flatMap(judge);
  page.section("Goals of shardis", verdicts.length > 0 ? goalsTable(verdicts) : "");
  page.section(
    "All clients",
    clientsTable(findings, ["throughput", "cpu", "servers", "bound", "p50"]),
  );
  page.section("How long the event loop was held up", clientsTable(findings, ["delay"]));
  page.section("Loading the package", clientsTable(findings, ["load"]));
  page.section("Not run", absentList(findings));
  return page;
}
