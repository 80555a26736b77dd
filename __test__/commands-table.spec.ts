/** The command table: generated, complete, and never led astray by what is no key. */
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { list } from "@ioredis/commands";
import test, { type ExecutionContext } from "ava";
import { Redis } from "ioredis";
import { FACTS } from "../src/commands/facts.ts";
import { MODULE_FACTS } from "../src/commands/module-facts.ts";
import { POLICIES } from "../src/commands/policies.ts";
import { COMMANDS, commandRow } from "../src/commands/table.ts";
import { ShardedRedis, ShardisError } from "../src/index.ts";
import { startNodes } from "../src/testing/index.ts";

const root = fileURLToPath(new URL("..", import.meta.url));

test("what is generated is current: the facts of the installed metadata, and the page", async (t) => {
  const args = ["--import", "@oxc-node/core/register", "scripts/generate-commands.ts", "--check"];
  const run = promisify(execFile);
  await t.notThrowsAsync(run(process.execPath, args, { cwd: root }));
});

test("every command of ioredis has a row, under its own name", (t) => {
  for (const command of list) t.is(COMMANDS.get(command)?.name, command);
  for (const [name, row] of COMMANDS) t.is(row.name, name);
});

test("every command of a real server has a row, and its subcommands have", async (t) => {
  const plain = await server(t);
  const names = await plain.call("COMMAND", "LIST");
  t.true(Array.isArray(names) && names.length > 200);
  const missing = Array.isArray(names) ? names.filter((name) => !COMMANDS.has(name)) : [];
  t.deepEqual(missing, []);
  const subcommands = await plain.call("COMMAND", "INFO", "config", "script", "function", "xinfo");
  const found = JSON.stringify(subcommands).match(/(?<=")\w+\|\w+(?=")/g) ?? [];
  t.true(found.length > 20);
  t.deepEqual(
    found.filter((name) => !COMMANDS.has(name)),
    [],
  );
});

test("every policy is that of a command that is known", (t) => {
  for (const name of POLICIES.keys()) t.true(FACTS.has(name) || MODULE_FACTS.has(name), name);
});

test("the metadata does not know what is told of modules", (t) => {
  for (const name of MODULE_FACTS.keys()) t.false(FACTS.has(name), name);
});

test("policies without keys are for commands without keys, and the other way round", (t) => {
  for (const [name, { policy, keys }] of COMMANDS) {
    if (["node", "split", "ship"].includes(policy.kind)) t.not(keys, "none", name);
    if (["every", "any", "special"].includes(policy.kind)) t.is(keys, "none", name);
  }
});

test("what writes is known to write, and what reads to read, as a real server has it", async (t) => {
  const plain = await server(t);
  for (const [name, { access }] of COMMANDS) {
    const info = await infoOf(plain, name);
    if (info === undefined) continue;
    const flags = String(info[2]).split(",");
    const expected = flags.includes("write") ? "write" : flags.includes("readonly") ? "read" : "";
    t.is(access === "other" ? "" : access, expected, name);
  }
});

test("a subcommand has its row, in any case", (t) => {
  for (const subcommand of ["get", "GET", "Get"]) {
    t.is(commandRow("config", [subcommand, "*"])?.name, "config|get");
  }
  t.is(commandRow("config", ["nonsense"])?.name, "config");
  t.is(commandRow("config", [])?.name, "config");
  t.is(commandRow("get", ["set"])?.name, "get");
  t.is(commandRow("nonsense", ["get"]), undefined);
});

/** Arguments from which a server tells the keys, for commands that need more than a few words. */
const SAMPLES: Readonly<Record<string, readonly (readonly string[])[]>> = {
  blmpop: [["0", "2", "a", "b", "LEFT"]],
  bzmpop: [["0", "2", "a", "b", "MIN", "COUNT", "3"]],
  eval: [
    ["return 1", "2", "a", "b", "1"],
    ["2", "0", "a"],
  ],
  eval_ro: [["return 1", "1", "a", "b"]],
  evalsha: [["sha", "2", "a", "b", "c"]],
  evalsha_ro: [["sha", "1", "a"]],
  fcall: [["f", "2", "a", "b", "c"]],
  fcall_ro: [["f", "1", "a"]],
  geosearchstore: [["to", "from", "FROMMEMBER", "m", "BYRADIUS", "1", "m"]],
  georadius: [
    ["a", "1", "2", "3", "m"],
    ["a", "1", "2", "3", "m", "ASC", "STORE", "b"],
    ["a", "1", "2", "3", "m", "STOREDIST", "b", "COUNT", "1"],
  ],
  georadiusbymember: [
    ["a", "STORE", "3", "m"],
    ["a", "m", "3", "m", "store", "b"],
  ],
  lmpop: [["2", "a", "b", "LEFT"]],
  memory: [["USAGE", "a"], ["usage", "a", "SAMPLES", "1"], ["DOCTOR"]],
  migrate: [
    ["h", "1", "a", "0", "1"],
    ["h", "1", "", "0", "1", "KEYS", "a", "b"],
    ["h", "1", "", "0", "1", "COPY", "REPLACE", "AUTH", "pass", "keys", "a"],
    ["h", "1", "", "0", "1", "AUTH", "keys", "KEYS", "a", "b"],
    ["h", "1", "", "0", "1", "AUTH2", "keys", "keys", "KEYS", "a"],
  ],
  object: [["ENCODING", "a"], ["freq", "a"], ["HELP"]],
  pfmerge: [["a", "b", "c"]],
  sintercard: [["2", "a", "b", "LIMIT", "1"]],
  sort: [
    ["a", "ASC"],
    ["a", "LIMIT", "0", "1", "STORE", "b"],
    ["a", "BY", "nosort", "GET", "#"],
  ],
  xgroup: [["CREATE", "a", "g", "$"], ["destroy", "a", "g"], ["HELP"]],
  xinfo: [
    ["STREAM", "a", "FULL"],
    ["groups", "a"],
    ["CONSUMERS", "a", "g"],
  ],
  xread: [
    ["STREAMS", "a", "0"],
    ["COUNT", "1", "BLOCK", "0", "streams", "a", "b", "0", "0"],
    ["STREAMS", "streams", "0"],
  ],
  xreadgroup: [
    ["GROUP", "g", "c", "STREAMS", "a", ">"],
    ["GROUP", "streams", "streams", "COUNT", "1", "NOACK", "STREAMS", "a", "b", ">", ">"],
  ],
  zdiff: [["2", "a", "b", "WITHSCORES"]],
  zdiffstore: [["to", "2", "a", "b"]],
  zinter: [["1", "a"]],
  zintercard: [["2", "a", "b", "LIMIT", "5"]],
  zinterstore: [["to", "1", "a"]],
  zmpop: [["1", "a", "MIN"]],
  zunion: [["2", "a", "b", "WEIGHTS", "1", "2"]],
  zunionstore: [["to", "2", "a", "b", "AGGREGATE", "MAX"]],
};

