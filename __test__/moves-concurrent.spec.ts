/**
 * Moves while others write, and while nodes fail: nothing is lost, one of two
 * rivals wins, and errors say what holds.
 */
import { setTimeout as delay } from "node:timers/promises";
import test, { type ExecutionContext } from "ava";
import { Redis } from "ioredis";
import type { Argument } from "../src/commands/arguments.ts";
import { Mover } from "../src/commands/emulate/move.ts";
import { WRITE } from "../src/commands/emulate/move-scripts.ts";
import type { SendBatch } from "../src/commands/emulate/send.ts";
import { ShardedRedis, ShardisError } from "../src/index.ts";
import { startNodes } from "../src/testing/index.ts";
import { look, openDispatcher, openPair, ownKeys } from "./helpers/moves-setup.ts";
import { until } from "./helpers/setup.ts";

/** The steps of moves, by what is special to the script of each. */
const STEPS = {
  read: "'kind', 'key'",
  write: "'RESTORE'",
  unwrite: "'undone'",
  deletion: "'taken over'",
  take: "'LINDEX'",
  put: "'PX', ARGV[4]",
  putBack: "'owner', 'kind', 'from'",
} as const;

type Step = keyof typeof STEPS;

/** What happens around a step: each may act, and may fail it. */
interface Hooks {
  readonly before?: (step: Step, time: number) => Promise<unknown> | undefined;
  readonly after?: (step: Step, time: number) => Promise<unknown> | undefined;
}

/** Two servers, and moves between them that can be interfered with at every step. */
async function stage(t: ExecutionContext) {
  const { nodes, servers, keyOn } = await openPair(t);
  const mover = (hooks: Hooks = {}) => {
    const times = new Map<Step, number>();
    const run = async (node: number, command: readonly Argument[], isText: boolean) => {
      const names: readonly Step[] = [
        "read",
        "write",
        "unwrite",
        "deletion",
        "take",
        "put",
        "putBack",
      ];
      const step = names.find((name) => String(command[1]).includes(STEPS[name]));
      const time = step === undefined ? 0 : (times.get(step) ?? 0) + 1;
      if (step !== undefined) times.set(step, time);
      if (step !== undefined) await hooks.before?.(step, time);
      const [name = "", ...args] = command.map((part) =>
        Buffer.isBuffer(part) ? part : String(part),
      );
      const client = nodes[node === 0 ? 0 : 1];
      const reply = isText
        ? await client.call(String(name), args)
        : await client.callBuffer(String(name), args);
      if (step !== undefined) await hooks.after?.(step, time);
      return reply;
    };
    const send: SendBatch = (node, commands, encoding) =>
      Promise.allSettled(commands.map((command) => run(node, command, encoding === "utf8")));
    return new Mover(
      send,
      servers.map(({ name }) => name),
    );
  };
  const [source, destination] = [keyOn(0, "source"), keyOn(1, "destination")];
  const move = (command: string, ...more: string[]) => ({
    command,
    args: [source, destination, ...more],
    keys: [
      { position: 0, owner: 0, key: source },
      { position: 1, owner: 1, key: destination },
    ],
    given: [source, destination],
  });
  return { nodes, mover, move, source, destination };
}

function lost(node: string): ShardisError {
  return new ShardisError("CONNECTION_LOST", "the connection broke", { node, sent: true });
}

function down(node: string): ShardisError {
  return new ShardisError("NODE_DOWN", "cannot be reached", { node, sent: false });
}

/** Something that is waited for until it is let go. */
function gate(): { readonly passed: Promise<void>; open(): void } {
  let open = () => {};
  const passed = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { passed, open: () => open() };
}

async function fails(
  t: ExecutionContext,
  promise: Promise<unknown>,
  code: string,
): Promise<string> {
  const error = await t.throwsAsync(promise);
  t.true(error instanceof ShardisError && error.code === code, String(error));
  return String(error);
}

