/** Configurations that are known to scatter data are refused, each with the reason. */
import test, { type ExecutionContext } from "ava";
import {
  type ErrorCode,
  Placement,
  type PlacementNode,
  type PlacementOptions,
  ShardisError,
} from "../src/index.ts";

/** Asserts a refusal, and that its sentence says why. Options may be of wrong types. */
function refuses(
  t: ExecutionContext,
  nodes: unknown,
  options: unknown,
  why: RegExp,
  code: ErrorCode = "BAD_PLACEMENT",
) {
  const build = () => new Placement(nodes as PlacementNode[], options as PlacementOptions);
  const error = t.throws(build, { instanceOf: ShardisError, message: why });
  t.is(error?.code, code);
}

const weights = (...weights: unknown[]) =>
  weights.map((weight, index) => ({ name: `node${index + 1}`, weight }));

test("no nodes at all", (t) => {
  refuses(t, [], { scheme: "slots" }, /at least one/);
  refuses(t, [], () => "a", /at least one/);
});

test("more nodes than a placement holds", (t) => {
  const names = Array.from({ length: 16385 }, (_, index) => `n${index}`);
  refuses(t, names, { scheme: "modulo" }, /16385 nodes are more than the 16384/);
  refuses(t, names, () => "n0", /16385 nodes are more than the 16384/);
});

test("two nodes of one name, as every key of that name would be split between two", (t) => {
  refuses(t, ["a", "b", "a"], { scheme: "slots" }, /nodes 0 and 2 are both named "a"/);
  refuses(t, ["a", "b", "a"], () => "a", /names that differ/);
  // The database is no part of an address, so these two would be one label.
  const databases = ["redis://10.0.0.1:6379/0", "redis://10.0.0.1:6379/1"];
  refuses(t, databases, { scheme: "predis" }, /both named "10.0.0.1:6379"/);
});

test("rediscluster places by the numbers in the names, so none may be missing", (t) => {
  const rediscluster = { scheme: "rediscluster" };
  refuses(t, ["node_1", "node_3"], rediscluster, /there is no node_2/);
  refuses(t, ["node_0", "node_1"], rediscluster, /there is no node_2/);
  refuses(t, ["node_1", "node_02"], rediscluster, /there is no node_2/);
  refuses(t, ["a", "b"], rediscluster, /there is no node_1.*what keys are placed by/);
  t.notThrows(() => new Placement(["node_2", "node_1"], { scheme: "rediscluster" }));
});

test("names that are hashed must be given, not derived from an address", (t) => {
  const addresses = [{ host: "10.0.0.1" }, "redis://10.0.0.2:6379"];
  for (const [scheme, why] of [
    ["redis-shard", /10.0.0.1:6379 has no name: redis-shard hashes the names of its servers/],
    ["redis-rb", /has no name: redis-rb hashes the id of a node, such as redis:/],
    ["go-redis", /has no name: go-redis hashes the keys of its Addrs map/],
    ["django-redis", /has no name: django-redis hashes the URL of a server as it is configured/],
  ] as const) {
    refuses(t, addresses, { scheme }, why);
    const named = ["redis://10.0.0.1:6379?name=one", { host: "10.0.0.2", name: "two" }];
    t.deepEqual(new Placement(named, { scheme }).nodes, ["one", "two"]);
  }
});

test("different weights where the scheme would ignore them", (t) => {
  for (const scheme of ["redis-shard", "mredis", "modulo", "redis-rb", "phpredis", "go-redis"]) {
    refuses(t, weights(1, 2), { scheme }, /ignores weights.*choose a scheme that has weights/);
    refuses(t, weights(undefined, 2), { scheme }, /ignores weights/);
    t.notThrows(() => new Placement(weights(3, 3) as PlacementNode[], { scheme } as never));
  }
  // Jedis dropped them in version 4.
  refuses(t, weights(1, 2), { scheme: "jedis" }, /ignores weights/);
  t.notThrows(
    () => new Placement(weights(1, 2) as PlacementNode[], { scheme: "jedis", version: 3 }),
  );
});

test("weights that are no positive number, and fractions where only whole ones exist", (t) => {
  for (const weight of [0, -0, -1, Number.NaN, Number.POSITIVE_INFINITY]) {
    refuses(t, weights(1, weight), { scheme: "slots" }, /node2.*a weight is a positive number/);
  }
  for (const weight of ["2", null, true, {}, Symbol("heavy"), 2n]) {
    refuses(t, weights(1, weight), { scheme: "slots" }, /weight of a node is a num/, "BAD_OPTION");
  }
  refuses(t, ["redis://a?weight=much"], { scheme: "slots" }, /NaN; a weight is a positive/);
  for (const scheme of ["twemproxy", "predis"]) {
    refuses(t, weights(1, 1.5), { scheme }, /"node2" is 1.5; .* has whole weights only/);
  }
  refuses(t, weights(0.5), { scheme: "jedis", version: 2 }, /jedis has whole weights only/);
  t.notThrows(() => new Placement(weights(0.5, 1.5) as PlacementNode[]));
});

