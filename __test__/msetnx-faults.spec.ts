/**
 * MSETNX over several nodes while others write, while nodes fail, and while its
 * client dies: all of its keys are set, or none.
 */
import test, { type ExecutionContext } from "ava";
import { Redis } from "ioredis";
import type { Argument } from "../src/commands/arguments.ts";
import { setAllOrNone } from "../src/commands/emulate/all-or-none.ts";
import { SET_PART, UNSET_PART } from "../src/commands/emulate/all-or-none-scripts.ts";
import { recoverMoves } from "../src/commands/emulate/journal.ts";
import { DROP } from "../src/commands/emulate/move-scripts.ts";
import type { SendBatch } from "../src/commands/emulate/send.ts";
import { ShardisError } from "../src/index.ts";
import { killAfter } from "./helpers/moves-kill.ts";
import { ownKeys } from "./helpers/moves-setup.ts";
import { failure, keyOn, newClient, start, until } from "./helpers/setup.ts";

type Step = "exists" | "set" | "unset" | "drop" | "other";

/** What happens around a step on a node: it may act, and may fail it. */
type Hook = (step: Step, node: number, command: readonly Argument[]) => unknown;

/** Three servers, and a MSETNX of a key on each that can be interfered with at every step. */
async function stage(t: ExecutionContext) {
  const servers = await start(t, 3);
  const redis = newClient(t, servers.nodes);
  const names = servers.nodes.map(({ name }) => name);
  const nodes = servers.nodes.map(({ port }) => new Redis(port));
  t.teardown(() => {
    for (const node of nodes) node.disconnect();
  });
  const keys = names.map((name) => keyOn(redis, name));
  const sendOver = ({ before, after }: { before?: Hook; after?: Hook }): SendBatch => {
    const run = async (node: number, command: readonly Argument[]) => {
      const step = stepOf(command);
      await before?.(step, node, command);
      const reply = await perform(node, command);
      await after?.(step, node, command);
      return reply;
    };
    return (node, commands) => Promise.allSettled(commands.map((command) => run(node, command)));
  };
  const perform = async (node: number, [name, ...args]: readonly Argument[]) =>
    nodes[node]?.callBuffer(
      String(name),
      args.map((part) => (Buffer.isBuffer(part) ? part : String(part))),
    );
  const msetnx = (hooks: { before?: Hook; after?: Hook } = {}) => {
    const placed = {
      command: "msetnx",
      args: keys.flatMap((key, index) => [key, `ours ${index}`]),
      keys: keys.map((key, owner) => ({ position: 2 * owner, owner, key })),
      given: keys,
    };
    const track = () => Promise.reject(new Error("nothing waits"));
    return setAllOrNone(placed, { names, send: sendOver(hooks), track })();
  };
  const values = () => Promise.all(nodes.map((node, index) => node.get(keys[index] ?? "")));
  const recover = (lease?: number) => recoverMoves(sendOver({}), names, lease);
  const nothingIsLeft = async () => {
    for (const node of nodes) {
      await until(async () => (await node.keys("shardis:*")).length === 0);
    }
  };
  return { redis, servers, names, nodes, keys, perform, msetnx, values, recover, nothingIsLeft };
}

function stepOf([name, script]: readonly Argument[]): Step {
  if (name === "exists") return "exists";
  const steps = new Map<unknown, Step>([
    [SET_PART, "set"],
    [UNSET_PART, "unset"],
    [DROP, "drop"],
  ]);
  return steps.get(script) ?? "other";
}

const OURS = ["ours 0", "ours 1", "ours 2"];
const NONE = [null, null, null];

function lost(node: number): ShardisError {
  const details = { node: `node${node + 1}`, sent: true };
  return new ShardisError("CONNECTION_LOST", "the connection broke", details);
}

function down(node: number): ShardisError {
  return new ShardisError("NODE_DOWN", "cannot be reached", { node: `node${node + 1}` });
}