test("a source that is written after it was copied is copied again", async (t) => {
  for (const command of ["rename", "renamenx"]) {
    const { nodes, mover, move, source, destination } = await stage(t);
    await nodes[0].rpush(source, "a");
    const late = mover({
      after: (step, time) =>
        step === "write" && time <= 3 ? nodes[0].rpush(source, time) : undefined,
    });
    t.is(await late.run(move(command), "utf8"), command === "rename" ? "OK" : 1);
    t.deepEqual(await nodes[1].lrange(destination, 0, -1), ["a", "1", "2", "3"]);
    t.is(await nodes[0].exists(source), 0);
  }
});

test("a new expiry of the source alone counts as a change", async (t) => {
  const { nodes, mover, move, source, destination } = await stage(t);
  await nodes[0].set(source, "a", "EX", 1000);
  const later = Date.now() + 5_000_000;
  const late = mover({
    after: (step, time) =>
      step === "write" && time === 1 ? nodes[0].pexpireat(source, later) : undefined,
  });
  t.is(await late.run(move("rename"), "utf8"), "OK");
  t.like(await look(nodes[1], destination), { expiry: later });
});

test("a source that always changes is given up; both keys are as they were", async (t) => {
  for (const command of ["rename", "renamenx"]) {
    const { nodes, mover, move, source, destination } = await stage(t);
    const expiry = Date.now() + 1_000_000;
    await nodes[0].rpush(source, "a");
    if (command === "rename") await nodes[1].set(destination, "was there", "PXAT", expiry);
    const before = await look(nodes[1], destination);
    let pushes = 0;
    const late = mover({
      after: (step) => (step === "write" ? nodes[0].rpush(source, ++pushes) : undefined),
    });
    const told = await fails(t, late.run(move(command), "utf8"), "CONFLICT");
    t.regex(told, /as they were/);
    t.deepEqual(await look(nodes[1], destination), before);
    t.is(await nodes[0].llen(source), 1 + pushes);
    for (const node of nodes) await until(async () => (await node.keys("shardis:*")).length === 0);
  }
});

test("who deletes the source first has it; the destination is as it was", async (t) => {
  for (const there of [true, false]) {
    const { nodes, mover, move, source, destination } = await stage(t);
    await nodes[0].set(source, "a");
    if (there) await nodes[1].set(destination, "was there");
    const before = await look(nodes[1], destination);
    const late = mover({
      after: (step) => (step === "write" ? nodes[0].del(source) : undefined),
    });
    await t.throwsAsync(late.run(move("rename"), "utf8"), { message: "ERR no such key" });
    t.deepEqual(await look(nodes[1], destination), before);
    for (const node of nodes) t.deepEqual(await node.keys("shardis:*"), []);
  }
});

test("what others write to both keys meanwhile stays in both", async (t) => {
  const { nodes, mover, move, source, destination } = await stage(t);
  await nodes[0].rpush(source, "a");
  const late = mover({
    after: (step, time) =>
      step === "write" && time === 1
        ? Promise.all([nodes[0].rpush(source, "here"), nodes[1].rpush(destination, "there")])
        : undefined,
  });
  await fails(t, late.run(move("rename"), "utf8"), "CONFLICT");
  t.deepEqual(await nodes[0].lrange(source, 0, -1), ["a", "here"]);
  t.deepEqual(await nodes[1].lrange(destination, 0, -1), ["a", "there"]);
  for (const node of nodes) t.deepEqual(await ownKeys(node), []);
});

test("a lost reply leaves the rest to the journal, whether the step was done or not", async (t) => {
  for (const when of ["before", "after"] as const) {
    for (const step of ["write", "deletion"] as const) {
      const { nodes, mover, move, source, destination } = await stage(t);
      await nodes[0].rpush(source, "a");
      const broken = mover({
        [when]: (now: Step) => (now === step ? Promise.reject(lost("b")) : undefined),
      });
      await fails(t, broken.run(move("rename"), "utf8"), "CONNECTION_LOST");
      t.deepEqual((await mover().recover(0)).errors, []);
      const moved = !(when === "before" && step === "write");
      t.is(await nodes[0].exists(source), moved ? 0 : 1, `${when} ${step}`);
      t.is(await nodes[1].exists(destination), moved ? 1 : 0, `${when} ${step}`);
      for (const node of nodes) t.deepEqual(await ownKeys(node), []);
    }
    const { nodes, mover, move, source, destination } = await stage(t);
    await nodes[0].rpush(source, "a", "b");
    const broken = mover({
      [when]: (now: Step) => (now === "put" ? Promise.reject(lost("b")) : undefined),
    });
    await fails(t, broken.run(move("lmove", "LEFT", "LEFT"), "utf8"), "CONNECTION_LOST");
    t.deepEqual(await nodes[0].lrange(source, 0, -1), ["b"]);
    t.deepEqual((await mover().recover(0)).errors, []);
    t.deepEqual((await mover().recover(0)).settled, 0);
    t.deepEqual(await nodes[1].lrange(destination, 0, -1), ["a"]);
    for (const node of nodes) t.deepEqual(await ownKeys(node), []);
  }
});

