/**
 * JSON.MGET, JSON.MSET, TS.MADD and MSETEX: cut by node, with what belongs to each
 * key and what is common to all. Servers that know these commands must answer as one
 * server does; others say, as they refuse them, what they were sent. `SHARDIS_MODULES`
 * takes files of modules to be loaded, with a `:` between two.
 */
import { delimiter } from "node:path";
import test, { type ExecutionContext } from "ava";
import { Redis } from "ioredis";
import { PartialFailureError, type ShardedRedisOptions } from "../src/index.ts";
import { nothingIsSent } from "./helpers/sent.ts";
import { keyOn, newClient, start } from "./helpers/setup.ts";

type Argument = string | number | Buffer;
type Call = readonly [command: string, ...args: Argument[]];

const MODULES = (process.env.SHARDIS_MODULES ?? "").split(delimiter).filter(Boolean);

/** Calls over keys of three nodes, two on the first, and what each of these gets. */
interface Case {
  readonly title: string;
  readonly call: (a: string, b: string, c: string, a2: string) => Call;
  readonly sent: (a: string, b: string, c: string, a2: string) => readonly (string | undefined)[];
}

const CASES: readonly Case[] = [
  {
    title: "JSON.MSET: each key with its path and its value",
    call: (a, b, c, a2) => ["json.mset", b, "$", "2", a, "$", "1", c, "$", "3", a2, "$", "4"],
    sent: (a, b, c, a2) => [`${a} $ 1 ${a2} $ 4`, `${b} $ 2`, `${c} $ 3`],
  },
  {
    title: "JSON.MSET: the last value of a key wins",
    call: (a, b) => ["json.mset", a, "$", "1", b, "$", "2", a, "$", "3"],
    sent: (a, b) => [`${a} $ 1 ${a} $ 3`, `${b} $ 2`, undefined],
  },
  {
    title: "JSON.MGET: keys, and the path behind them",
    call: (a, b, c, a2) => ["json.mget", c, a2, b, a, a2, "$"],
    sent: (a, b, c, a2) => [`${a2} ${a} ${a2} $`, `${b} $`, `${c} $`],
  },
  {
    title:
      "JSON.MGET: a path of the older syntax, a key that reads like it, and one that is not there",
    call: (_, b, c) => ["JSON.MGET", b, ".", c, "none", "."],
    sent: () => [],
  },
  {
    title: "TS.MADD: each key with its time and its value",
    call: (a, b, _, a2) => ["ts.madd", b, 1, 2.5, a, 2, 3, a2, 1, 4],
    sent: (a, b, _, a2) => [`${a} 2 3 ${a2} 1 4`, `${b} 1 2.5`, undefined],
  },
  {
    title: "MSETEX: how many, the keys with their values, and the options",
    call: (a, b, c, a2) => ["msetex", 4, a, 1, b, 2, c, 3, a2, 4, "EX", 100],
    sent: (a, b, c, a2) => [`2 ${a} 1 ${a2} 4 EX 100`, `1 ${b} 2 EX 100`, `1 ${c} 3 EX 100`],
  },
  {
    title: "MSETEX: values that read like options, and no options",
    call: (a, b) => ["msetex", "3", a, "nx", b, "xx", a, "ex"],
    sent: (a, b) => [`2 ${a} nx ${a} ex`, `1 ${b} xx`, undefined],
  },
  {
    title: "MSETEX: what every server refuses is its error",
    call: (a, b) => ["msetex", 2, a, 1, b, 2, "EX", 0],
    sent: (a, b) => [`1 ${a} 1 EX 0`, `1 ${b} 2 EX 0`, undefined],
  },
];

