/** Whatever is passed as keys and bytes, the answer is an error with a code, and Node lives on. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createRequire } from "node:module";
import test, { type ExecutionContext } from "ava";
import {
  type BufferLayout,
  type ErrorCode,
  type Key,
  Placement,
  ShardisError,
  type SlotTable,
} from "../src/index.ts";
import { native } from "../src/native.ts";

const nodes = ["a", "b", "c"];

/** Placements that take keys along different ways. */
const placements: Record<string, Placement> = {
  slots: new Placement(nodes),
  ring: new Placement(nodes, { scheme: "redis-shard", hash: "md5" }),
  "keys rewritten": new Placement(["node_1"], { scheme: "rediscluster", client: "php" }),
  function: new Placement(nodes, () => "a"),
};

const slots = new Placement(nodes);

function refuses(t: ExecutionContext, code: ErrorCode, ask: () => unknown, message?: RegExp) {
  const error = t.throws(ask, { instanceOf: ShardisError, ...(message && { message }) });
  t.is(error?.code, code, error?.message);
}

/** Asks every method that takes a key. */
function refusesKey(t: ExecutionContext, key: unknown, message?: RegExp) {
  for (const placement of Object.values(placements)) {
    const bad = key as Key;
    for (const ask of [
      () => placement.nodeFor(bad),
      () => placement.indexFor(bad),
      () => placement.storedKey(bad),
      () => placement.explain(bad),
      () => placement.plan([bad]),
      () => placement.plan(["fine", Buffer.from("fine"), bad, 5]),
      () => placement.plan(["fine", "fine", bad]),
      () => placement.diff(placement, ["fine", bad]),
    ]) {
      refuses(t, "BAD_KEY", ask, message);
    }
  }
}

/** Bytes whose memory has been given away. */
function detached<T extends Uint8Array | Uint32Array>(array: T): T {
  structuredClone(array.buffer, { transfer: [array.buffer as ArrayBuffer] });
  return array;
}

test("keys of other types", (t) => {
  for (const key of [
    undefined,
    null,
    true,
    5n,
    Number.NaN,
    Number.POSITIVE_INFINITY,
    {},
    Object.create(null),
    [],
    ["a"],
    Symbol("a"),
    () => "a",
    new Date(0),
    new String("a"),
    new ArrayBuffer(3),
    new DataView(new ArrayBuffer(3)),
    new Uint16Array(3),
    { toString: () => "a" },
    new Proxy({}, {}),
    Promise.resolve("a"),
  ]) {
    refusesKey(t, key, /cannot be a key: a key is a string, a Buffer or a number/);
  }
});

test("the error carries the key, and names it where it can", (t) => {
  const error = t.throws(() => slots.plan(["fine", null as never]), { instanceOf: ShardisError });
  t.deepEqual(error?.keys, [null]);
  t.regex(String(error?.message), /^null cannot be a key/);
});

test("half of a surrogate pair, which UTF-8 cannot carry: alone, in a key, and in a batch", (t) => {
  for (const key of ["\ud800", "\udc00", "user:\ud83d", "\ude00\ud83d", `{\ud800}tag`]) {
    refusesKey(t, key, /half of a surrogate pair, which UTF-8 cannot carry; use a Buffer/);
  }
  // Two halves of different keys do not make a whole.
  refuses(t, "BAD_KEY", () => slots.plan(["\ud83d", "\ude00"]));
  const many = Array.from({ length: 2500 }, (_, index) => `user:${index}`);
  many[1777] = "user:\ud83d";
  const error = t.throws(() => slots.plan(many), { instanceOf: ShardisError });
  t.deepEqual(error?.keys, ["user:\ud83d"]);
  t.notThrows(() => slots.plan(["😀"]));
});

test("a key of more than the 512 MB that Redis takes", (t) => {
  const bytes = Buffer.alloc(512 * 1024 * 1024 + 1);
  for (const placement of Object.values(placements)) {
    refuses(t, "BAD_KEY", () => placement.nodeFor(bytes), /larger than the 512 MB/);
    refuses(t, "BAD_KEY", () => placement.plan(["fine", bytes]), /larger than the 512 MB/);
  }
  // Half as many characters, each of two bytes in UTF-8 but of one in memory.
  const text = "é".repeat(2 ** 28 + 1);
  refuses(t, "BAD_KEY", () => slots.nodeFor(text), /larger than the 512 MB/);
  refuses(t, "BAD_KEY", () => slots.plan([text]), /larger than the 512 MB/);
});