test("a step that was not sent is as if nothing had been asked", async (t) => {
  for (const [command, step, more] of [
    ["rename", "write", []],
    ["lmove", "put", ["LEFT", "LEFT"]],
    ["rpoplpush", "put", []],
  ] as const) {
    const { nodes, mover, move, source, destination } = await stage(t);
    await nodes[0].rpush(source, "a", "b");
    await nodes[1].rpush(destination, "c");
    const broken = mover({
      before: (now) => (now === step ? Promise.reject(down("b")) : undefined),
    });
    await fails(t, broken.run(move(command, ...more), "utf8"), "NODE_DOWN");
    t.deepEqual(await nodes[0].lrange(source, 0, -1), ["a", "b"]);
    t.deepEqual(await nodes[1].lrange(destination, 0, -1), ["c"]);
    for (const node of nodes) t.deepEqual(await node.keys("shardis:*"), []);
  }
});

test("a deletion that was not sent is undone at the destination", async (t) => {
  const { nodes, mover, move, source, destination } = await stage(t);
  await nodes[0].set(source, "a");
  await nodes[1].set(destination, "was there");
  const broken = mover({
    before: (step) => (step === "deletion" ? Promise.reject(down("a")) : undefined),
  });
  await fails(t, broken.run(move("rename"), "utf8"), "NODE_DOWN");
  t.is(await nodes[0].get(source), "a");
  t.is(await nodes[1].get(destination), "was there");
  for (const node of nodes) t.deepEqual(await node.keys("shardis:*"), []);
});

test("the mark of a move whose client crashed at its very end holds nobody up", async (t) => {
  const { nodes, mover, move, source, destination } = await stage(t);
  await nodes[0].set(source, "a");
  const mark = `shardis:mark:${destination}`;
  const names = ["node1", "node2"];
  await nodes[1].hset(mark, { entry: "shardis:journal:gone:1", from: names[0] ?? "", sha: "" });
  t.is(await mover().run(move("rename"), "utf8"), "OK");
  t.is(await nodes[1].get(destination), "a");
  await until(async () => (await nodes[1].exists(mark)) === 0);
});

test("a destination that takes another type meanwhile sends the element back", async (t) => {
  for (const [command, more] of [
    ["lmove", ["RIGHT", "LEFT"]],
    ["smove", ["a"]],
  ] as const) {
    const { nodes, mover, move, source, destination } = await stage(t);
    if (command === "smove") await nodes[0].sadd(source, "a");
    else await nodes[0].rpush(source, "a");
    const before = await look(nodes[0], source);
    const late = mover({
      after: (step) => (step === "take" ? nodes[1].set(destination, "string") : undefined),
    });
    await t.throwsAsync(late.run(move(command, ...more), "utf8"), {
      message: "WRONGTYPE Operation against a key holding the wrong kind of value",
    });
    t.deepEqual(await look(nodes[0], source), before);
    for (const node of nodes) t.deepEqual(await node.keys("shardis:*"), []);
  }
});