test("weights whose modula table would not fit into memory", (t) => {
  const modula = { scheme: "twemproxy", distribution: "modula" };
  refuses(t, weights(1, 1_000_000), modula, /sum to more than a million/);
});

test("twemproxy's crc32 with ketama puts all keys on one node: a warning", (t) => {
  const nodes = ["a", "b", "c"];
  const ketama = new Placement(nodes, { scheme: "twemproxy", hash: "crc32" });
  t.is(ketama.warnings.length, 1);
  t.regex(ketama.warnings[0] ?? "", /15 bits.*nearly every key goes to the node of the lowest/);
  const keys = Array.from({ length: 1000 }, (_, index) => `user:${index}`);
  t.is(Math.max(...ketama.plan(keys).counts), 1000, "and so it does");
  for (const options of [{ hash: "crc32a" }, { hash: "crc32", distribution: "modula" }] as const) {
    t.deepEqual(new Placement(nodes, { scheme: "twemproxy", ...options }).warnings, []);
  }
});

test("redis-shard before 0.3.5 never ran on Python 3", (t) => {
  for (const version of ["0.1.3", "0.1.4", "0.3.4"]) {
    refuses(t, ["a"], { scheme: "redis-shard", version }, /Python 2 only.*add python: 2/);
    t.notThrows(() => new Placement(["a"], { scheme: "redis-shard", version, python: 2 }));
  }
});