test("a key of many megabytes is placed, alone and in a batch", (t) => {
  const key = "x".repeat(40_000_000);
  const plan = slots.plan(["small", key, Buffer.from(key)]);
  t.is(plan.owners[1], slots.indexFor(key));
  t.is(plan.owners[2], slots.indexFor(key));
  t.is(
    plan.bytes.reduce((sum, bytes) => sum + bytes, 0),
    80_000_005,
  );
});

test("keys that are no array", (t) => {
  for (const keys of [
    undefined,
    null,
    "abc",
    5,
    {},
    { length: 3 },
    new Set(["a"]),
    Buffer.alloc(3),
  ]) {
    for (const placement of Object.values(placements)) {
      refuses(
        t,
        "BAD_ARGUMENT",
        () => placement.plan(keys as never),
        /keys of a plan are an array/,
      );
      refuses(t, "BAD_ARGUMENT", () => placement.diff(placement, keys as never));
    }
  }
});

test("a diff with what is no placement", (t) => {
  for (const other of [undefined, null, "slots", {}, { plan: 5 }]) {
    refuses(t, "BAD_ARGUMENT", () => slots.diff(other as never, ["a"]), /another Placement/);
  }
});

test("an array with holes, wherever they are", (t) => {
  const hole = (length: number, at: number) => {
    const keys = Array.from({ length }, (_, index) => `user:${index}`);
    delete keys[at];
    return keys;
  };
  for (const placement of Object.values(placements)) {
    refuses(t, "BAD_KEY", () => placement.plan(new Array(3)), /^undefined cannot be a key/);
    for (const at of [0, 1, 999]) {
      refuses(t, "BAD_KEY", () => placement.plan(hole(1000, at)), /^undefined cannot be a key/);
    }
    refuses(t, "BAD_KEY", () => placement.plan(hole(2500, 2499)), /^undefined cannot be a key/);
  }
});

test("no keys are planned as no keys", (t) => {
  for (const placement of Object.values(placements)) {
    for (const plan of [
      placement.plan([]),
      placement.planBuffer(Buffer.alloc(0), { separator: "\n" }),
      placement.planBuffer(Buffer.alloc(0), { ends: new Uint32Array(0) }),
    ]) {
      t.is(plan.length, 0);
      t.is(plan.order.length, 0);
      t.is(plan.groups().size, 0);
      t.true(plan.counts.every((count) => count === 0));
    }
    const { keys, moved, moves, positions } = placement.diff(placement, []);
    t.deepEqual(
      { keys, moved, moves, positions: [...positions] },
      {
        keys: 0,
        moved: 0,
        moves: [],
        positions: [],
      },
    );
  }
});

test("the empty key is a key", (t) => {
  for (const placement of Object.values(placements)) {
    const owner = placement.indexFor("");
    t.is(placement.indexFor(Buffer.alloc(0)), owner);
    t.deepEqual([...placement.plan(["", Buffer.alloc(0)]).owners], [owner, owner]);
    const plan = placement.planBuffer(Buffer.alloc(0), { ends: Uint32Array.of(0, 0, 0) });
    t.deepEqual([...plan.owners], [owner, owner, owner]);
  }
});

test("bytes whose memory was transferred away are not the empty key", (t) => {
  refusesKey(t, detached(new Uint8Array(4)), /transferred away/);
  const line = { separator: "\n" };
  for (const placement of Object.values(placements)) {
    const bytes = detached(new Uint8Array(4));
    refuses(t, "BAD_ARGUMENT", () => placement.planBuffer(bytes, line), /transferred away/);
    const ends = detached(Uint32Array.of(4));
    for (const bytes of [Buffer.from("four"), Buffer.alloc(0)]) {
      refuses(t, "BAD_ARGUMENT", () => placement.planBuffer(bytes, { ends }), /transferred away/);
    }
  }
});

test("memory that other threads may write while it is read", (t) => {
  const bytes = new Uint8Array(new SharedArrayBuffer(4));
  const ends = new Uint32Array(new SharedArrayBuffer(4));
  for (const placement of Object.values(placements)) {
    const separated = () => placement.planBuffer(bytes, { separator: 0 });
    refuses(t, "BAD_ARGUMENT", separated, /copy it first/);
    const packed = () => placement.planBuffer(Buffer.alloc(0), { ends });
    refuses(t, "BAD_ARGUMENT", packed, /copy them first/);
    // One key is read once, and is small.
    t.is(placement.indexFor(bytes), placement.indexFor(Buffer.alloc(4)));
  }
});

