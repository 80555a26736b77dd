/** Loading shardis leaves loops over strings as fast as they were before ioredis was loaded. */
import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import test from "ava";

const index = fileURLToPath(new URL("../src/index.ts", import.meta.url));

function hasFastStrings(load: string): boolean {
  const script = `${load}; process.stdout.write(String(%HasFastProperties(String.prototype)))`;
  const flags = ["--allow-natives-syntax", "--import=@oxc-node/core/register"];
  const args = [...flags, "--input-type=module", "--eval", script];
  return execFileSync(process.execPath, args, { encoding: "utf8" }) === "true";
}

test("ioredis alone slows String.prototype down", (t) => {
  // Should this fail, ioredis has mended it, and src/cure.ts can go.
  t.false(hasFastStrings('await import("ioredis")'));
});

test("with shardis loaded it is fast", (t) => {
  t.true(hasFastStrings(`await import(${JSON.stringify(index)})`));
});
