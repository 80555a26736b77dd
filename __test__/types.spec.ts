/**
 * The types of the package as those see them who install it, and that it loads
 * for them, from what the set-up has built. What the client's types say is in
 * `types/client.ts`, which the type check of this repository compiles with all the rest.
 */
import { execFile } from "node:child_process";
import { cp, mkdir, mkdtemp, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import test, { type ExecutionContext } from "ava";

const run = promisify(execFile);
const root = fileURLToPath(new URL("..", import.meta.url));
const tsc = createRequire(import.meta.url).resolve("typescript/bin/tsc");

/** A program that uses all entry points, without the lines that import them. */
const PROGRAM = `
const servers = await startNodes(2);
await using redis = new ShardedRedis(servers.nodes);
await redis.connect();
await redis.mset({ a: "1", b: "2", c: "3" });
const values = await redis.mget("a", "b", "c", "d");
const sizes = await redis.each.dbsize();
const refused = await redis.rename("a", "b").catch((error) => error);
const placed = new Placement(["x", "y", "z"]).nodeFor("user:1");
await redis.quit();
await servers.stop();
console.log(JSON.stringify({
  values,
  nodes: Object.keys(sizes),
  refused: refused instanceof ShardisError || refused === "OK",
  placed,
}));
`;

const TYPED = `
const name: Promise<string | null> = redis.get("key");
const sizes: Promise<Record<string, number>> = redis.each.dbsize();
const commander: RedisCommander<{ type: "default" }> = redis;
const nodes: Promise<TestNodes<TcpTestNode>> = startNodes(2);
const code: ErrorCode = "CROSS_NODE";
// @ts-expect-error an object is no key
redis.get({});
export const all = [name, sizes, commander, nodes, code];
`;

const IMPORTED = `
import { type ErrorCode, ShardedRedis } from "shardis";
import { startNodes, type TcpTestNode, type TestNodes } from "shardis/testing";
import type { RedisCommander } from "ioredis";
const redis = new ShardedRedis(["localhost:1"]);
`;

const REQUIRED = `
import shardis = require("shardis");
import testing = require("shardis/testing");
import type { RedisCommander } from "ioredis";
type ErrorCode = shardis.ErrorCode;
type TestNodes<T extends testing.TestNode> = testing.TestNodes<T>;
type TcpTestNode = testing.TcpTestNode;
const { startNodes } = testing;
const redis = new shardis.ShardedRedis(["localhost:1"]);
`;

test("the packed package loads and is typed, as an ES module and as CommonJS", async (t) => {
  const directory = await consumer(t);

  await writeFile(
    join(directory, "run.mjs"),
    `import Default, { Placement, ShardedRedis, ShardisError } from "shardis";
    import { startNodes } from "shardis/testing";
    if (Default !== ShardedRedis) throw new Error("not the default export");
    ${PROGRAM.replace("await using redis", "const redis")}`,
  );
  await writeFile(
    join(directory, "run.cjs"),
    `const { Placement, ShardedRedis, ShardisError, default: Default } = require("shardis");
    const { startNodes } = require("shardis/testing");
    if (Default !== ShardedRedis) throw new Error("not the default export");
    (async () => { ${PROGRAM.replace("await using redis", "const redis")} })();`,
  );
  for (const file of ["run.mjs", "run.cjs"]) {
    const { stdout } = await run(process.execPath, [file], { cwd: directory });
    t.like(
      JSON.parse(stdout),
      { values: ["1", "2", "3", null], nodes: ["node1", "node2"], refused: true },
      file,
    );
  }

  await writeFile(join(directory, "typed.mts"), IMPORTED + TYPED);
  await writeFile(join(directory, "typed.cts"), REQUIRED + TYPED);
  const options = { strict: true, module: "NodeNext", target: "ES2023", noEmit: true };
  const compilerOptions = { ...options, lib: ["ES2023", "ESNext.Disposable"], types: ["node"] };
  await writeFile(
    join(directory, "tsconfig.json"),
    JSON.stringify({ compilerOptions, files: ["typed.mts", "typed.cts"] }),
  );
  const { stdout } = await run(process.execPath, [tsc], { cwd: directory }).catch((error) => error);
  t.is(stdout, "", "no complaints, in the declarations of the package neither");
});

test("errors of the ES module are those of the CommonJS module", async (t) => {
  const directory = await consumer(t);
  await writeFile(
    join(directory, "both.mjs"),
    `import { createRequire } from "node:module";
    import * as esm from "shardis";
    const cjs = createRequire(import.meta.url)("shardis");
    try { new cjs.Placement([]); } catch (error) { console.log(error instanceof esm.ShardisError); }
    try { new esm.Placement([]); } catch (error) { console.log(error instanceof cjs.ShardisError); }`,
  );
  const { stdout } = await run(process.execPath, ["both.mjs"], { cwd: directory });
  t.is(stdout, "true\ntrue\n");
});

test("the package holds what it needs, and no sources or tests", async (t) => {
  const { stdout } = await run("npm", ["pack", "--dry-run", "--json"], { cwd: root });
  const [{ files }]: [{ files: { path: string }[] }] = JSON.parse(stdout);
  const paths = files.map(({ path }) => path);
  for (const format of ["mjs", "cjs", "d.mts", "d.cts"]) {
    t.true(paths.includes(`dist/js/index.${format}`), format);
    t.true(paths.includes(`dist/js/testing.${format}`), format);
  }
  t.true(paths.includes("dist/native/binding.cjs"));
  t.deepEqual(
    paths.filter((path) => /^(src|crates|__test__|benches|scripts)\//.test(path)),
    [],
  );
});

// --- Helpers ------------------------------------------------------------------------------------

/** The directory of a project that has installed what `npm pack` makes of this one. */
async function consumer(t: ExecutionContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "shardis-consumer-"));
  t.teardown(() => rm(directory, { recursive: true, force: true }));
  const { stdout } = await run("npm", ["pack", "--json", "--pack-destination", directory], {
    cwd: root,
  });
  const [{ filename }]: [{ filename: string }] = JSON.parse(stdout);
  await run("tar", ["-xzf", filename], { cwd: directory });
  const installed = join(directory, "node_modules", "shardis");
  await mkdir(dirname(installed));
  await cp(join(directory, "package"), installed, { recursive: true });
  // What comes in a package of its own for each platform.
  for (const file of await readdir(join(root, "dist/native"))) {
    if (!file.endsWith(".node")) continue;
    await cp(join(root, "dist/native", file), join(installed, "dist/native", file));
  }
  for (const name of ["ioredis", "@ioredis/commands", "@types/node"]) {
    const link = join(directory, "node_modules", name);
    await mkdir(dirname(link), { recursive: true });
    await symlink(join(root, "node_modules", name), link);
  }
  await writeFile(join(directory, "package.json"), "{}");
  return directory;
}
