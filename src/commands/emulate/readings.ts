/** What XREAD and XREADGROUP are asked to read. */
import type { Argument } from "../arguments.ts";
import type { PlacedCommand, PlacedKey } from "../placed.ts";

/** A stream, and from where on it is read. */
export interface Reading extends PlacedKey {
  readonly id: Argument;
  /** The key as the user gave it. */
  readonly given: unknown;
}

/** What is read, and how. */
export interface ReadingList {
  readonly command: string;
  /** All that stands before the streams. */
  readonly options: readonly Argument[];
  readonly readings: readonly Reading[];
}

/** A command that reads streams, taken apart. */
export function takeApart({ command, args, keys, given }: PlacedCommand): ReadingList {
  const readings = keys.map((key, index) => ({
    ...key,
    // A stream and its id stand as far from each other as there are streams.
    id: args[key.position + keys.length] ?? "",
    given: given[index],
  }));
  return { command, options: args.slice(0, keys[0]?.position), readings };
}

/** The command for some of the streams. */
export function commandFor(
  { command, options }: ReadingList,
  readings: readonly Reading[],
): [string, ...Argument[]] {
  return [command, ...options, ...readings.map(({ key }) => key), ...readings.map(({ id }) => id)];
}

/** The streams of each node, the node of the first stream first. */
export function byNode(readings: readonly Reading[]): [node: number, readings: Reading[]][] {
  return groupBy(readings, ({ owner }) => owner);
}

/** The readings of each stream, by the bytes of its name as text: it may be named more than once. */
export function byStream(readings: readonly Reading[]): [name: string, readings: Reading[]][] {
  return groupBy(readings, ({ key }) => Buffer.from(key).toString("latin1"));
}

/**
 * Which of the readings of one stream a node has answered, if it has answered so many: nothing is
 * behind an id unless it is behind every lower one. What a consumer already had comes always, and
 * what is new to a group comes to who asks first.
 */
export function answered(readings: readonly Reading[], count: number): readonly Reading[] {
  if (count === readings.length) return readings;
  const byId = [...readings].sort((a, b) => Number(numberOf(a.id) - numberOf(b.id)));
  const lowest = new Set(byId.slice(0, count));
  return readings.filter((reading) => lowest.has(reading));
}

/** An id as one number; of `+`, which is what is last, below all; of `$` and `>` above all. */
function numberOf(id: Argument): bigint {
  if (String(id) === "+") return -1n;
  const [, ms, sequence = "0"] = /^(\d+)(?:-(\d+))?$/.exec(String(id)) ?? [];
  return ms === undefined ? 1n << 128n : (BigInt(ms) << 64n) + BigInt(sequence);
}

function groupBy<Name>(
  readings: readonly Reading[],
  nameOf: (reading: Reading) => Name,
): [name: Name, readings: Reading[]][] {
  const groups = new Map<Name, Reading[]>();
  for (const reading of readings) {
    const name = nameOf(reading);
    const group = groups.get(name);
    if (group === undefined) groups.set(name, [reading]);
    else group.push(reading);
  }
  return [...groups];
}