test("ends that lie", (t) => {
  const bytes = Buffer.from("onetwo");
  for (const [ends, why] of [
    [[3], /last|ends/],
    [[3, 5], /last|ends/],
    [[], /last|ends/],
    [[7], /last|ends/],
    [[3, 7], /last|ends/],
    [[3, 2, 6], /ascend/],
    [[6, 3], /ascend/],
    [[7, 6], /ascend/],
    [[0xffffffff], /last|ends/],
    [[0xffffffff, 6], /ascend/],
    [[0xffffffff, 0], /ascend/],
    [[3, 0xffffffff, 6], /ascend/],
  ] as const) {
    for (const placement of Object.values(placements)) {
      const ask = () => placement.planBuffer(bytes, { ends: Uint32Array.from(ends) });
      refuses(t, "BAD_OFFSETS", ask, why);
    }
  }
  for (const ends of [[3, 6], undefined, null, new Int32Array([3, 6]), Buffer.from([3, 6]), {}]) {
    const ask = () => slots.planBuffer(bytes, { ends } as BufferLayout);
    refuses(t, "BAD_ARGUMENT", ask, /ends are a Uint32Array/);
  }
});

test("a view into the midst of memory is read within its bounds", (t) => {
  const memory = Buffer.from("xx{onetwoyy");
  const ends = Uint32Array.of(99, 3, 6, 99).subarray(1, 3);
  for (const placement of Object.values(placements)) {
    const plan = placement.planBuffer(memory.subarray(3, 9), { ends });
    t.deepEqual([...plan.owners], [...placement.plan(["one", "two"]).owners]);
  }
});

test("bytes and separators that are none", (t) => {
  for (const placement of Object.values(placements)) {
    for (const bytes of [
      undefined,
      null,
      "one\ntwo",
      [1, 2],
      new ArrayBuffer(4),
      new Uint16Array(2),
    ]) {
      const ask = () => placement.planBuffer(bytes as never, { separator: "\n" });
      refuses(t, "BAD_ARGUMENT", ask, /takes a Buffer/);
    }
    for (const separator of [
      "",
      "\r\n",
      "é",
      "😀",
      -1,
      256,
      0.5,
      Number.NaN,
      null,
      undefined,
      {},
      [10],
      Symbol("\n"),
      10n,
    ]) {
      const ask = () => placement.planBuffer(Buffer.alloc(1), { separator } as BufferLayout);
      refuses(t, "BAD_ARGUMENT", ask, /a separator is one character of ASCII, or the value/);
    }
    for (const layout of [undefined, null, "\n", 10, () => "\n", []]) {
      const ask = () => placement.planBuffer(Buffer.alloc(1), layout as never);
      refuses(t, "BAD_ARGUMENT", ask, /a separator is one character/);
    }
  }
});

test("an array that changes its mind while it is read", (t) => {
  const fickle = (...answers: unknown[]): string[] => {
    let asked = 0;
    const keys = ["first", "second"];
    return Object.defineProperty(keys, 1, { get: () => answers[asked++ % answers.length] });
  };
  for (const placement of Object.values(placements)) {
    for (const answers of [
      ["second", null],
      ["second", Symbol("key")],
      ["second", "sec\0ond"],
      ["second", Buffer.from("x")],
    ]) {
      try {
        t.is(placement.plan(fickle(...answers)).length, 2);
      } catch (error) {
        t.true(error instanceof Error);
      }
    }
  }
});

test("a table that is no table of slots", (t) => {
  const build = (table: unknown) => () =>
    new Placement(nodes, { scheme: "slots", table: table as SlotTable });
  for (const table of [new Uint16Array(16384), new Map([["a", [[0, 16383]]]]), Array(16384), 5]) {
    refuses(t, "BAD_PLACEMENT", build(table), /the table/);
  }
});

test("a panic in native code is an error in JavaScript", (t) => {
  t.throws(() => native.panicForTest(), { message: /a panic for a test/ });
  t.is(slots.nodeFor("foo"), new Placement(nodes).nodeFor("foo"), "and all goes on");
});

/**
 * Runs in a process of its own, which a crash would end. Types lie in every
 * way that JavaScript lets them.
 */