test("a client that is slow, and finds its entry taken over, does nothing twice", async (t) => {
  const { nodes, mover, move, source, destination } = await stage(t);
  await nodes[0].rpush(source, "a");
  const put = mover({ before: (step) => (step === "put" ? mover().recover(0) : undefined) });
  t.is(await put.run(move("lmove", "LEFT", "LEFT"), "utf8"), "a");
  t.deepEqual(await nodes[1].lrange(destination, 0, -1), ["a"]);
  t.is(await nodes[0].exists(source), 0);

  await nodes[1].del(destination);
  await nodes[0].rpush(source, "a");
  const rename = mover({
    before: (step) => (step === "deletion" ? mover().recover(0) : undefined),
  });
  await fails(t, rename.run(move("rename"), "utf8"), "CONFLICT");
  t.is(await nodes[0].exists(source), 0);
  t.deepEqual(await nodes[1].lrange(destination, 0, -1), ["a"]);
});

test("a key that expires while it is moved is not there afterwards", async (t) => {
  const { nodes, mover, move, source, destination } = await stage(t);
  await nodes[0].set(source, "a", "PX", 30);
  await nodes[1].set(destination, "was there");
  const late = mover({
    before: (step) =>
      step === "write" ? until(async () => (await nodes[0].exists(source)) === 0) : undefined,
  });
  await t.throwsAsync(late.run(move("rename"), "utf8"), { message: "ERR no such key" });
  t.is(await nodes[1].get(destination), "was there");
});

test("the first move of a client finishes what is older than half a minute", async (t) => {
  const { nodes, mover, move, source, destination } = await stage(t);
  const broken = mover({
    before: (step) => (step === "put" ? Promise.reject(lost("b")) : undefined),
  });
  await nodes[0].rpush(source, "old", "new");
  await fails(t, broken.run(move("rpoplpush"), "utf8"), "CONNECTION_LOST");
  const [entry = ""] = await nodes[0].keys("shardis:journal:*");
  t.is((await mover().recover()).settled, 0, "a young entry is left alone");
  await nodes[0].hset(entry, "since", Number(await nodes[0].hget(entry, "since")) - 31_000);
  t.is(await mover().run(move("rpoplpush"), "utf8"), "old");
  await until(async () => (await nodes[0].exists(entry)) === 0);
  t.deepEqual((await nodes[1].lrange(destination, 0, -1)).toSorted(), ["new", "old"]);
});

test("an entry about a node that is no more stays, and is told", async (t) => {
  const { nodes, mover, move, source } = await stage(t);
  const broken = mover({
    before: (step) => (step === "put" ? Promise.reject(lost("b")) : undefined),
  });
  await nodes[0].rpush(source, "a");
  await fails(t, broken.run(move("rpoplpush"), "utf8"), "CONNECTION_LOST");
  const [entry = ""] = await nodes[0].keys("shardis:journal:*");
  await nodes[0].hset(entry, "to", "gone");
  const { settled, errors } = await mover().recover(0);
  t.is(settled, 0);
  t.regex(String(errors[0]), /gone/);
  t.is(await nodes[0].hget(entry, "element"), "a");
});

test("of many who move one key, one does; the others find none", async (t) => {
  const { redis, servers, nodes, keyOn } = await openPair(t);
  const clients = servers.length > 0 ? Array.from({ length: 8 }, () => redis.duplicate()) : [];
  t.teardown(() => clients.map((client) => client.disconnect()));
  for (let round = 0; round < 10; round++) {
    const source = keyOn(0, `job${round}`);
    await redis.set(source, "work");
    const targets = clients.map((_, index) => keyOn(1, `worker${round}-${index}`));
    const results = await Promise.allSettled(
      clients.map((client, index) => client.rename(source, targets[index] ?? "")),
    );
    const won = results.filter(({ status }) => status === "fulfilled");
    t.is(won.length, 1);
    for (const result of results) {
      if (result.status === "rejected") t.is(result.reason.message, "ERR no such key");
    }
    t.is(await nodes[1].exists(...targets), 1);
    t.is(await redis.exists(source), 0);
  }
});

