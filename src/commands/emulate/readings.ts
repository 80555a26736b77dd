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
  const groups = new Map<number, Reading[]>();
  for (const reading of readings) {
    const group = groups.get(reading.owner);
    if (group === undefined) groups.set(reading.owner, [reading]);
    else group.push(reading);
  }
  return [...groups];
}