test("each node gets its own keys, with what belongs to them", async (t) => {
  const { sharded, plain, keys } = await started(t);
  for (const { title, call, sent } of CASES) {
    const [command, ...args] = call(...keys);
    const isKnown = await knows(plain, command);
    t.log(`${title}: ${isKnown ? "carried out" : "refused by these servers"}`);
    if (isKnown) {
      const replies = [sharded, plain].map((client) => outcome(client.call(command, args)));
      const [ours, theirs] = await Promise.all(replies);
      t.deepEqual(ours, theirs, title);
      continue;
    }
    const error = await t.throwsAsync(sharded.call(command, args), {
      instanceOf: PartialFailureError,
    });
    for (const [index, line] of sent(...keys).entries()) {
      const failure = error.failures.get(`node${index + 1}`);
      const words = line?.split(" ").map((word) => `'${word}' `);
      const told = words && `with args beginning with: ${words.join("")}`;
      t.is(/with args.*/.exec(failure?.error.message ?? "")?.[0].trim(), told?.trim(), title);
    }
  }
});

test("what MSETEX has set is there, and expires", async (t) => {
  const { sharded, plain, keys } = await started(t);
  const [a, b, c] = keys;
  if (!(await knows(plain, "msetex"))) return isUnknown(t, sharded.call("msetex", 1, a, "1"));
  t.is(await sharded.call("msetex", 3, a, "1", b, Buffer.from([0xff]), c, "3", "PX", 99_000), 1);
  t.deepEqual(await sharded.mgetBuffer(a, b, c), [
    Buffer.from("1"),
    Buffer.from([0xff]),
    Buffer.from("3"),
  ]);
  for (const key of [a, b, c]) t.true((await sharded.pttl(key)) > 0);
  const results = await sharded.pipeline().call("msetex", 2, a, "4", b, "5").mget(a, b).exec();
  t.deepEqual(results, [
    [null, 1],
    [null, ["4", "5"]],
  ]);
  for (const key of [a, b]) t.is(await sharded.pttl(key), -1);
  t.is(await sharded.call("msetex", 2, `{${a}}1`, "1", `{${a}}2`, "2", "NX"), 1);
  t.is(await sharded.call("msetex", 2, `{${a}}1`, "3", `{${a}}3`, "4", "NX"), 0);
  t.is(await sharded.get(`{${a}}1`), "1");
});

test("what JSON.MSET has set is what JSON.MGET reads, and one node may refuse alone", async (t) => {
  const { sharded, plain, keys } = await started(t);
  const [a, b, c] = keys;
  if (!(await knows(plain, "json.mset"))) return isUnknown(t, sharded.call("json.mget", a, "."));
  t.is(await sharded.call("json.mset", a, "$", "[1,2]", b, "$", "{}", c, "$", '"ü"'), "OK");
  const read = ["json.mget", c, a, "none", b] as const;
  t.deepEqual(await sharded.call(...read, "."), ['"ü"', "[1,2]", null, "{}"]);
  const expected = ["[]", "[1]", null, "[]"].map((text) => text && Buffer.from(text));
  t.deepEqual(await sharded.callBuffer(...read, "$[0]"), expected);
  await sharded.set(c, "not JSON");
  t.deepEqual(await sharded.call("json.mget", c, a, "."), [null, "[1,2]"]);
  const error = await t.throwsAsync(sharded.call("json.mset", a, "$", "9", c, "$", "9"), {
    instanceOf: PartialFailureError,
  });
  t.deepEqual(error.applied, [a]);
  t.is(await sharded.call("json.get", a), "9");
});

test("with a prefix, and by a scheme that cuts tags off, keys have their names on the wire", async (t) => {
  const names = ["node_1", "node_2", "node_3"];
  const options = {
    keyPrefix: "p:",
    placement: { scheme: "rediscluster", client: "python3" },
  } as const;
  const { sharded, plain } = await started(t, options, names);
  const tags = Array.from({ length: 20 }, (_, n) => `${n}`);
  const [one = "", other = ""] = ["node_1", "node_2"].map((name) =>
    tags.find((tag) => sharded.nodeFor(`x{${tag}}`).name === name),
  );
  const [x, y] = [`x{${one}}`, `y{${other}}`];
  if (await knows(plain, "json.mset")) {
    t.is(await sharded.call("json.mset", x, "$", "1", y, "$", "2"), "OK");
    t.deepEqual(await sharded.call("json.mget", y, x, "."), ["2", "1"]);
    t.is(await sharded.node("node_1").call("json.get", "p:x"), "1");
    return;
  }
  const error = await t.throwsAsync(sharded.call("json.mget", y, x, "."), {
    instanceOf: PartialFailureError,
  });
  t.regex(String(error.failures.get("node_1")?.error), /with args beginning with: 'p:x' '\.'/);
  t.regex(String(error.failures.get("node_2")?.error), /with args beginning with: 'p:y' '\.'/);
});