test("of many who want one name, one has it; the others keep their keys", async (t) => {
  const { redis, nodes, keyOn } = await openPair(t);
  for (let round = 0; round < 10; round++) {
    const destination = keyOn(1, `lock${round}`);
    const sources = Array.from({ length: 8 }, (_, index) => keyOn(0, `from${round}-${index}`));
    for (const source of sources) await nodes[0].set(source, source);
    const results = await Promise.all(sources.map((source) => redis.renamenx(source, destination)));
    const winner = sources[results.indexOf(1)];
    t.deepEqual(results.toSorted(), [0, 0, 0, 0, 0, 0, 0, 1]);
    t.is(await nodes[1].get(destination), winner ?? "");
    t.is(await nodes[0].exists(...sources), 7);
  }
});

test("no write to a key is lost while it is renamed", async (t) => {
  const { redis, nodes, keyOn } = await openPair(t);
  const writer = redis.duplicate();
  t.teardown(() => writer.disconnect());
  const [source, destination] = [keyOn(0, "one"), keyOn(1, "other")];
  const outcomes = { moved: 0, "moved at the end": 0, conflict: 0 };
  for (let round = 0; round < 150; round++) {
    await Promise.all([nodes[0].del(source), nodes[1].del(destination)]);
    await nodes[0].rpush(source, "start");
    let written = 1;
    const write = async () => {
      for (let left = round % 50; left > 0; left--) {
        // It does not create the list: 0 if that has gone already.
        if ((await writer.rpushx(source, "x")) > 0) written++;
        if (left % 7 === 0) await delay(round % 3);
      }
    };
    const [, renamed] = await Promise.allSettled([write(), redis.rename(source, destination)]);
    const [here, there] = [await nodes[0].llen(source), await nodes[1].llen(destination)];
    if (renamed.status === "fulfilled") {
      t.deepEqual([here, there], [0, written]);
      outcomes[written === 1 + (round % 50) ? "moved at the end" : "moved"]++;
    } else {
      t.is(renamed.reason.code, "CONFLICT");
      t.deepEqual([here, there], [written, 0]);
      outcomes.conflict++;
    }
  }
  t.log(outcomes);
});

test("clients that rename a key to and fro never lose it", async (t) => {
  const { redis, nodes, keyOn } = await openPair(t);
  const other = redis.duplicate();
  t.teardown(() => other.disconnect());
  const [a, b] = [keyOn(0, "a"), keyOn(1, "b")];
  await redis.rpush(a, "x", "y");
  for (let round = 0; round < 100; round++) {
    const results = await Promise.allSettled([
      redis.rename(a, b),
      other.rename(b, a),
      redis.renamenx(b, a),
      other.renamenx(a, b),
    ]);
    for (const result of results) {
      if (result.status === "fulfilled") continue;
      const isFair = /no such key|CONFLICT/.test(`${result.reason} ${result.reason.code}`);
      t.true(isFair, String(result.reason));
    }
    const lists = [await nodes[0].lrange(a, 0, -1), await nodes[1].lrange(b, 0, -1)];
    const there = lists.filter((list) => list.length > 0);
    t.true(there.length >= 1, "it is lost");
    for (const list of there) t.deepEqual(list, ["x", "y"]);
    if (there.length === 2) t.log(`round ${round}: both are there`);
    if (there.length === 2) await nodes[1].del(b);
  }
});

test("two moves against each other, step by step, do not delete each what the other wrote", async (t) => {
  const { nodes, mover, move, source, destination } = await stage(t);
  await nodes[0].set(source, "same");
  await nodes[1].set(destination, "same");
  const { given, keys, ...rest } = move("rename");
  const [first, second] = keys;
  const back = {
    ...rest,
    args: [destination, source],
    keys: [
      { ...second, position: 0, owner: 1, key: destination },
      { ...first, position: 1, owner: 0, key: source },
    ],
    given: given.toReversed(),
  };
  const reached = gate();
  const released = gate();
  const moving: Promise<unknown>[] = [];
  const reverse = mover({
    before: (step, time) => {
      if (step !== "deletion" || time > 1) return undefined;
      reached.open();
      return released.passed;
    },
  });
  const forward = mover({
    before: (step, time) => {
      if (step !== "write" || time > 1) return undefined;
      moving.push(reverse.run(back, "utf8"));
      return reached.passed;
    },
    after: async (step) => {
      if (step === "deletion") released.open();
    },
  });
  await Promise.allSettled([forward.run(move("rename"), "utf8")]);
  await Promise.allSettled(moving);
  const values = [await nodes[0].get(source), await nodes[1].get(destination)];
  t.true(values.includes("same"), String(values));
});