test("a scheme, a parameter, a value or a version that there is not", (t) => {
  refuses(t, ["a"], { scheme: "ketama" }, /no placement scheme "ketama"; there are slots, /);
  refuses(t, ["a"], { scheme: "constructor" }, /no placement scheme "constructor"/);
  refuses(t, ["a"], { scheme: "slots", hash: "md5" }, /"slots" has no parameter "hash" \(it has/);
  refuses(
    t,
    ["a"],
    { scheme: "twemproxy", hashtag: "{}" },
    /no parameter "hashtag" \(distribution, hash, hashTag, signedChar\)/,
  );
  refuses(
    t,
    ["a"],
    { scheme: "redis-shard", hash: "sha256" },
    /knows no hash "sha256"; choose one of crc32, md5, sha1/,
  );
  refuses(t, ["a"], { scheme: "twemproxy", hashTag: "{}}" }, /the two characters around a tag/);
  refuses(t, ["a"], { scheme: "twemproxy", signedChar: "yes" }, /choose one of true, false/);
  for (const version of ["v5", "", "5.", "5.0.0.0", -1, "0.9"]) {
    refuses(t, ["a"], { scheme: "redis-rb", version }, /knows no version .*; give a version such/);
  }
  refuses(t, ["a"], { scheme: "slots", x: {} }, /a string, a number or a boolean/, "BAD_OPTION");
});

test("a version with a point is a string, as 2.10 is 2.1 to JavaScript", (t) => {
  const why = /version such as "2.1" is given as a string/;
  refuses(t, ["a"], { scheme: "jedis", version: 2.1 }, why, "BAD_OPTION");
  refuses(t, ["a"], { scheme: "jedis", version: Number.NaN }, /as a string/, "BAD_OPTION");
  const weighty = weights(1, 2) as PlacementNode[];
  const [early, late] = ["2.1", "2.10"] as const;
  const at = (version: string) => new Placement(weighty, { scheme: "jedis", version });
  const keys = Array.from({ length: 100 }, (_, index) => `user:${index}`);
  t.true(at(early).diff(at(late), keys).moved > 0, "which place keys differently");
});

test("a placement that is no scheme", (t) => {
  for (const options of [null, "slots", 5, [], {}, { scheme: 5 }, Symbol("slots")]) {
    refuses(t, ["a"], options, /a placement is { scheme: "…" }/, "BAD_OPTION");
  }
});

test("nodes that are none", (t) => {
  for (const nodes of [undefined, null, "a", { length: 1 }, new Set(["a"])]) {
    refuses(t, nodes, { scheme: "slots" }, /nodes of a placement are an array/, "BAD_OPTION");
  }
  // biome-ignore lint/suspicious/noSparseArray: that is the point
  for (const nodes of [[undefined], [null], [5], [["a"]], [Symbol("a")], [, "a"]]) {
    refuses(t, nodes, { scheme: "slots" }, /a node is a name, a URL or an object/, "BAD_OPTION");
  }
  refuses(t, [""], { scheme: "slots" }, /a string that is not empty/, "BAD_OPTION");
  refuses(t, [{ name: 5 }], { scheme: "slots" }, /a string that is not empty/, "BAD_OPTION");
  refuses(t, [{ host: 5 }], { scheme: "slots" }, /host and the path .* are str/, "BAD_OPTION");
  refuses(t, [{ host: null }], { scheme: "slots" }, /host and the path .* are/, "BAD_OPTION");
  refuses(t, [{ path: 5 }], { scheme: "slots" }, /host and the path .* are str/, "BAD_OPTION");
  refuses(t, [{ port: {} }], { scheme: "slots" }, /the port of a node is a number/, "BAD_OPTION");
});

test("a node URL that is none, without telling its password", (t) => {
  const build = () => new Placement(["redis://user:secret@:port"]);
  const error = t.throws(build, { code: "BAD_OPTION" });
  t.notRegex(String(error?.message), /secret/);
});

test("tables of slots that leave a slot without an owner, or give it two", (t) => {
  const nodes = ["a", "b"];
  for (const scheme of ["slots", "redis-cluster"]) {
    const table = (table: unknown) => ({ scheme, table });
    refuses(t, nodes, table({ a: [[0, 8190]], b: [[8192, 16383]] }), /slot 8191 without a node/);
    refuses(t, nodes, table({ a: [[1, 16383]] }), /slot 0 without a node/);
    refuses(t, nodes, table({ a: [[0, 100]] }), /has 101 slots, but .* has 16384/);
    refuses(t, nodes, table({ a: [[0, 8192]], b: [[8192, 16383]] }), /slot 8192 has two owners/);
    refuses(t, nodes, table({ a: [[0, 16383]], c: [] }), /it names "c", which is no node/);
    refuses(t, nodes, table({ a: [[0, 16384]] }), /a range is \[first, last\]/);
    refuses(t, nodes, table({ a: [[9, 8]] }), /a range is \[first, last\]/);
    refuses(t, nodes, table({ a: [[-1, 16383]] }), /a range is/);
    refuses(t, nodes, table({ a: [[0.5, 16383]] }), /a range is/);
    refuses(t, nodes, table({ a: [["0", "16383"]] }), /a range is/);
    refuses(t, nodes, table({ a: [5] }), /a range is/);
    refuses(t, nodes, table({ a: 5 }), /a has no list of ranges/);
    refuses(t, nodes, table({}), /has 0 slots, but/);
    refuses(t, nodes, table(null), /an object or an array/);
    refuses(t, nodes, table("a"), /an object or an array/);
    refuses(t, nodes, table(Array(16383).fill("a")), /has 16383 slots, but .* has 16384/);
    refuses(t, nodes, table(Array(16385).fill("a")), /has 16385 slots, but .* has 16384/);
    refuses(t, nodes, table(Array(16384).fill("c")), /it names "c", which is no node/);
    refuses(t, nodes, table(Array(16384)), /it names undefined, which is no node/);
    refuses(t, nodes, table(Array(16384).fill(0)), /it names 0, which is no node/);
  }
});

test("schemes that stand on a table need one, and others have no use for it", (t) => {
  refuses(t, ["a"], { scheme: "redis-cluster" }, /needs a table: .* each of its 16384 slots/);
  refuses(t, ["a"], { scheme: "codis" }, /needs a table: .* each of its 1024 slots/);
  refuses(t, ["a"], { scheme: "codis", table: { a: [[0, 16383]] } }, /16384 slots, .* has 1024/);
  refuses(t, ["a"], { scheme: "mredis", table: { a: [[0, 9]] } }, /has no slots for a table/);
});

test("a rediscluster key that begins with its tag: the original writes it under the empty key", (t) => {
  const placement = new Placement(["node_1", "node_2"], { scheme: "rediscluster" });
  for (const key of ["{tag}", "{tag}rest", "{"]) {
    for (const ask of [
      () => placement.nodeFor(key),
      () => placement.storedKey(key),
      () => placement.explain(key),
      () => placement.plan(["fine{tag}", key, "{second}"]),
    ]) {
      const error = t.throws(ask, { instanceOf: ShardisError, message: /leaves the empty key/ });
      t.is(error?.code, "BAD_KEY");
      t.deepEqual(error?.keys, [key]);
    }
  }
  const lines = Buffer.from("fine\n{tag}\n");
  const plan = () => placement.planBuffer(lines, { separator: "\n", text: true });
  t.throws(plan, { code: "BAD_KEY" });
  // To PHP a brace at the very start is no tag.
  const php = new Placement(["node_1"], { scheme: "rediscluster", client: "php" });
  t.is(php.storedKey("{tag}"), "{tag}");
});

test("a placement function that answers what is no node", (t) => {
  for (const answer of ["c", "", undefined, null, 0, {}, Promise.resolve("a"), "toString"]) {
    const placement = new Placement(["a", "b"], (() => answer) as () => string);
    for (const ask of [
      () => placement.nodeFor("key"),
      () => placement.explain("key"),
      () => placement.plan(["key"]),
      () => placement.planBuffer(Buffer.from("key"), { separator: 0 }),
    ]) {
      t.throws(ask, { code: "BAD_PLACEMENT", message: /function answers .*, which names no node/ });
    }
  }
  const failing = new Placement(["a"], () => {
    throw new RangeError("of its own");
  });
  t.throws(() => failing.nodeFor("key"), { instanceOf: RangeError, message: "of its own" });
});
