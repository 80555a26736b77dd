/** Which commands may be sent as one of many. */
import { Command } from "ioredis";
import { isBlocking } from "../topology/blocking.ts";
import { COMMANDS, type CommandRow } from "./table.ts";

/** How many arguments each known command may have in a batch. */
const counts = new Map<string, number>();
const NONE = -1;
const ANY = 0;

/**
 * Whether a command may be sent as one of many: it has one key, its first
 * argument, waits for nothing, and nobody has told ioredis to change its arguments.
 *
 * @param name in any case
 * @param count how many arguments it has
 */
export function isBatchable(name: string, count: number): boolean {
  const allowed = counts.get(name) ?? look(name);
  return count > 0 && (allowed === ANY || allowed === count);
}

function look(name: string): number {
  const row = COMMANDS.get(name.toLowerCase());
  // Not remembered: there is no end of such names.
  if (row === undefined) return NONE;
  const count = isChanged(name) ? NONE : countInBatch(row);
  counts.set(name, count);
  return count;
}

function countInBatch({ policy, keys, name }: CommandRow): number {
  if (isBlocking(name)) return NONE;
  if (policy.kind === "node" && keys === "first") return ANY;
  // With one key there is nothing to be split.
  const shape = policy.kind === "split" ? policy.shape : undefined;
  return shape !== undefined && !shape.isCounted && shape.common === 0 ? shape.width : NONE;
}

/** Arguments as commands have them, for one who changes some to show it. */
const PROBES = [
  ["key"],
  ["key", "value"],
  ["key", "field", "value"],
  ["key", 1, Buffer.from("value")],
  ["key", "one", "two", "three"],
  ["key", "one", "two", "three", "four"],
];

/** Whether ioredis would send other arguments than it is given: `Command.setArgumentTransformer`. */
function isChanged(name: string): boolean {
  try {
    return PROBES.some((probe) => {
      const { args } = new Command(name, [probe]);
      return args.length !== probe.length || args.some((arg, at) => `${arg}` !== `${probe[at]}`);
    });
  } catch {
    return true;
  }
}