test("without keys, or with half a key, nothing is sent", async (t) => {
  const { sharded, keys } = await started(t);
  const [a, b] = keys;
  const wrong: readonly Call[] = [
    ["json.mget", a],
    ["json.mget"],
    ["json.mset", a, "$"],
    ["json.mset", a, "$", "1", b],
    ["json.mset"],
    ["ts.madd", a, 1],
    ["msetex", 2, a, 1, b],
    ["msetex", 3, a, 1, b, 2],
    ["msetex", 0, a, 1],
    ["msetex", -1, a, 1],
    ["msetex", "2.0", a, 1, b, 2],
    ["msetex", "", a, 1],
    ["msetex"],
  ];
  await nothingIsSent(t, sharded, async () => {
    for (const call of wrong) {
      await t.throwsAsync(sharded.call(...call), { code: "BAD_ARGUMENT" }, call.join(" "));
    }
  });
});

test("MSETEX that is all or nothing runs on one node only", async (t) => {
  const { sharded, keys } = await started(t);
  const [a, b] = keys;
  await nothingIsSent(t, sharded, async () => {
    for (const options of [["NX"], ["xx"], ["EX", 9, "NX"], [Buffer.from("xX"), "KEEPTTL"]]) {
      const args = [2, a, 1, b, 2, ...options];
      const error = await t.throwsAsync(sharded.call("msetex", args), { code: "CROSS_NODE" });
      t.like(error, { command: "msetex", keys: [a, b] });
      t.throws(() => sharded.explain("msetex", args), { code: "CROSS_NODE" });
    }
    t.like(sharded.explain("msetex", [2, a, "nx", b, "xx", "EX", 9]), { strategy: "split" });
    t.like(sharded.explain("msetex", [2, `{${a}}1`, 1, `{${a}}2`, 2, "NX"]), { strategy: "node" });
    t.like(sharded.explain("JSON.MGET", [a, b, "$"]), {
      strategy: "split",
      nodes: ["node1", "node2"],
      roundTrips: 1,
      atomicity: "per node",
    });
    await t.throwsAsync(sharded.strict.call("json.mget", a, b, "$"), { code: "CROSS_NODE" });
  });
});

// --- Helpers ------------------------------------------------------------------------------------

async function started(
  t: ExecutionContext,
  options: ShardedRedisOptions = {},
  names = ["node1", "node2", "node3"],
) {
  const args = MODULES.flatMap((module) => ["--loadmodule", module]);
  const servers = await start(t, 4, { args, names: [...names, "plain"] });
  const sharded = newClient(t, servers.nodes.slice(0, 3), options);
  await sharded.connect();
  const plain = new Redis(servers.node(3).port);
  t.teardown(() => plain.disconnect());
  const [a = "", b = "", c = ""] = names.map((name) => keyOn(sharded, name));
  const keys = [a, b, c, keyOn(sharded, names[0] ?? "", "other")] as const;
  return { servers, sharded, plain, keys };
}

async function knows(plain: Redis, command: string): Promise<boolean> {
  const [info]: unknown[] = Object(await plain.command("INFO", command));
  return Array.isArray(info);
}

async function isUnknown(t: ExecutionContext, promise: Promise<unknown>): Promise<void> {
  t.log("these servers do not have it");
  await t.throwsAsync(promise, { message: /unknown command/ });
}

function outcome(promise: Promise<unknown>): Promise<unknown> {
  return promise.catch((error: Error) => error.message);
}
