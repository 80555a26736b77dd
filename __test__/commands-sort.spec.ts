/** SORT with BY and GET patterns: over several nodes it answers as one Redis does. */
import test from "ava";
import fc from "fast-check";
import { keyNamed, ownerOfAll, readKeyPattern } from "../src/commands/sort-options.ts";
import { Placement } from "../src/index.ts";
import { bytes, check, text } from "./helpers/arbitraries.ts";
import { type Argument, type Call, startBesidePlain } from "./helpers/beside-plain.ts";
import { naives } from "./helpers/naive.ts";
import { nothingIsSent, onlyIsSent } from "./helpers/sent.ts";
import { failure, keyOn, keysOn } from "./helpers/setup.ts";
import { weighted } from "./helpers/vectors.ts";

const odd = Buffer.from([0xff, 0x00, 0x2a, 0xfe]);

/** Elements whose keys lie on all nodes: some without a weight, some that are no names at all. */
const ELEMENTS: readonly Argument[] = [..."abcdefgh", "12", "", "*", "x->y", "{b}", odd, "ü"];

/** Keys of every type that patterns can name. */
const VALUES: readonly Call[] = [
  ...ELEMENTS.slice(0, -2).map((element, at): Call => ["set", `w:${element}`, (at * 7) % 11]),
  ["set", Buffer.concat([Buffer.from("w:"), odd]), "-3.5e0"],
  ...[..."abc12"].map((element): Call => ["set", `o:${element}:end`, `object ${element}`]),
  ["set", "o:ü:end", odd],
  ["set", "o:b->:end", "behind an arrow"],
  ["rpush", "o:d:end", "not a string"],
  ...[..."abce"].map((element, at): Call => ["hset", `h:${element}`, "f", 9 - at, "->", "arrow"]),
  ["set", "h:d", "not a hash"],
  ["set", "t:a", "ten"],
  ["set", "o:*:end", "the pattern itself"],
];

const COLLECTIONS: Readonly<Record<string, Call>> = {
  list: ["rpush", "from", ...ELEMENTS, "a", "12"],
  set: ["sadd", "from", ...ELEMENTS],
  zset: ["zadd", "from", ...ELEMENTS.flatMap((element, at) => [(at * 5) % 13, element])],
  "a list of one": ["rpush", "from", "c"],
  nothing: ["del", "from"],
  string: ["set", "from", "text"],
};

const SORTS: readonly (readonly Argument[])[] = [
  ["BY", "w:*"],
  ["by", "w:*", "desc"],
  ["BY", "w:*", "LIMIT", 2, 5],
  ["BY", "w:*", "LIMIT", 2, -1, "DESC"],
  ["BY", "w:*", "LIMIT", 100, 1],
  ["BY", "h:*->f"],
  ["BY", "h:*->f", "GET", "#", "GET", "h:*->f"],
  ["BY", "h:*"],
  ["BY", "none:*"],
  ["BY", "t:*"],
  ["BY", "w:*", "GET", "o:*:end"],
  ["BY", "w:*", "GET", "o:*:end", "GET", "#", "GET", "none", "GET", "h:*->none", "LIMIT", 1, 6],
  ["BY", "w:*", "GET", "h:*->->"],
  ["BY", "w:*", "GET", "o:*->:end"],
  ["BY", "w:*", "GET", "o:*:end->"],
  ["BY", "w:*", "BY", "h:*->f"],
  ["BY", "w:*", Buffer.from("get"), Buffer.from("o:*:end")],
  ["BY", "w:*", "GET", Buffer.from("o:\0*:end"), "GET", Buffer.from("o:*:end\0")],
  ["ALPHA", "GET", "o:*:end"],
  ["ALPHA", "GET", "o:*:end", "LIMIT", 3, 2, "DESC"],
  ["GET", "o:*:end"],
  ["BY", "w:*", "GET"],
  ["BY", "w:*", "FOO"],
  ["BY", "w:*", "LIMIT", 1],
  ["BY", "w:*", "LIMIT", "a", "b"],
  ["GET", "o:*:end", "BY"],
];

