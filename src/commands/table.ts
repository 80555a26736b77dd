/** The one table of commands: what metadata says of each, and what shardis does with it. */
import { FACTS, type Facts } from "./facts.ts";
import { MODULE_FACTS } from "./module-facts.ts";
import { POLICIES, type Policy, RESPONSES } from "./policies.ts";

/** A command. */
export interface CommandRow {
  /** Its name in lower case; with its subcommand, `config|get`, where that has a row. */
  readonly name: string;
  readonly access: "read" | "write" | "other";
  /** Where its keys are: nowhere, first and nowhere else, at fixed places, or as options say. */
  readonly keys: "none" | "first" | "fixed" | "options";
  readonly policy: Policy;
  /** How much of it happens at once. */
  readonly atomicity: "atomic" | "per node" | "emulated" | "refused";
}

const NODE: Policy = { kind: "node" };

const ATOMICITY: Readonly<Record<Policy["kind"], CommandRow["atomicity"]>> = {
  node: "atomic",
  any: "atomic",
  channel: "atomic",
  subscribe: "per node",
  split: "per node",
  every: "per node",
  special: "per node",
  ship: "emulated",
  sort: "emulated",
  move: "emulated",
  steps: "emulated",
  refuse: "refused",
};

const rows = new Map<string, CommandRow>();
for (const [name, facts] of [...FACTS, ...MODULE_FACTS]) {
  const policy = POLICIES.get(name) ?? POLICIES.get(parent(name)) ?? derive(facts);
  const [access, keys] = facts;
  rows.set(name, { name, access, keys, policy, atomicity: ATOMICITY[policy.kind] });
}

/** Every command that is known, by name. */
export const COMMANDS: ReadonlyMap<string, CommandRow> = rows;

/**
 * The row of a command: of its subcommand, where that has one.
 *
 * @param command in lower case
 */
export function commandRow(command: string, args: readonly unknown[]): CommandRow | undefined {
  const row = rows.get(command);
  if (row === undefined || row.keys === "first") return row;
  const [subcommand] = args;
  if (typeof subcommand !== "string" && !Buffer.isBuffer(subcommand)) return row;
  return rows.get(`${command}|${String(subcommand).toLowerCase()}`) ?? row;
}

function derive([, keys, policy = ""]: Facts): Policy {
  if (keys !== "none") return NODE;
  const [request = "", response = ""] = policy.split(" ");
  const merge = RESPONSES.get(response);
  if (request.startsWith("all_") && merge !== undefined) return { kind: "every", merge };
  return {
    kind: "refuse",
    wayOut: "redis.node(name), or redis.each for every node",
    always: false,
  };
}

function parent(name: string): string {
  return name.split("|")[0] ?? name;
}