/** The same for commands that Redis 7.0 lacks, with their keys as the documentation has them. */
const NEWER: Readonly<Record<string, { args: readonly string[]; keys: readonly string[] }>> = {
  bless: { args: ["GET", "a"], keys: ["a"] },
  blmovem: { args: ["a", "b", "LEFT", "LEFT", "0"], keys: ["a", "b"] },
  lmovem: { args: ["a", "b", "LEFT", "LEFT"], keys: ["a", "b"] },
  msetex: { args: ["2", "a", "1", "b", "2", "EX", "9"], keys: ["a", "b"] },
  sdiffcard: { args: ["2", "a", "b"], keys: ["a", "b"] },
  sunioncard: { args: ["2", "a", "b"], keys: ["a", "b"] },
};

test("no command is placed by an argument that is no key, as a real server finds them", async (t) => {
  const plain = await server(t);
  const { placed } = await recordingClient(t);
  let compared = 0;
  for (const command of list) {
    const info = await infoOf(plain, command);
    // A channel is placed as if it were a key, as Redis Cluster does with those of shards.
    if (info === undefined || /publish|subscribe/.test(command)) continue;
    const few = Array.from({ length: Math.max(Math.abs(Number(info[1])) - 1, 0) }, (_, at) =>
      String(`word${at}`),
    );
    const more = [...few, "more1", "more2"];
    const isVariadic = Number(info[1]) < 0 && few.length > 0;
    for (const args of SAMPLES[command] ?? (isVariadic ? [few, more] : [few])) {
      const keys = placed(command, args);
      const expected = await keysByServer(plain, command, args);
      const line = `${command} ${args.join(" ")}`;
      if (keys === "refused") {
        const row = commandRow(command, args);
        // What has keys is refused only where it is about the connection.
        if (row?.policy.kind !== "refuse") t.deepEqual(expected, [], line);
      } else {
        t.deepEqual(keys, expected, line);
        compared++;
      }
    }
  }
  t.true(compared > 200, String(compared));
});

test("commands newer than the server are placed by the keys of their documentation", async (t) => {
  const { placed } = await recordingClient(t);
  for (const [command, { args, keys }] of Object.entries(NEWER)) {
    t.deepEqual(placed(command, args), keys, command);
  }
});

// --- Helpers ------------------------------------------------------------------------------------

async function server(t: ExecutionContext): Promise<Redis> {
  const servers = await startNodes(1);
  const plain = new Redis(servers.node(0).port);
  t.teardown(async () => {
    plain.disconnect();
    await servers.stop();
  });
  return plain;
}

/** A client that places nothing, and tells by which keys it would place a command. */
async function recordingClient(t: ExecutionContext) {
  let seen: string[] = [];
  const redis = new ShardedRedis([{ name: "only", port: 1 }], {
    lazyConnect: true,
    placement: (key) => {
      seen.push(String(key));
      return "only";
    },
  });
  t.teardown(() => redis.disconnect());
  const placed = (command: string, args: readonly string[]): string[] | "refused" => {
    seen = [];
    try {
      redis.explain(command, args);
      return seen;
    } catch (error) {
      if (!(error instanceof ShardisError) || error.code !== "UNSUPPORTED") throw error;
      t.deepEqual(seen, [], command);
      return "refused";
    }
  };
  return { placed };
}

/** What a server says of a command, or undefined if it has none of that name. */
async function infoOf(plain: Redis, command: string): Promise<unknown[] | undefined> {
  const [info]: unknown[] = Object(await plain.command("INFO", command));
  return Array.isArray(info) ? info : undefined;
}

/** The keys that a server finds in a command. */
async function keysByServer(
  plain: Redis,
  command: string,
  args: readonly string[],
): Promise<unknown> {
  try {
    return await plain.command("GETKEYS", command, ...args);
  } catch (error) {
    // The latter two for subcommands that it does not have, and for a command without arguments.
    const hasNone = /no key arguments|Invalid command specified|'command\|getkeys' command/;
    if (error instanceof Error && hasNone.test(error.message)) return [];
    throw error;
  }
}