/** Where what SORT leaves in its order is in an order. */
const UNSORTED: readonly (readonly Argument[])[] = [
  ["BY", "none", "BY", "w:*", "ALPHA"],
  ["BY", "nosort", "GET", "o:*:end"],
  ["BY", "nosort", "GET", "#", "GET", "h:*->f", "DESC", "LIMIT", 1, 3],
  ["BY", "nosort", "BY", "w:*", "LIMIT", 0, 4, "GET", "o:*:end"],
];

for (const [type, collection] of Object.entries(COLLECTIONS)) {
  test(`a ${type} is sorted by keys of all nodes, and gets them`, async (t) => {
    const { both } = await startBesidePlain(t);
    for (const call of [...VALUES, collection]) await both(...call);
    const unsorted = type === "set" ? [] : UNSORTED;
    for (const options of [...SORTS, ...unsorted]) {
      await both("sort", "from", ...options);
      await both("sort_ro", "from", ...options);
    }
    await both("sort_ro", "from", "BY", "w:*", "STORE", "to");
  });

  test(`what is made of a ${type} is stored, or takes away what was there`, async (t) => {
    const { both } = await startBesidePlain(t);
    const call = async (...args: Argument[]) => {
      await both("set", "to", "was there", "EX", 1000);
      await both("sort", "from", ...args);
      for (const look of ["type", "ttl", "from"]) {
        if (look === "from") await both("lrange", "to", 0, -1);
        else await both(look, "to");
      }
    };
    for (const value of [...VALUES, collection]) await both(...value);
    for (const options of [...SORTS, ...UNSORTED]) await call(...options, "STORE", "to");
    await call("STORE", "to", "BY", "w:*");
    await call("STORE", "elsewhere", "BY", "w:*", "STORE", "to");
    await both("sort", "from", "BY", "w:*", "GET", "o:*:end", "STORE", "w:a");
    await both("lrange", "w:a", 0, -1);
    await both("sort", "from", "BY", "w:*", "STORE", "from");
    await both("lrange", "from", 0, -1);
  });
}

test("weights that are no numbers are the server's error, and those that are not there are 0", async (t) => {
  const { both } = await startBesidePlain(t);
  await both("rpush", "from", "a", "b", "c");
  await both("set", "w:a", "1");
  await both("set", "w:c", "-1");
  await both("sort", "from", "BY", "w:*");
  await both("set", "w:b", "many");
  await both("sort", "from", "BY", "w:*");
  await both("sort", "from", "BY", "w:*", "ALPHA");
  await both("set", "to", "stays");
  await both("sort", "from", "BY", "w:*", "STORE", "to");
  await both("get", "to");
});

test("any list is sorted by any weights", async (t) => {
  const { sharded, plain, both } = await startBesidePlain(t);
  const element = fc.oneof(bytes, fc.integer({ min: -5, max: 5 }).map(String).map(Buffer.from));
  // Not those that are too small for a number: the server that has seen one goes on to refuse others.
  const weight = fc.oneof(
    fc.integer({ min: -40, max: 40 }).map((number) => number / 8),
    fc.constantFrom("inf", "-1e300", "-0", " 7", "0x10"),
  );
  const entries = fc.array(fc.tuple(element, fc.option(weight), fc.boolean()), {
    minLength: 1,
    maxLength: 30,
  });
  const limit = fc.option(fc.tuple(fc.nat(8), fc.integer({ min: -1, max: 12 })));
  await fc.assert(
    fc.asyncProperty(entries, limit, fc.boolean(), fc.boolean(), async (entries, limit, ...is) => {
      const [isAlpha, isStored] = is;
      for (const client of [sharded, plain]) {
        await client.flushdb();
        const batch = client.pipeline();
        for (const [element, weight, isHash] of entries) {
          batch.rpush("from", element);
          const key = Buffer.concat([Buffer.from(isHash ? "h:" : "w:"), element]);
          if (weight !== null && isHash) batch.call("hset", key, "f", String(weight));
          else if (weight !== null) batch.set(key, String(weight));
        }
        await batch.exec();
      }
      const args = [
        ...["from", "BY", "w:*", "GET", "#", "GET", "h:*->f", "GET", "w:*"],
        ...(isAlpha ? ["ALPHA"] : []),
        ...(limit === null ? [] : ["LIMIT", ...limit]),
        ...(isStored ? ["STORE", "to"] : []),
      ];
      await both("sort", ...args);
      t.deepEqual(await sharded.lrangeBuffer("to", 0, -1), await plain.lrangeBuffer("to", 0, -1));
    }),
    { numRuns: 60 },
  );
});