test("many who rename to free names keep what there is, each once", async (t) => {
  const { redis, nodes, keyOn } = await openPair(t);
  const clients = [redis, redis.duplicate(), redis.duplicate(), redis.duplicate()];
  t.teardown(() => clients.map((client) => client.disconnect()));
  const here = ["a", "b", "c"].map((stem) => keyOn(0, stem));
  const there = ["d", "e", "f"].map((stem) => keyOn(1, stem));
  await nodes[0].mset(here[0] ?? "", "same", here[1] ?? "", "other");
  await nodes[1].set(there[1] ?? "", "same");
  for (let round = 0; round < 150; round++) {
    const results = await Promise.allSettled(
      Array.from({ length: 8 }, (_, index) => {
        // All pairs and both directions, in an order that is not that of the clients.
        const pair = (round * 7 + index * 5) % 18;
        const [one, other] = [here[pair % 3] ?? "", there[Math.floor(pair / 3) % 3] ?? ""];
        const [from, to] = pair < 9 ? [one, other] : [other, one];
        return clients[index % 4]?.renamenx(from, to);
      }),
    );
    for (const result of results) {
      if (result.status === "fulfilled") continue;
      t.regex(`${result.reason} ${result.reason.code}`, /no such key|CONFLICT/);
    }
    const values = [...(await nodes[0].mget(here)), ...(await nodes[1].mget(there))];
    t.deepEqual(values.filter((value) => value !== null).toSorted(), ["other", "same", "same"]);
  }
  for (const node of nodes) await until(async () => (await node.keys("shardis:*")).length === 0);
});

test("a payload that the server refuses leaves what stood at the destination", async (t) => {
  const { nodes, keyOn } = await openPair(t);
  const key = keyOn(1, "key");
  const expiry = Date.now() + 1_000_000;
  await nodes[1].set(key, "was there", "PXAT", expiry);
  const before = await look(nodes[1], key);
  const keys = [key, "shardis:mark:x", "shardis:kept:x"];
  const args = ["garbage", "-1", "replace", 1000, 1000, "entry", "node"];
  await t.throwsAsync(nodes[1].eval(WRITE, 3, ...keys, ...args), { message: /DUMP payload/ });
  t.deepEqual(await look(nodes[1], key), before);
  t.deepEqual(await nodes[1].keys("shardis:*"), []);
});

test("elements that many move to and fro are neither lost nor doubled", async (t) => {
  const { redis, nodes, keyOn } = await openPair(t);
  const other = redis.duplicate();
  t.teardown(() => other.disconnect());
  const [a, b] = [keyOn(0, "a"), keyOn(1, "b")];
  const [s, z] = [keyOn(0, "s"), keyOn(1, "z")];
  const members = Array.from({ length: 20 }, (_, index) => `m${index}`);
  await redis.rpush(a, ...members);
  await redis.sadd(s, ...members);
  const work: Promise<unknown>[] = [];
  for (let round = 0; round < 200; round++) {
    const client = round % 2 === 0 ? redis : other;
    work.push(client.lmove(a, b, "LEFT", "RIGHT"), client.rpoplpush(b, a));
    const member = members[round % 20] ?? "";
    // Both clients want the same.
    work.push(redis.smove(s, z, member), other.smove(s, z, member), client.smove(z, s, member));
  }
  await Promise.all(work);
  const lists = [...(await nodes[0].lrange(a, 0, -1)), ...(await nodes[1].lrange(b, 0, -1))];
  t.deepEqual(lists.toSorted(), members.toSorted());
  const sets = [...(await nodes[0].smembers(s)), ...(await nodes[1].smembers(z))];
  t.deepEqual(sets.toSorted(), members.toSorted());
  for (const node of nodes) await until(async () => (await node.keys("shardis:*")).length === 0);
});