test("a key that comes to be after it was looked for: nothing is set, and that key stays", async (t) => {
  for (const late of [0, 1, 2]) {
    const { nodes, keys, msetnx, values, nothingIsLeft } = await stage(t);
    const reply = await msetnx({
      before: (step, node) =>
        step === "set" && node === 0 ? nodes[late]?.set(keys[late] ?? "", "theirs") : undefined,
    });
    t.is(reply, 0);
    t.deepEqual(
      await values(),
      [0, 1, 2].map((index) => (index === late ? "theirs" : null)),
    );
    await nothingIsLeft();
  }
});

test("what others have changed since stays when the rest is taken back", async (t) => {
  const changes: readonly [change: (node: Redis, key: string) => unknown, left: unknown][] = [
    [(node, key) => node.set(key, "theirs"), "theirs"],
    [(node, key) => node.append(key, "!"), "ours 1!"],
    [(node, key) => node.expire(key, 1000), "ours 1"],
    [(node, key) => node.del(key), null],
  ];
  for (const [change, left] of changes) {
    const { nodes, keys, msetnx, values } = await stage(t);
    const reply = await msetnx({
      before: (step, node) =>
        step === "set" && node === 0 ? nodes[2]?.set(keys[2] ?? "", "in the way") : undefined,
      after: async (step, node) => {
        if (step === "set" && node === 1 && nodes[1]) await change(nodes[1], keys[1] ?? "");
      },
    });
    t.is(reply, 0);
    t.deepEqual(await values(), [null, left, "in the way"]);
  }
});

test("of rivals one sets all of its keys, or none sets any", async (t) => {
  const { redis, servers, keys } = await stage(t);
  const rivals = [0, 1, 2].map(() => newClient(t, servers.nodes));
  const [a = "", b = "", c = ""] = keys;
  const sets = [
    [a, b, c],
    [c, b, a],
    [b, a, c],
  ];
  let wins = 0;
  for (let round = 0; round < 60; round++) {
    await redis.del(keys);
    const replies = await Promise.all(
      rivals.map((rival, index) =>
        rival.msetnx(...(sets[index] ?? []).flatMap((key) => [key, `rival ${index}`])),
      ),
    );
    const winners = replies.flatMap((reply, index) => (reply === 1 ? [`rival ${index}`] : []));
    const left = await redis.mget(keys);
    t.true(winners.length <= 1, `${replies}`);
    const [winner = null] = winners;
    t.deepEqual(left, [winner, winner, winner], `round ${round}: ${replies}`);
    wins += winners.length;
  }
  t.true(wins > 0, "some rounds have a winner");
});

test("a step that was not sent: nothing is set, and the error says so", async (t) => {
  for (const [step, node] of [
    ["exists", 1],
    ["set", 0],
    ["set", 1],
    ["drop", 0],
  ] as const) {
    const { msetnx, values, nothingIsLeft } = await stage(t);
    let failures = 0;
    const before: Hook = (now, where) =>
      now === step && where === node && failures++ === 0 ? Promise.reject(down(node)) : undefined;
    const error = await failure(t, msetnx({ before }), 5000);
    t.like(error, { code: "NODE_DOWN", command: "msetnx", node: `node${node + 1}`, sent: false });
    t.regex(error.message, /; nothing is set$/);
    t.deepEqual(await values(), NONE, `${step} on ${node}`);
    await nothingIsLeft();
  }
});

test("what a server refuses on one node is its error, and nothing is set", async (t) => {
  for (const [refused, node] of [
    ["set", 0],
    ["set", 2],
    ["rpush", 1],
    ["zadd", 0],
    ["eval", 1],
  ] as const) {
    const { redis, nodes, keys, values, nothingIsLeft } = await stage(t);
    await nodes[node]?.acl("SETUSER", "default", `-${refused}`);
    await t.throwsAsync(redis.msetnx(...keys.flatMap((key) => [key, "1"])), {
      name: "ReplyError",
      message: /permission|can't run this command/,
    });
    t.deepEqual(await values(), NONE, `${refused} on ${node}`);
    await nodes[node]?.acl("SETUSER", "default", "+@all");
    if (refused !== "zadd") await nothingIsLeft();
    t.is(Number(await redis.msetnx(...keys.flatMap((key) => [key, "1"]))), 1);
  }
});

