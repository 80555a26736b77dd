// Makes a fresh clone ready to run: npm packages, the native module, the TypeScript build and a
// redis-server. What is there already is not made again. Needs nothing but Node: no packages, no
// standard input.
//
//   node scripts/setup.mjs

import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { redisInstaller } from "./install-redis.mjs";
import { canRun, root, run } from "./tools.mjs";

// What `npm run build:native` and `npm run build:js` depend on and what they leave behind. In a file
// name, `*` stands for any characters.
const native = {
  settings: ({ napi, scripts }) => [napi, scripts?.["build:native"]],
  sources: ["crates", "Cargo.toml", "Cargo.lock", "build.rs", ".cargo", "rust-toolchain.toml"],
  outputs: ["dist/native/shardis.*.node", "dist/native/binding.cjs"],
};
const js = {
  settings: () => [],
  sources: ["src", "package.json", "tsdown.config.*", "tsconfig*.json"],
  outputs: ["index.mjs", "index.cjs", "testing.mjs", "testing.cjs"].map(
    (name) => `dist/js/${name}`,
  ),
};

const machine = `${process.platform}-${process.arch}`;
const stateFile = join(root, "node_modules", ".shardis-setup.json");

/** A set-up that cannot go on; the message is for the person in front of the screen. */
class Stop extends Error {}

// --- What is there ------------------------------------------------------------------------------

/** The files that `pattern` stands for: itself, or what fits its `*`. Relative to the root. */
function matches(pattern) {
  if (!pattern.includes("*")) return existsSync(join(root, pattern)) ? [pattern] : [];
  const folder = dirname(pattern);
  if (!existsSync(join(root, folder))) return [];
  const parts = basename(pattern).split("*");
  const fits = new RegExp(`^${parts.map((part) => part.replace(/\W/g, "\\$&")).join(".*")}$`);
  return readdirSync(join(root, folder))
    .filter((name) => fits.test(name))
    .sort()
    .map((name) => join(folder, name));
}

/** Every file at or below `path`, in a stable order, without what builds leave in between. */
function filesBelow(path) {
  if (!statSync(join(root, path)).isDirectory()) return [path];
  return readdirSync(join(root, path))
    .filter((name) => name !== "target" && name !== "node_modules")
    .sort()
    .flatMap((name) => filesBelow(join(path, name)));
}

/** One hash over all that a build depends on: files by name and content, settings, the machine. */
function fingerprint({ settings, sources, outputs }) {
  const project = readJson(join(root, "package.json")) ?? {};
  const hash = createHash("sha256").update(JSON.stringify([machine, settings(project)]));
  const made = new Set(outputs.flatMap(matches));
  for (const file of sources.flatMap(matches).flatMap(filesBelow)) {
    if (!made.has(file)) hash.update(`\0${file}\0`).update(readFileSync(join(root, file)));
  }
  return hash.digest("hex");
}

function readJson(file) {
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch {
    return undefined;
  }
}

/** Whether node_modules holds what package-lock.json asks for, by npm's own record of it. */
function packagesAreThere(state) {
  const wanted = readJson(join(root, "package-lock.json"))?.packages;
  const installed = readJson(join(root, "node_modules", ".package-lock.json"))?.packages;
  if (wanted === undefined || installed === undefined) return false;
  if (state.machine !== undefined && state.machine !== machine) return false;
  return Object.entries(wanted).every(
    ([path, { version, integrity, optional, devOptional }]) =>
      path === "" ||
      optional ||
      devOptional ||
      (installed[path]?.version === version &&
        installed[path]?.integrity === integrity &&
        existsSync(join(root, path))),
  );
}

// --- The steps ----------------------------------------------------------------------------------

let state = readJson(stateFile) ?? {};
let stepsDone = 0;

/** Remembers what was done; at once, so that a later step that fails does not undo it. */
function remember(entries) {
  state = { ...state, ...entries, machine };
  mkdirSync(dirname(stateFile), { recursive: true });
  writeFileSync(stateFile, `${JSON.stringify(state, null, 2)}\n`);
}

/**
 * Runs a command as one line on the screen; shows what it wrote only when it fails. `fallback` gets
 * what a failed command wrote and may know another one to try.
 */
async function step(title, command, fallback = () => undefined) {
  const start = performance.now();
  process.stdout.write(`${title} … `);
  let { ok, output, ending } = await run(...command);
  const other = ok ? undefined : fallback(output);
  if (other !== undefined) {
    command = other;
    ({ ok, output, ending } = await run(...command));
  }
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  process.stdout.write(`${ok ? "done" : "failed"} (${seconds} s)\n`);
  if (!ok) {
    process.stdout.write(output.endsWith("\n") || output === "" ? output : `${output}\n`);
    throw new Stop(`${title}: "${command.flat().join(" ")}" failed (${ending}).`);
  }
  stepsDone++;
}

function checkTools() {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  if (major < 20 || (major === 20 && minor < 19)) {
    throw new Stop(`shardis needs Node 20.19 or later; this is ${process.version}.`);
  }
  if (!canRun("cargo")) {
    throw new Stop("shardis needs Rust to build its native module: see https://rustup.rs");
  }
}

async function installPackages() {
  if (packagesAreThere(state)) return;
  const quiet = ["--loglevel=error", "--no-progress"];
  // npm ci refuses a lock file without the optional packages of other platforms, and that is what
  // npm writes where its registry lacks them. npm install takes the locked versions all the same,
  // and with --no-save leaves package.json and the lock file alone.
  await step("Installing npm packages", ["npm", ["ci", ...quiet]], (output) =>
    output.includes("EUSAGE") ? ["npm", ["install", "--no-save", ...quiet]] : undefined,
  );
  remember({});
}

async function build(name, title, inputs) {
  const missing = () => inputs.outputs.filter((output) => matches(output).length === 0);
  const before = fingerprint(inputs);
  if (state[name] === before && missing().length === 0) return;
  await step(title, ["npm", ["run", `build:${name}`, "--loglevel=error"]]);
  if (missing().length > 0) throw new Stop(`${title} left no ${missing().join(", ")}.`);
  remember({ [name]: before });
}

async function findRedis() {
  const chosen = process.env.SHARDIS_REDIS_SERVER;
  if (chosen) {
    if (canRun(chosen)) return;
    throw new Stop(`SHARDIS_REDIS_SERVER is "${chosen}", which is not a program that can be run.`);
  }
  if (canRun("redis-server") || canRun("valkey-server")) return;
  const installer = await redisInstaller();
  if (installer === undefined) {
    throw new Stop(
      "The tests and the demo need redis-server or valkey-server: please install one of them " +
        "(or set SHARDIS_REDIS_SERVER to the path of one).",
    );
  }
  await step("Installing redis-server", installer);
}

const start = performance.now();
try {
  checkTools();
  await installPackages();
  await build("native", "Building the native module", native);
  await build("js", "Building the TypeScript", js);
  await findRedis();
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  console.log(stepsDone === 0 ? "Set-up: all there." : `Set-up: ready after ${seconds} s.`);
} catch (error) {
  if (!(error instanceof Stop)) throw error;
  console.error(error.message);
  process.exitCode = 1;
}