test("replies come as text or as bytes, also in a pipeline and by a callback", async (t) => {
  const { sharded } = await startBesidePlain(t);
  await sharded.rpush("from", "b", "a", "c");
  await sharded.mset({ "w:a": 3, "w:b": 2, "w:c": 1, "o:a": "A", "o:b": "B" });
  const args = ["from", "BY", "w:*", "GET", "o:*"] as const;
  t.deepEqual(await sharded.sort(...args), [null, "B", "A"]);
  t.deepEqual(await sharded.callBuffer("sort", ...args), [
    null,
    Buffer.from("B"),
    Buffer.from("A"),
  ]);
  t.deepEqual(await sharded.call("SORT", ...args), [null, "B", "A"]);
  const results = await sharded
    .pipeline()
    .set("w:a", 0)
    .sort(...args)
    .set("w:a", 9)
    .exec();
  t.deepEqual(results?.[1], [null, ["A", null, "B"]]);
  await new Promise<void>((resolve) => {
    sharded.sort("from", "BY", "w:*", (error, reply) => {
      t.deepEqual([error, reply], [null, ["c", "b", "a"]]);
      resolve();
    });
  });
});

test("patterns get the prefix as keys do, as in ioredis", async (t) => {
  const { both } = await startBesidePlain(t, { keyPrefix: "p:" });
  await both("rpush", "from", "a", "b", "c");
  await both("mset", "w:a", 3, "w:b", 2, "w:c", 1, "o:a", "A");
  await both("sort", "from", "BY", "w:*", "GET", "#", "GET", "o:*");
  await both("sort", "from", "BY", "w:*", "GET", "#", "GET", "o:*", "STORE", "to");
  await both("lrange", "to", 0, -1);
});

test("a scheme that cuts the tag off the keys: they are found under the names that they have", async (t) => {
  const { sharded } = await startBesidePlain(
    t,
    {
      placement: { scheme: "rediscluster", client: "python3" },
    },
    ["node_1", "node_2", "node_3"],
  );
  await sharded.rpush("from", "b", "a", "c");
  for (const [element, weight] of Object.entries({ a: 3, b: 2, c: 1 })) {
    await sharded.set(`${element}{w}`, weight);
    await sharded.set(`o:${element}`, element.toUpperCase());
  }
  t.deepEqual(await sharded.sort("from", "BY", "*{w}", "GET", "o:*"), ["C", "B", "A"]);
  t.is(await sharded.sort("from", "BY", "*{w}", "STORE", "to{w}"), 3);
  t.deepEqual(await sharded.lrange("to{w}", 0, -1), ["c", "b", "a"]);
});

test("patterns with the hash tag of the key: one command, at once, in transactions too", async (t) => {
  const { sharded } = await startBesidePlain(t);
  await sharded.rpush("{t}from", "b", "a");
  await sharded.mset({ "{t}w:a": 1, "{t}w:b": 2 });
  const args = ["{t}from", "BY", "{t}w:*", "GET", "{t}w:*->f", "GET", "#", "STORE", "{t}to"];
  t.like(sharded.explain("sort", args), {
    strategy: "node",
    nodes: [sharded.nodeFor("{t}").name],
    roundTrips: 1,
    atomicity: "atomic",
  });
  await onlyIsSent(t, sharded, ["sort"], async () => {
    t.is(await sharded.call("sort", args), 4);
    t.is(await sharded.strict.call("sort", args), 4);
    t.is(await sharded.tagged.call("sort", args), 4);
  });
  const transaction = sharded.multi().call("sort", ["{t}from", "BY", "{t}w:*"]);
  t.deepEqual(await transaction.exec(), [[null, ["a", "b"]]]);
  t.deepEqual(await sharded.by("{t}").sort("{t}from", "BY", "{t}w:*"), ["a", "b"]);
});