test("a reply that is lost: what may be set is taken back, also if it comes late", async (t) => {
  for (const when of ["before", "after"] as const) {
    for (const node of [0, 1, 2]) {
      const { msetnx, values, recover, nodes } = await stage(t);
      const hook: Hook = (step, where) =>
        step === "set" && where === node ? Promise.reject(lost(node)) : undefined;
      const error = await failure(t, msetnx({ [when]: hook }), 5000);
      t.like(error, { code: "CONNECTION_LOST", sent: false });
      t.deepEqual(await values(), NONE, `${when} set on ${node}`);
      t.deepEqual(await recover(0), { settled: 0, errors: [] });
      for (const client of nodes) t.deepEqual(await ownKeys(client), []);
    }
  }
  for (const node of [0, 1, 2]) {
    const { msetnx, values, perform } = await stage(t);
    const held: (readonly Argument[])[] = [];
    const before: Hook = (step, where, command) => {
      if (step !== "set" || where !== node) return;
      held.push(command);
      throw lost(node);
    };
    await failure(t, msetnx({ before }), 5000);
    t.is(held.length, 1);
    for (const command of held) t.is(String(await perform(node, command)), "taken over");
    t.deepEqual(await values(), NONE, `late on ${node}`);
  }
});

test("where the decision is lost, or cannot be undone, the next run makes it all or none", async (t) => {
  for (const when of ["before", "after"] as const) {
    const { msetnx, values, recover } = await stage(t);
    const hook: Hook = (step) => (step === "drop" ? Promise.reject(lost(0)) : undefined);
    const error = await failure(t, msetnx({ [when]: hook }), 5000);
    t.like(error, { code: "CONNECTION_LOST", sent: true });
    t.deepEqual(await values(), OURS);
    t.deepEqual(await recover(0), { settled: when === "before" ? 1 : 0, errors: [] });
    t.deepEqual(await values(), when === "before" ? NONE : OURS);
  }
  const { msetnx, values, recover, nodes, keys } = await stage(t);
  const before: Hook = async (step, node) => {
    if (step === "set" && node === 2) await nodes[2]?.set(keys[2] ?? "", "theirs");
    if (step === "unset" && node === 1) throw down(1);
  };
  const error = await failure(t, msetnx({ before }), 5000);
  t.like(error, { code: "NODE_DOWN", sent: true });
  t.regex(error.message, /taken back by a later run$/);
  t.deepEqual(await values(), [null, "ours 1", "theirs"]);
  t.deepEqual(await recover(0), { settled: 1, errors: [] });
  t.deepEqual(await values(), [null, null, "theirs"]);
});

test("a client so slow that another has ended it sets nothing any more", async (t) => {
  for (const [step, node] of [
    ["set", 1],
    ["set", 2],
    ["drop", 0],
  ] as const) {
    const { msetnx, values, recover, nodes } = await stage(t);
    let recoveries = 0;
    const before: Hook = async (now, where) => {
      if (now !== step || where !== node || recoveries++ > 0) return;
      t.deepEqual(await recover(0), { settled: 1, errors: [] });
    };
    const error = await failure(t, msetnx({ before }), 5000);
    t.like(error, { code: "CONFLICT", command: "msetnx" });
    t.deepEqual(await values(), NONE, `${step} on ${node}`);
    for (const client of nodes) t.deepEqual(await ownKeys(client), []);
    t.is(await msetnx(), 1);
    t.deepEqual(await values(), OURS);
  }
});

