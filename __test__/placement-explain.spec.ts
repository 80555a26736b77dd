/** `explain` says why a key lies where it lies: one example of each kind of scheme. */
import test from "ava";
import { Placement } from "../src/index.ts";

test("slots: CRC16 of the tag, modulo 16384, and the owner of that slot", (t) => {
  const placement = new Placement(["a", "b", "c"]);
  t.deepEqual(placement.explain("{user1000}.following"), {
    key: "{user1000}.following",
    storedKey: "{user1000}.following",
    tag: "user1000",
    hashed: Buffer.from("user1000"),
    hash: 19827,
    hashName: "crc16",
    slot: 3443,
    node: placement.nodeFor("user1000"),
    index: placement.indexFor("user1000"),
    scheme: "slots",
  });
  t.is(19827 % 16384, 3443);
});

test("a table of slots: whoever it names", (t) => {
  const options = {
    scheme: "redis-cluster",
    table: { a: [[0, 8191]], b: [[8192, 16383]] },
  } as const;
  const { slot, node, tag } = new Placement(["a", "b"], options).explain("foo");
  t.deepEqual({ slot, node, tag }, { slot: 12182, node: "b", tag: null });
});

test("a ring: the point that the hash belongs to", (t) => {
  const placement = new Placement(["server1", "server2", "server3"], {
    scheme: "twemproxy",
    hash: "crc32a",
    hashTag: "{}",
  });
  const { hash, point, ...rest } = placement.explain("foo");
  t.is(hash, 0x8c736521);
  t.true(typeof point === "number" && point >= 0x8c736521, "the next point clockwise");
  t.deepEqual(rest, {
    key: "foo",
    storedKey: "foo",
    tag: null,
    hashed: Buffer.from("foo"),
    hashName: "crc32",
    node: "server1",
    index: 0,
    scheme: "twemproxy",
  });
});

test("a ring of wide hashes: a bigint", (t) => {
  const nodes = ["node1", "node2", "node3"];
  const md5 = new Placement(nodes, { scheme: "redis-shard", hash: "md5" }).explain("foo");
  t.is(md5.hash, 0xacbd18db4cc2f85cedef654fccc4a4d8n);
  t.is(md5.hashName, "md5");
  t.is(typeof md5.point, "bigint");
  const { hash } = new Placement(["a"], { scheme: "jedis" }).explain("foo");
  t.is(BigInt.asIntN(64, BigInt(hash ?? 0)), -7063922479176959649n, "a long in Java");
});

test("modulo: the hash, and nothing between it and the node", (t) => {
  t.deepEqual(new Placement(["a", "b", "c"], { scheme: "modulo" }).explain(12345), {
    key: 12345,
    storedKey: "12345",
    tag: null,
    hashed: Buffer.from("12345"),
    hash: 0xcbf53a1c,
    hashName: "crc32",
    node: ["a", "b", "c"][0xcbf53a1c % 3] ?? "",
    index: 0xcbf53a1c % 3,
    scheme: "modulo",
  });
});

test("range: phpredis cuts all hashes into as many ranges as there are hosts", (t) => {
  const { hash, index, tag, hashed } = new Placement(["h1", "h2", "h3"], {
    scheme: "phpredis",
  }).explain("{}cart");
  t.deepEqual({ tag, hashed: hashed.length }, { tag: "", hashed: 0 }, "an empty tag counts there");
  t.deepEqual({ hash, index }, { hash: 0xffffffff, index: 0 }, "the register of the CRC32");
});

test("rendezvous: the hash that every node scores against", (t) => {
  const placement = new Placement(["shard1", "shard2", "shard3"], { scheme: "go-redis" });
  const { hash, hashName, node, slot, point } = placement.explain("foo");
  t.deepEqual(
    { hash, hashName, node, slot, point },
    {
      hash: 0x33bf00a859c4ba3fn,
      hashName: "xxh64",
      node: "shard1",
      slot: undefined,
      point: undefined,
    },
  );
});

test("rediscluster: the tag is cut off the key that is stored", (t) => {
  const placement = new Placement(["node_1", "node_2", "node_3"], { scheme: "rediscluster" });
  t.true(placement.rewritesKeys);
  t.like(placement.explain("bar{zap}"), {
    key: "bar{zap}",
    storedKey: "bar",
    tag: "zap",
    hashed: Buffer.from("zap"),
    node: placement.nodeFor("zap"),
  });
  t.is(placement.storedKey("bar{zap}"), "bar");
  // On Python 3 bytes have no tag, so nothing is cut off.
  t.deepEqual(placement.storedKey(Buffer.from("bar{zap}")), Buffer.from("bar{zap}"));
});

test("redis-shard: a text is hashed as Latin-1, its bytes as they are", (t) => {
  const placement = new Placement(["node1", "node2", "node3"], { scheme: "redis-shard" });
  t.like(placement.explain("{café}x"), {
    storedKey: "{café}x",
    tag: "café",
    hashed: Buffer.from("café", "latin1"),
  });
  t.like(placement.explain(Buffer.from("{café}x")), {
    storedKey: Buffer.from("{café}x"),
    tag: null,
    hashed: Buffer.from("{café}x"),
  });
  // What Latin-1 lacks the original refuses; it lies where the same bytes do.
  t.like(placement.explain("{日本}x"), { tag: null, hashed: Buffer.from("{日本}x") });
  t.is(placement.nodeFor("{日本}x"), placement.nodeFor(Buffer.from("{日本}x")));
});

test("a function of your own: it gets the bytes and names the node", (t) => {
  const seen: Buffer[] = [];
  const placement = new Placement(["even", "odd"], (key) => {
    seen.push(key);
    return key.length % 2 === 0 ? "even" : "odd";
  });
  t.deepEqual(placement.explain("é{tag}"), {
    key: "é{tag}",
    storedKey: "é{tag}",
    tag: null,
    hashed: Buffer.from("é{tag}"),
    node: "odd",
    index: 1,
    scheme: "function",
  });
  t.deepEqual(seen, [Buffer.from("é{tag}")]);
});

test("bytes are explained in bytes", (t) => {
  const key = Buffer.from([0xff, 0x7b, 0xfe, 0x7d]);
  const { storedKey, tag, hashed } = new Placement(["a"]).explain(key);
  t.deepEqual(
    { storedKey, tag, hashed },
    {
      storedKey: key,
      tag: Buffer.from([0xfe]),
      hashed: Buffer.from([0xfe]),
    },
  );
});
