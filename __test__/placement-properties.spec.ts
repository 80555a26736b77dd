/** What holds for all keys and nodes, not just for the examples in the vectors. */
import test from "ava";
import fc from "fast-check";
import { Placement, type SchemeOptions } from "../src/index.ts";
import { bytes, check, key, manyKeys, text } from "./helpers/arbitraries.ts";
import { ask, type Naive, naives } from "./helpers/naive.ts";
import { pack, weighted } from "./helpers/vectors.ts";

const build = ({ names, weights, options }: Naive) =>
  new Placement(weighted(names, weights), options);

for (const naive of naives) {
  test(`as the original, written plainly: ${naive.title}`, (t) => {
    const placement = build(naive);
    const keys = fc.array(fc.oneof(text, bytes), { minLength: 20, maxLength: 30 });
    const property = fc.property(keys, (keys) => {
      const placed: [string | Buffer, number][] = [];
      for (const key of keys) {
        const expected = ask(naive, key);
        if (expected === undefined) {
          t.throws(() => placement.indexFor(key), { code: "BAD_KEY" });
          continue;
        }
        const { tag, hashed, storedKey, index } = placement.explain(key);
        const { owner } = expected;
        t.deepEqual([index, placement.indexFor(key)], [owner, owner], JSON.stringify(key));
        t.deepEqual(hashed, expected.hashed);
        t.deepEqual(Buffer.from(storedKey), expected.stored);
        // PHP may cut a character in two: such a tag is no text.
        t.is(tag?.toString(), expected.tag?.toString());
        placed.push([key, owner]);
      }
      for (const kind of ["string", "object"]) {
        const some = placed.filter(([key]) => typeof key === kind);
        t.deepEqual(
          [...placement.plan(some.map(([key]) => key)).owners],
          some.map(([, owner]) => owner),
        );
      }
    });
    check(property, 15);
  });
}

test("a text and its UTF-8 are one key, save for the clients that tell them apart", (t) => {
  for (const naive of naives) {
    if (naive.latin1 || naive.tag !== naive.bytesTag) continue;
    const placement = build(naive);
    const owner = (key: string | Buffer) => {
      try {
        return placement.indexFor(key);
      } catch {
        return "refused";
      }
    };
    check(
      fc.property(text, (key) => {
        t.is(owner(key), owner(Buffer.from(key)), naive.title);
      }),
    );
  }
});

/** One placement of each kind, none of which refuses a key. */
const kinds: Record<string, Placement> = {
  slots: new Placement(["a", "b", "c", "d"]),
  modulo: new Placement(["a", "b", "c"], { scheme: "modulo", hash: "murmur64" }),
  ring: new Placement(["a", "b", "c"], { scheme: "twemproxy", hash: "md5", hashTag: "{}" }),
  range: new Placement(["a", "b", "c"], { scheme: "phpredis" }),
  rendezvous: new Placement(["a", "b", "c"], { scheme: "go-redis" }),
  "text unlike bytes": new Placement(["a", "b", "c"], { scheme: "redis-shard", hash: "sha1" }),
  "tags that are cut off": new Placement(["node_1", "node_2"], {
    scheme: "rediscluster",
    client: "php",
  }),
  function: new Placement(["a", "b"], (key) => (key.length % 2 === 0 ? "a" : "b")),
};

/** A number is its digits, all of them, as in ioredis. */
const asKey = (key: string | Buffer | number) =>
  typeof key !== "number" ? key : Number.isInteger(key) ? BigInt(key).toString() : String(key);

for (const [kind, placement] of Object.entries(kinds)) {
  test(`a plan is the answer for each key, whatever their mixture: ${kind}`, (t) => {
    const property = fc.property(manyKeys, (keys) => {
      const plan = placement.plan(keys);
      const owners = keys.map((key) => placement.indexFor(key));
      t.is(Buffer.compare(Buffer.from(plan.owners), Buffer.from(owners)), 0);
      t.is(plan.length, keys.length);

      // Each key has one owner, so counts and bytes add up.
      const counts = placement.nodes.map(() => 0);
      const sizes = placement.nodes.map(() => 0);
      for (const [index, key] of keys.entries()) {
        const owner = owners[index] ?? -1;
        counts[owner] = (counts[owner] ?? 0) + 1;
        sizes[owner] = (sizes[owner] ?? 0) + Buffer.byteLength(asKey(key));
      }
      t.deepEqual([...plan.counts], counts);
      t.deepEqual([...plan.bytes], sizes);

      // What is split by node and put together again is what it was.
      const stitched: unknown[] = new Array(keys.length).fill(undefined);
      for (const [node, positions] of plan.groups()) {
        let before = -1;
        for (const position of positions) {
          if (position <= before) t.fail("the positions of a node ascend");
          before = position;
          if (placement.nodes[owners[position] ?? -1] !== node) t.fail(`${node} owns it not`);
          stitched[position] = keys[position];
        }
      }
      t.true(stitched.every((key, index) => Object.is(key, keys[index])));
      t.is(plan.order.length, keys.length);
    });
    check(property, 40);
  });

  test(`a buffer of keys is the keys, separated or by their ends: ${kind}`, (t) => {
    const lists = fc.oneof(
      fc.tuple(fc.array(text, { maxLength: 100 }), fc.constant(true)),
      fc.tuple(fc.array(bytes, { maxLength: 100 }), fc.constant(false)),
    );
    const property = fc.property(
      lists,
      fc.constantFrom(0, 0x0a, 0x2c, 0xff),
      ([keys, text], byte) => {
        const packed = pack(keys);
        const expected = [...placement.plan(keys).owners];
        const { ends } = packed;
        t.deepEqual([...placement.planBuffer(packed.bytes, { ends, text }).owners], expected);

        const separator = Buffer.from([byte]);
        const rest = keys.filter((key) => !Buffer.from(key).includes(byte));
        const joined = Buffer.concat(rest.flatMap((key) => [Buffer.from(key), separator]));
        const owners = [...placement.plan(rest).owners];
        t.deepEqual([...placement.planBuffer(joined, { separator: byte, text }).owners], owners);
        // The last separator may be left out, unless there is nothing else to tell an empty key.
        const open = joined.subarray(0, -1);
        if (rest.length === 0 || Buffer.from(rest.at(-1) ?? "").length === 0) return;
        const character = byte < 128 ? String.fromCharCode(byte) : byte;
        t.deepEqual([...placement.planBuffer(open, { separator: character, text }).owners], owners);
      },
    );
    check(property, 60);
  });
}