function fuzzNative(binding: string, seed: number, calls: number): void {
  const { createRequire } = process.getBuiltinModule("node:module");
  const native = createRequire("/")(binding);
  let state = seed;
  const random = (below: number) => {
    // Numerical Recipes' generator: good enough, and the same every time.
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  const pick = <T>(values: readonly T[]): T => values[random(values.length)] as T;
  const shared = new SharedArrayBuffer(64);
  const gone = new Uint8Array(16);
  structuredClone(gone.buffer, { transfer: [gone.buffer] });
  const bytes = () =>
    Buffer.from(Array.from({ length: random(200) }, () => pick([0, 10, 123, 125, random(256)])));
  const junk: (() => unknown)[] = [
    () => undefined,
    () => null,
    () => random(2) === 0,
    () =>
      pick([
        0,
        1,
        -1,
        0.5,
        Number.NaN,
        Number.POSITIVE_INFINITY,
        2 ** 31,
        2 ** 32 - 1,
        2 ** 32,
        2 ** 53,
      ]),
    () => random(300),
    () => pick(["", "a", "\ud800", "user:{1}", "x".repeat(random(5000)), "日本"]),
    () => pick([Symbol("a"), 5n, () => 1, new Date(0), /a/]),
    () => pick<unknown>([{}, [], [1, "a"], new Array(5), Object.create(null), new Proxy({}, {})]),
    () => bytes(),
    () => new Uint8Array(bytes()),
    () => gone,
    () =>
      pick<unknown>([shared, new Uint8Array(shared), Buffer.from(shared), new Uint32Array(shared)]),
    () => Uint32Array.from({ length: random(20) }, () => pick([random(100), 0, 2 ** 32 - 1])),
    () => new Uint32Array(new ArrayBuffer(64), 4 * random(10), random(6)),
    () =>
      pick<unknown>([
        new Float64Array(random(9)),
        new Uint16Array(random(9)),
        new Int8Array(random(9)),
      ]),
    () => pick<unknown>([new ArrayBuffer(random(40)), new DataView(new ArrayBuffer(random(40)))]),
    () => pick<unknown>([Object.create(Uint8Array.prototype), Object.create(Buffer.prototype)]),
    () => Buffer.alloc(random(64)),
    () => Buffer.alloc(0),
  ];
  const any = () => pick(junk)();
  /** Mostly what the method takes, or almost. */
  const or = (value: () => unknown) => () => (random(4) === 0 ? any() : value());
  const number = or(() => pick([0, 1, 2, 3, 10, 123, 255, 256, random(100)]));
  // Not 2^32: the sums of so many nodes are 34 GB, which ends the process.
  const nodeCount = () => pick<unknown>([0, 1, 3, 100, 65535, "3", null, {}, -0.5, Number.NaN]);
  const flag = or(() => random(2) === 0);
  const memory = or(bytes);
  const room = or(() => Buffer.alloc(pick([0, 1, 7, 16, 48, 400, 4000])));
  const ends = or(() => {
    const length = random(10);
    return Uint32Array.from({ length }, (_, index) => (index + 1) * random(9)).sort();
  });
  const words = or(() => new Uint32Array(pick([0, 3, 6, 12, 12, 60])));
  // Four arguments, which make two commands, or as many keys.
  const packed = or(() => Buffer.from("getagetb"));
  const packedEnds = or(() => Uint32Array.of(3, 4, 7, 8));
  const widths = or(() => pick([Uint32Array.of(2, 2), Uint32Array.of(4), Uint32Array.of(3, 1)]));
  const owners = or(() => Uint16Array.from({ length: pick([2, 2, 4]) }, () => random(3)));
  const name = or(() => pick(["mget", "mset", ""]));
  const replies = or(() =>
    Buffer.from(
      Array.from({ length: random(6) }, () =>
        pick([
          "+OK\r\n",
          "$3\r\nfoo\r\n",
          "*2\r\n",
          ">1\r\n",
          "$9\r\n",
          ":1\r\n",
          "_\r\n",
          "%1\r\n+",
        ]),
      ).join(""),
    ),
  );
  const spec = () => ({
    scheme: or(() =>
      pick(["slots", "modulo", "redis-shard", "rediscluster", "twemproxy", "jedis", "codis"]),
    )(),
    parameters: or(() =>
      pick<unknown>([{}, { hash: "md5" }, { version: "2.0" }, { hash: any() }]),
    )(),
    nodes: or(() =>
      Array.from({ length: random(4) }, (_, index) => ({
        name: or(() => `node_${index + 1}`)(),
        named: flag(),
        // No large ones: on some rings they are as many points, in time and in memory.
        ...(random(3) === 0 ? { weight: pick<unknown>([1, 2, 5, 0.5, -1, 0, NaN, "2", {}]) } : {}),
      })),
    )(),
    ...(random(3) === 0 ? { table: any() } : {}),
  });
  const good = [
    { scheme: "slots", parameters: {} },
    { scheme: "redis-shard", parameters: { hash: "md5" } },
    { scheme: "rediscluster", parameters: {} },
    { scheme: "modulo", parameters: { hash: "murmur64" } },
    { scheme: "twemproxy", parameters: { hash: "hsieh", hashTag: "{}" } },
  ].map(
    (options) =>
      new native.NativePlacement({
        ...options,
        nodes: [1, 2, 3].map((number) => ({ name: `node_${number}`, named: true })),
      }),
  );
  const methods: Record<string, (() => unknown)[]> = {
    ownerOfText: [or(() => pick(["", "a", "{b}c", "\0", "\ud800"]))],
    ownerOfBytes: [memory],
    storedKey: [memory, flag],
    explain: [memory, flag],
    planTexts: [memory, ends, room, number, room],
    planPacked: [memory, ends, flag, room, number, room],
    planSeparated: [memory, number, flag, room, room],
    encodeCommands: [packed, packedEnds, flag, flag, widths, words, words, room],
    encodeKeys: [name, number, packed, packedEnds, flag, flag, words, words, room],
  };
  const functions: Record<string, (() => unknown)[]> = {
    countSeparated: [memory, number],
    group: [memory, nodeCount, room],
    encodeCommandsFor: [owners, nodeCount, packed, packedEnds, widths, words, words, room],
    encodeKeysFor: [owners, nodeCount, name, number, packed, packedEnds, words, words, room],
  };
  const scans: Record<string, (() => unknown)[]> = {
    scan: [replies, number, number, words, words],
    skip: [replies, number, number, words],
  };
  let scanner = new native.ReplyScanner();
  let [returned, threw] = [0, 0];
  const call = (run: () => unknown) => {
    try {
      run();
      returned += 1;
    } catch {
      threw += 1;
    }
  };
  for (let made = 0; made < calls; made++) {
    const target = pick<unknown>([...good, ...good, any()]);
    const [method, parameters] = pick(Object.entries(methods));
    const [name, others] = pick(Object.entries(functions));
    const [scan, chunks] = pick(Object.entries(scans));
    const drop = random(20) === 0 ? 1 : 0;
    const make = (list: (() => unknown)[]) => list.slice(drop).map((parameter) => parameter());
    switch (random(8)) {
      case 0:
        call(() => new native.NativePlacement(random(9) === 0 ? any() : spec()));
        break;
      case 1:
        call(() => native[name](...make(others)));
        break;
      case 2: {
        // One that has refused something refuses everything.
        if (random(4) === 0) scanner = new native.ReplyScanner();
        const scans = random(9) === 0 ? target : scanner;
        call(() => native.ReplyScanner.prototype[scan].apply(scans, make(chunks)));
        break;
      }
      default: {
        const list = make(parameters);
        call(() => native.NativePlacement.prototype[method].apply(target, list));
      }
    }
  }
  console.log(JSON.stringify({ returned, threw }));
}

test("the native door: whatever comes through it, each call returns or throws", async (t) => {
  const binding = createRequire(import.meta.url).resolve("#native");
  const { FC_SEED = "1", FC_RUNS = "1" } = process.env;
  const seed = Number(FC_SEED);
  const calls = Math.max(20_000, 200 * Number(FC_RUNS));
  // Types were stripped when this file was loaded, so its text is JavaScript.
  const script = `(${fuzzNative})(${JSON.stringify(binding)}, ${seed}, ${calls})`;
  const child = spawn(process.execPath, ["--eval", script], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, RUST_BACKTRACE: "0" },
  });
  let [output, complaints] = ["", ""];
  child.stdout.on("data", (data) => {
    output += data;
  });
  child.stderr.on("data", (data) => {
    complaints += data;
  });
  const [code, signal] = await once(child, "close");
  t.deepEqual({ code, signal }, { code: 0, signal: null }, complaints.slice(-2000));
  t.notRegex(complaints, /panicked/, "nothing reaches code that reckons with sound input");
  const { returned, threw } = JSON.parse(output);
  t.is(returned + threw, calls);
  t.true(returned > calls / 10, "many calls must be good enough to run");
  t.log(`${returned} calls returned, ${threw} threw`);
});