test("a client that dies before or after any step, also while it takes back: all or none", async (t) => {
  for (const isInTheWay of [false, true]) {
    const { nodes, keys, msetnx, values, recover } = await stage(t);
    const seen = new Set<string>();
    for (let step = 0, isDead = true; isDead; step++) {
      for (const when of ["before", "after"] as const) {
        await Promise.all(nodes.map((node) => node.flushall()));
        let count = 0;
        isDead = false;
        const die: Hook = (_, node) => {
          if (count++ === step) isDead = true;
          if (isDead) throw lost(node);
        };
        const before: Hook = async (now, node, command) => {
          if (isDead) throw lost(node);
          if (isInTheWay && now === "set" && node === 0) {
            await nodes[2]?.set(keys[2] ?? "", "theirs");
          }
          if (when === "before") await die(now, node, command);
        };
        const told = `died ${when} step ${step}`;
        await msetnx(when === "before" ? { before } : { before, after: die }).catch(() => {});
        t.deepEqual((await recover(0)).errors, [], told);
        const found = await values();
        const isAll = JSON.stringify(found) === JSON.stringify(OURS);
        seen.add(isAll ? "all" : "none");
        const none = found[2] === "theirs" ? [null, null, "theirs"] : NONE;
        t.deepEqual(found, isAll ? OURS : none, told);
        for (const node of nodes) t.deepEqual(await ownKeys(node), [], told);
      }
    }
    t.deepEqual([...seen].sort(), isInTheWay ? ["none"] : ["all", "none"]);
  }
});

test("killed at every step, and finished by the next run: all or none", async (t) => {
  const { redis, servers, nodes, keys } = await stage(t);
  const other = keyOn(redis, "node1", "other");
  const command = ["msetnx", ...[...keys, other].flatMap((key) => [key, `value of ${key}`])];
  const seen = new Set<string>();
  for (let steps = 0; steps < 20; steps++) {
    await redis.flushall();
    const { killed, passed } = await killAfter(servers.nodes, steps, command);
    const told = `killed after ${passed.join(", ") || "nothing"}`;
    t.deepEqual((await redis.recover(0)).errors, [], told);
    const there = await redis.exists(...keys, other);
    seen.add(`${there}`);
    t.true(there === 0 || there === 4, `${told}: ${there} of 4`);
    for (const node of nodes) t.deepEqual(await ownKeys(node), [], told);
    if (killed) {
      // What was not done can be done now.
      t.is(await redis.call("msetnx", command.slice(1)), there === 0 ? 1 : 0, told);
      continue;
    }
    t.deepEqual([...seen].sort(), ["0", "4"]);
    return;
  }
  t.fail("more than 20 steps");
});

test("the next MSETNX takes back what is older than half a minute, and nothing younger", async (t) => {
  const { redis, nodes, msetnx, values, recover } = await stage(t);
  const before: Hook = (step) => (step === "drop" ? Promise.reject(lost(0)) : undefined);
  await failure(t, msetnx({ before }), 5000);
  t.is((await recover()).settled, 0);
  t.deepEqual(await values(), OURS);
  const [entry = ""] = (await nodes[0]?.keys("shardis:journal:*")) ?? [];
  const since = Number(await nodes[0]?.hget(entry, "since"));
  await nodes[0]?.hset(entry, "since", since - 31_000);
  await redis.msetnx({ "any:1": "1", "any:2": "2", "any:3": "3", "any:4": "4" });
  await until(async () => (await values()).every((value) => value === null));
});

test("an entry about a node that is no more stays, and is told", async (t) => {
  const { names, nodes, msetnx, perform } = await stage(t);
  const before: Hook = (step) => (step === "drop" ? Promise.reject(lost(0)) : undefined);
  await failure(t, msetnx({ before }), 5000);
  const send: SendBatch = (node, commands) =>
    Promise.allSettled(commands.map((command) => perform(node, command)));
  const { settled, errors } = await recoverMoves(send, [names[0] ?? "", "b", "c"], 0);
  t.is(settled, 0);
  t.regex(String(errors[0]), /node2, which there is no more/);
  t.is((await nodes[0]?.keys("shardis:journal:*"))?.length, 1);
});