test("strict, tagged and transactions refuse patterns whose keys may lie anywhere", async (t) => {
  const { sharded } = await startBesidePlain(t);
  const code = "CROSS_NODE";
  await nothingIsSent(t, sharded, async () => {
    for (const pattern of ["w:*", "*", "w:{*}", "w:{t*}", "w:*{t}", "{}*", "w:*->{t}"]) {
      await t.throwsAsync(sharded.strict.sort("{t}from", "BY", pattern), { code }, pattern);
      await t.throwsAsync(sharded.multi().sort("{t}from", "GET", pattern).exec(), { code });
    }
    for (const pattern of ["w:*", "{u}*"]) {
      const error = await t.throwsAsync(sharded.tagged.sort("{t}from", "BY", pattern), { code });
      t.true(error instanceof Error && error.message.includes(pattern));
    }
  });
});

test("explain says in how many round trips, and where its keys may lie", async (t) => {
  const { sharded } = await startBesidePlain(t);
  const nodes = ["node1", "node2", "node3"];
  const told = (...args: string[]) => sharded.explain("sort", ["from", ...args]);
  const ship = { strategy: "ship", nodes, atomicity: "emulated" };
  t.like(told("BY", "w:*"), { ...ship, roundTrips: 6 });
  t.like(told("GET", "o:*", "GET", "h:*->f", "BY", "nosort"), { ...ship, roundTrips: 6 });
  t.like(told("BY", "w:*", "GET", "o:*"), { ...ship, roundTrips: 9 });
  t.like(told("BY", "nosort", "GET", "#"), { strategy: "node", roundTrips: 1 });
});

test("with many elements each value is copied once, and no copy is left", async (t) => {
  const { sharded } = await startBesidePlain(t);
  const elements = Array.from({ length: 25_000 }, (_, n) => `${n}`);
  await sharded.rpush("from", ...elements, ...elements);
  await sharded.mset(elements.flatMap((element) => [`w:${element}`, -element]));
  const sorted = await sharded.sort("from", "BY", "w:*", "LIMIT", 0, 4, "GET", "w:*");
  t.deepEqual(sorted, ["-24999", "-24999", "-24998", "-24998"]);
  t.deepEqual(Object.values(await sharded.each.keys("shardis:*")).flat(), []);
});

test("a node that is down: nothing is stored, and the error names it", async (t) => {
  const { sharded, servers } = await startBesidePlain(t, { commandTimeout: 1000 });
  const from = keyOn(sharded, "node1");
  const to = keyOn(sharded, "node2", "to");
  const [element = ""] = keysOn(sharded, "node3", 1, "w").map((key) => key.slice("w:".length));
  await sharded.rpush(from, element);
  await sharded.set(to, "stays");
  await servers.node("node3").kill();
  const error = await failure(t, sharded.call("sort", from, "BY", "w:*", "STORE", to), 5000);
  t.like(error, { node: "node3", command: "sort", sent: false });
  t.regex(error.message, /^sort has not run: /);
  t.is(await sharded.get(to), "stays");
});

test("wherever all keys of a pattern are said to lie, there they lie", (t) => {
  let bound = 0;
  for (const { names, weights, options, title } of naives) {
    const placement = new Placement(weighted(names, weights), options);
    const pattern = fc.tuple(fc.oneof(text, bytes), fc.oneof(text, bytes));
    check(
      fc.property(pattern, fc.array(bytes, { maxLength: 5 }), ([before, after], elements) => {
        const isText = typeof before === "string" && typeof after === "string";
        const given = isText
          ? `${before}*${after}`
          : Buffer.concat([before, "*", after].map((part) => Buffer.from(part)));
        const named = readKeyPattern(given);
        const owner = ownerOfAll(placement, given);
        if (owner === undefined || named === undefined) return;
        bound++;
        for (const element of elements) {
          const { index } = placement.explain(keyNamed(named, element));
          t.is(index, owner, `${title}: ${JSON.stringify([given, element])}`);
        }
      }),
      200,
    );
  }
  t.true(bound > 100, `${bound} patterns were bound`);
});
