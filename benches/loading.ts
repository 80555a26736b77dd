/** How long it takes to load a package, in a process that has loaded nothing else. */
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { Finding } from "./findings.ts";
import { takeTurns } from "./rounds.ts";

const run = promisify(execFile);
const here = fileURLToPath(new URL(".", import.meta.url));

export const LOADING = "loading the package";

export async function load(rounds: number): Promise<Finding> {
  const packages = ["shardis", "ioredis"] as const;
  const turns = await takeTurns(packages, rounds, async (name) => {
    const program = `const start = performance.now();
      await import("${name}");
      console.log(performance.now() - start);`;
    const args = ["--input-type=module", "--eval", program];
    const { stdout } = await run(process.execPath, args, { cwd: here });
    return { load: Number(stdout) };
  });
  return {
    title: LOADING,
    goals: [{ against: "ioredis", load: 1.3 }],
    turns: new Map(packages.map((name, index) => [name, turns[index] ?? []])),
  };
}