/** They begin with a letter: to go-redis 7 the point 1 of "0x" is the point 10 of "x". */
const names = fc
  .uniqueArray(fc.string({ unit: fc.constantFrom(..."abcxyz019-_.:"), maxLength: 12 }), {
    minLength: 2,
    maxLength: 8,
  })
  .map((names) => names.map((name) => `n${name}`));

const sample = Array.from({ length: 1000 }, (_, index) => `user:${index * 7919}`);

const growing: SchemeOptions[] = [
  { scheme: "redis-shard", hash: "crc32" },
  { scheme: "redis-shard", hash: "md5" },
  { scheme: "redis-rb" },
  { scheme: "predis", distributor: "hashring" },
  { scheme: "predis", distributor: "ketama" },
  { scheme: "phpredis", consistent: true },
  { scheme: "twemproxy" },
  { scheme: "go-redis", version: 9 },
  { scheme: "go-redis", version: 7 },
  { scheme: "jedis" },
  { scheme: "django-redis" },
  { scheme: "hashring" },
];

for (const options of growing) {
  const { scheme, ...parameters } = options;
  test(`a new node takes keys and no other does: ${[scheme, ...Object.values(parameters)]}`, (t) => {
    const property = fc.property(names, (names) => {
      const before = new Placement(names.slice(0, -1), options);
      const after = new Placement(names, options);
      const { moves } = before.diff(after, sample);
      t.true(moves.every(({ to }) => to === names.at(-1)));
    });
    check(property, 15);
  });
}

test("a new node of slots takes over its share, and little else moves", (t) => {
  let [worst, elsewhere] = [0, 0];
  const property = fc.property(names, (names) => {
    const before = new Placement(names.slice(0, -1));
    const after = new Placement(names);
    const { moves, moved } = before.diff(after, sample);
    const taken = moves.reduce((sum, { to, keys }) => sum + (to === names.at(-1) ? keys : 0), 0);
    worst = Math.max(worst, moved / taken);
    elsewhere = Math.max(elsewhere, moved - taken);
    t.true(moved <= taken * 1.1 + 10, `${moved} moved, ${taken} to ${names.at(-1)} of ${names}`);
  });
  check(property);
  t.log(`at worst ${worst.toFixed(3)} keys moved for each taken over`);
});

const unordered: SchemeOptions[] = growing.filter(({ scheme }) => scheme !== "jedis");

for (const options of [{ scheme: "slots" } as const, ...unordered]) {
  const { scheme, ...parameters } = options;
  test(`the order of the nodes is irrelevant: ${[scheme, ...Object.values(parameters)]}`, (t) => {
    const property = fc.property(names, fc.nat(), (names, turn) => {
      const at = turn % names.length;
      const turned = [...names.slice(at), ...names.slice(0, at)].reverse();
      const placement = new Placement(turned, options);
      t.is(new Placement(names, options).diff(placement, sample).moved, 0);
    });
    check(property, 15);
  });
}

test("a diff says of each key what asking both placements says", (t) => {
  const all = Object.values(kinds);
  const pairs = fc.tuple(fc.constantFrom(...all), fc.constantFrom(...all));
  const property = fc.property(pairs, fc.array(key, { maxLength: 60 }), ([before, after], keys) => {
    const { moved, moves, positions, keys: count } = before.diff(after, keys);
    const differ = keys.flatMap((key, position) => {
      const [from, to] = [before.nodeFor(key), after.nodeFor(key)];
      const [old, fresh] = [before.explain(key).storedKey, after.explain(key).storedKey];
      const renamed = Buffer.compare(Buffer.from(old), Buffer.from(fresh)) !== 0;
      return from === to && !renamed ? [] : [{ position, route: `${from} to ${to}` }];
    });
    t.is(count, keys.length);
    t.is(moved, differ.length);
    t.deepEqual(
      [...positions],
      differ.map(({ position }) => position),
    );
    for (const { from, to, keys: number } of moves) {
      const route = `${from} to ${to}`;
      t.is(number, differ.filter((key) => key.route === route).length);
    }
    t.is(
      moves.reduce((sum, { keys }) => sum + keys, 0),
      moved,
    );
  });
  check(property, 200);
});
