/**
 * shardis beside what one would write or install instead, on servers of its own.
 *
 *     npm run bench                      speed, in six minutes or so
 *     npm run bench -- --only mget       only the rows with that in their titles
 *     npm run bench -- --rounds 30       more rounds, for a steadier median
 *     npm run bench -- --quick           a rough look, in a minute
 *     npm run bench -- memory            memory instead of speed
 *     npm run bench -- --write           all of it, kept in RESULTS.md or RESULTS-memory.md
 */
import { parseArgs } from "node:util";
import { memory } from "./memory.ts";
import { speed } from "./speed.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    only: { type: "string", multiple: true, default: [] },
    rounds: { type: "string" },
    quick: { type: "boolean", default: false },
    write: { type: "boolean", default: false },
  },
});
const { only, quick, write } = values;
const rounds = values.rounds === undefined ? undefined : Number(values.rounds);
const [subject = "speed", ...others] = positionals;

if (others.length > 0 || !["speed", "memory"].includes(subject)) {
  throw new Error(`there is nothing called ${positionals.join(" ")}; there is speed and memory`);
}
if (rounds !== undefined && !(Number.isInteger(rounds) && rounds > 0)) {
  throw new Error("rounds is a whole number from 1");
}
if (subject === "memory" && (rounds !== undefined || only.length > 0)) {
  throw new Error("memory has no --rounds and no --only");
}
if (write && (quick || only.length > 0)) {
  throw new Error("--write keeps a whole run, without --quick and --only");
}

const page = subject === "memory" ? await memory({ quick }) : await speed({ only, quick, rounds });
if (write) page.write(subject === "memory" ? "RESULTS-memory.md" : "RESULTS.md");