test("two names for one server lose nothing, under any keys", async (t) => {
  // The client may not ask which server it is: then only moves find out.
  const args = ["--user", "alice", "on", ">secret", "~*", "&*", "+@all", "-info"];
  const started = await startNodes(1, { args });
  t.teardown(() => started.stop());
  const { port } = started.node(0);
  const plain = new Redis(port);
  const user = { username: "alice", password: "secret" };
  const redisOptions = { enableReadyCheck: false };
  const aliases = ["node_1", "node_2"].map((name) => ({ name, port, ...user, redisOptions }));
  const redis = new ShardedRedis(aliases, { placement: { scheme: "rediscluster" } });
  redis.on("error", () => {});
  t.teardown(() => [plain.disconnect(), redis.disconnect()]);
  const tagOn = (node: string) => {
    for (let tag = 0; ; tag++) if (redis.nodeFor(`k{${tag}}`).name === node) return `{${tag}}`;
  };
  const [here, there] = [tagOn("node_1"), tagOn("node_2")];
  // Under this scheme the tag is cut off: both are the key "k" of the one server.
  await plain.set("k", "1", "EX", 100);
  t.is(await redis.rename(`k${here}`, `k${there}`), "OK");
  t.is(await redis.renamenx(`k${here}`, `k${there}`), 0);
  await t.throwsAsync(redis.copy(`k${here}`, `k${there}`), { message: /are the same/ });
  t.is(await plain.get("k"), "1");
  await plain.sadd("s", "m");
  t.is(await redis.smove(`s${here}`, `s${there}`, "m"), 1);
  t.deepEqual(await plain.smembers("s"), ["m"]);
  await plain.rpush("l", "x", "y");
  t.is(await redis.lmove(`l${here}`, `l${there}`, "LEFT", "RIGHT"), "x");
  t.deepEqual(await plain.lrange("l", 0, -1), ["y", "x"]);
  // Other keys of the one server.
  t.is(await redis.rename(`k${here}`, `j${there}`), "OK");
  t.is(await plain.get("j"), "1");
  t.is(await plain.exists("k"), 0);
  t.is(await redis.rpoplpush(`l${here}`, `n${there}`), "x");
  t.deepEqual([await plain.lrange("l", 0, -1), await plain.lrange("n", 0, -1)], [["y"], ["x"]]);
  await until(async () => (await plain.keys("shardis:*")).length === 0);
});

test("one stored key on two servers is moved between them", async (t) => {
  const started = await startNodes(2, { names: ["node_1", "node_2"] });
  t.teardown(() => started.stop());
  const redis = new ShardedRedis(started.nodes, { placement: { scheme: "rediscluster" } });
  t.teardown(() => redis.disconnect());
  const tagOn = (node: string) => {
    for (let tag = 0; ; tag++) if (redis.nodeFor(`k{${tag}}`).name === node) return `{${tag}}`;
  };
  const [here, there] = [tagOn("node_1"), tagOn("node_2")];
  await redis.set(`k${here}`, "1");
  t.is(await redis.rename(`k${here}`, `k${there}`), "OK");
  t.deepEqual([await redis.get(`k${here}`), await redis.get(`k${there}`)], [null, "1"]);
});

test("a destination that is down fails the move in time, and the source stays", async (t) => {
  const { redis, servers, nodes, keyOn } = await openPair(t, { commandTimeout: 1000 });
  redis.on("error", () => {});
  const [source, destination] = [keyOn(0, "a"), keyOn(1, "b")];
  await redis.rpush(source, "x", "y");
  await servers[1]?.kill();
  nodes[1].disconnect();
  for (const command of ["rename", "renamenx", "copy", "rpoplpush"]) {
    const error = await t.throwsAsync(redis.call(command, source, destination));
    t.true(error instanceof ShardisError);
    t.like(error, { command, keys: [source, destination], node: servers[1]?.name });
    t.deepEqual(await nodes[0].lrange(source, 0, -1), ["x", "y"]);
  }
  await servers[1]?.restart();
  const dispatcher = openDispatcher(
    t,
    servers.map(({ url }) => url),
  );
  t.deepEqual((await dispatcher.recover(0)).errors, []);
  t.deepEqual(await ownKeys(nodes[0]), []);
});
