/** What was found out, and what it comes to beside the goals. */
import type { ClientName } from "./clients.ts";
import { show, table } from "./report.ts";
import { median, medianRatio } from "./rounds.ts";
import type { Absent } from "./stage.ts";

interface Kind {
  readonly name: string;
  /** The unit of a turn's number; that of a ratio is ×. */
  readonly unit: string;
  /** Whether more is better. */
  readonly more?: true;
}

/** What is measured in a turn. */
export const MEASURES = {
  throughput: { name: "throughput", unit: "per s", more: true },
  cpu: { name: "client CPU", unit: "µs each" },
  servers: { name: "server CPU", unit: "µs each" },
  bound: { name: "throughput, no core idle", unit: "per s" },
  p50: { name: "operation, p50", unit: "ms" },
  delay: { name: "event loop delay, max", unit: "ms" },
  load: { name: "time to load", unit: "ms" },
  rss: { name: "memory", unit: "MB" },
  peak: { name: "memory, peak", unit: "MB" },
  time: { name: "turn", unit: "ms" },
} as const satisfies Record<string, Kind>;

export type Measure = keyof typeof MEASURES;

/** A number for each thing that was measured: in one turn, or wanted. */
export type Figures = { readonly [measure in Measure]?: number };

/** What is wanted of shardis: ratios to a rival, or numbers as they are if there is none. */
export type Goal = { readonly against?: ClientName } & Figures;

/** What all turns of one row came to. */
export interface Finding {
  readonly title: string;
  readonly goals: readonly Goal[];
  /** Of each client that took part its turns, in the order of the rounds. */
  readonly turns: ReadonlyMap<ClientName, readonly Figures[]>;
  readonly absent?: Absent;
}

/** What became of one number that was wanted. */
export interface Verdict {
  readonly reached: boolean;
  /** Its line of the table of goals. */
  readonly cells: readonly string[];
}

export function judge(finding: Finding): Verdict[] {
  return finding.goals.flatMap((goal) =>
    MEASURED.flatMap((measure) => {
      const wanted = goal[measure];
      return wanted === undefined ? [] : [verdict(finding, goal, measure, wanted)];
    }),
  );
}

const MEASURED = Object.keys(MEASURES).filter((name): name is Measure => name in MEASURES);

function verdict(finding: Finding, { against }: Goal, measure: Measure, wanted: number): Verdict {
  const { name, unit, more }: Kind = MEASURES[measure];
  const ours = numbers(finding, "shardis", measure);
  const result =
    against === undefined ? median(ours) : medianRatio(ours, numbers(finding, against, measure));
  const reached = more ? result >= wanted : result <= wanted;
  const shown = against === undefined ? unit : "×";
  return {
    reached,
    cells: [
      finding.title,
      against ?? "",
      name,
      `${more ? "≥" : "≤"} ${show(wanted)} ${shown}`,
      `${show(result)} ${shown}`,
      reached ? "reached" : "missed",
    ],
  };
}

function numbers({ turns }: Finding, client: ClientName, measure: Measure): number[] {
  return (turns.get(client) ?? []).map((turn) => turn[measure] ?? Number.NaN);
}

/** Goals beside results, and how many were missed. */
export function goalsTable(verdicts: readonly Verdict[]): string {
  const missed = verdicts.filter(({ reached }) => !reached);
  const sum = `${missed.length} of ${verdicts.length} goals are missed.`;
  const header = ["work", "against", "measured", "goal", "result", ""];
  return `${sum}\n\n${table(
    header,
    verdicts.map(({ cells }) => cells),
  )}`;
}

/**
 * The medians of all clients, without goals; nothing if none of this was measured.
 *
 * @param measures the columns, of which the first says whether a finding belongs here
 */
export function clientsTable(findings: readonly Finding[], measures: readonly Measure[]): string {
  const header = measures.map((measure) => `${MEASURES[measure].name}, ${MEASURES[measure].unit}`);
  const rows = findings
    .filter((finding) => measures.slice(0, 1).every((measure) => has(finding, measure)))
    .flatMap((finding) =>
      [...finding.turns.keys()].map((client, index) => [
        index === 0 ? finding.title : "",
        client,
        ...measures.map((measure) => show(median(numbers(finding, client, measure)))),
      ]),
    );
  return rows.length === 0 ? "" : table(["work", "client", ...header], rows);
}

function has({ turns }: Finding, measure: Measure): boolean {
  return [...turns.values()].some((figures) => figures[0]?.[measure] !== undefined);
}

/** Who could not take part, in what, and why; nothing if all did. */
export function absentList(findings: readonly Finding[]): string {
  const titles = new Map<string, string[]>();
  for (const { title, absent = new Map() } of findings) {
    for (const [client, reason] of absent) {
      const line = `- ${client}: ${reason}`;
      titles.set(line, [...(titles.get(line) ?? []), title]);
    }
  }
  return [...titles].map(([line, of]) => `${line} (${of.join("; ")})`).join("\n");
}
