/**
 * Golden vectors: every row of every file in `vectors/`, asked in every way in
 * which keys can be given. See `vectors/README.md` for where they come from.
 */
import test, { type ExecutionContext } from "ava";
import { Placement, type SchemeOptions, ShardisError } from "../src/index.ts";
import { twemproxyHashes } from "./helpers/twemproxy-hashes.ts";
import {
  asText,
  files,
  type Group,
  keys,
  pack,
  type Row,
  readGroups,
  readMore,
  weighted,
} from "./helpers/vectors.ts";

/** The options that mean what the configuration of a group means, by file. */
const schemes: Record<string, (group: Group) => object> = {
  "mredis.json": () => ({ scheme: "mredis" }),
  "phpredis.json": ({ hash, consistent }) => ({
    scheme: "phpredis",
    consistent,
    // The option left out is not the option "crc32b".
    ...(hash === "crc32" ? {} : { algorithm: hash }),
  }),
  "predis.json": ({ hash }) => ({
    scheme: "predis",
    distributor: hash === "HashRing" ? "hashring" : "ketama",
  }),
  "redis-cluster.json": () => ({ scheme: "slots" }),
  "redis-rb.json": () => ({ scheme: "redis-rb", version: "4.8.0" }),
  "redis-shard.json": ({ hash }) => ({ scheme: "redis-shard", hash }),
  "rediscluster.json": () => ({ scheme: "rediscluster" }),
  "twemproxy.json": ({ distribution, hash, hashTag }) => ({
    scheme: "twemproxy",
    distribution,
    hash,
    ...(hashTag ? { hashTag } : {}),
  }),
};

/** A key of a column, and the entry of the column about it. */
interface Entry<K extends string | Buffer = string | Buffer> {
  readonly key: K;
  readonly owner: number;
  /** The key on the wire, where it is another one. */
  readonly stored?: string;
}

/** Asks for the owners one by one, all at once, and out of one buffer. */
function checkOwners(t: ExecutionContext, placement: Placement, entries: readonly Entry[]) {
  const [keys, owners] = [entries.map(({ key }) => key), entries.map(({ owner }) => owner)];
  t.deepEqual(
    keys.map((key) => placement.indexFor(key)),
    owners,
  );
  t.deepEqual([...placement.plan(keys).owners], owners);
  const { bytes, ends } = pack(keys);
  const text = typeof keys[0] === "string";
  t.deepEqual([...placement.planBuffer(bytes, { ends, text }).owners], owners);
  for (const { key, owner, stored } of entries) {
    const explanation = placement.explain(key);
    t.is(explanation.index, owner);
    t.deepEqual(explanation.storedKey, stored ?? key);
  }
}

test("every file of vectors is known here", (t) => {
  t.deepEqual([...Object.keys(schemes), "more.json"].sort(), [...files].sort());
});

for (const [file, optionsOf] of Object.entries(schemes)) {
  test(`${file}: every key is where the original puts it`, (t) => {
    let [rows, missing] = [0, 0];
    const refused = new Set<string>();
    const placedByBytes = new Set<string>();
    for (const group of readGroups(file)) {
      const nodes = group.nodes.length === 0 ? ["a"] : weighted(group.nodes, group.weights);
      const placement = new Placement(nodes, optionsOf(group) as SchemeOptions);
      const columns = Object.keys(group.expect);
      const { bytes, text, slot, textStoredKey, textError } = group.expect;
      t.deepEqual(
        new Set(["bytes", "text", "slot", "textStoredKey", "textError", ...columns]).size,
        5,
        "a column that is not known here",
      );

      if (slot !== undefined) {
        t.is(slot.length, keys.length);
        t.deepEqual(
          keys.map((key) => placement.explain(key).slot),
          slot,
        );
        rows += slot.length;
      }

      if (bytes !== undefined) {
        t.is(bytes.length, keys.length);
        const entries = keys.flatMap((key, index) => {
          const owner = bytes[index];
          if (typeof owner === "number") return [{ key, owner }];
          // twemproxy refuses the empty key, so nobody knows where it would be.
          t.is(key.length, 0);
          missing += 1;
          return [];
        });
        checkOwners(t, placement, entries);
        rows += entries.length;
        if (text === undefined) {
          // A system that does not tell text from bytes.
          const texts = entries.flatMap(({ key, owner }) => {
            const text = asText(key);
            return text === undefined ? [] : [{ key: text, owner }];
          });
          checkOwners(t, placement, texts);
        }
      }

      if (text === undefined) continue;
      t.is(text.length, keys.length);
      const entries: Entry<string>[] = [];
      for (const [index, bytes] of keys.entries()) {
        const key = asText(bytes);
        const owner = text[index];
        if (key === undefined) {
          t.is(owner, null, "what is not UTF-8 is no text");
          missing += 1;
        } else if (typeof textError?.[index] === "string") {
          // The original refuses what Latin-1 lacks; under the same bytes it can have data.
          t.is(textError[index], "UnicodeEncodeError");
          t.is(owner, null);
          entries.push({ key, owner: placement.indexFor(bytes) });
          placedByBytes.add(key);
        } else {
          if (typeof owner !== "number") return t.fail(`no owner of the text ${key}`);
          const encoded = textStoredKey?.[index];
          const stored = encoded == null ? key : String(Buffer.from(String(encoded), "base64"));
          if (stored === "" && key !== "") {
            const error = t.throws(() => placement.indexFor(key), { instanceOf: ShardisError });
            t.is(error?.code, "BAD_KEY");
            t.throws(() => placement.plan(["fine", key]), { code: "BAD_KEY" });
            refused.add(key);
          } else {
            entries.push({ key, owner, stored });
          }
        }
        rows += 1;
      }
      checkOwners(t, placement, entries);
    }

    t.log(`${rows} rows, ${missing} that say nothing`);
    if (placedByBytes.size > 0) t.log(`placed by their bytes: ${placedByBytes.size} keys`);
    if (refused.size > 0)
      t.log(`refused: ${[...refused].map((key) => JSON.stringify(key.slice(0, 20)))}`);
    // The original writes all of these under the one empty key: exactly those that begin with a
    // brace and that it does not refuse itself.
    const begin = keys.map(asText).filter((key) => key?.startsWith("{") === true);
    const lost = begin.filter((key) => key !== undefined && !placedByBytes.has(key));
    t.deepEqual(refused, new Set(file === "rediscluster.json" ? lost : []));
    t.is(placedByBytes.size > 0, file === "redis-shard.json" || file === "rediscluster.json");
  });
}

test("more.json: other versions and systems, to the last row", (t) => {
  const { keys, rows } = readMore();
  const unchecked = new Map(rows);

  const take = (name: string): Row["result"] => {
    const row = unchecked.get(name);
    if (row === undefined) throw new Error(`there is no row ${name}, or it has been checked`);
    unchecked.delete(name);
    if (row.result.length !== keys.length) throw new Error(`${name} has another number of keys`);
    return row.result;
  };
  const checkOwners = (name: string, placement: Placement) => {
    const expected = take(name);
    const known = keys.filter((_, index) => expected[index] !== null);
    const wanted = expected.filter((owner) => owner !== null);
    const answer = (index: number) =>
      typeof wanted[0] === "string" ? placement.nodes[index] : index;
    t.deepEqual(
      known.map((key) => answer(placement.indexFor(key))),
      wanted,
      name,
    );
    t.deepEqual(Array.from(placement.plan(known).owners, answer), wanted, name);
    const { bytes, ends } = pack(known);
    t.deepEqual(Array.from(placement.planBuffer(bytes, { ends }).owners, answer), wanted, name);
  };

  for (const count of [2, 3, 5]) {
    const numbers = Array.from({ length: count }, (_, index) => index + 1);
    checkOwners(`mredis/N=${count}`, new Placement(numbers.map(String), { scheme: "mredis" }));
    const names = numbers.map((number) => `node_${number}`);
    checkOwners(`rediscluster/raw/N=${count}`, new Placement(names, { scheme: "rediscluster" }));
  }
  const cut = [
    ["rediscluster-py/get/N=3", "python2"],
    ["rediscluster-php/get/N=3 (64-bit)", "php"],
    ["rediscluster-php/get/N=3 (32-bit)", "php32"],
  ] as const;
  for (const [name, client] of cut) {
    const placement = new Placement(["node_1", "node_2", "node_3"], {
      scheme: "rediscluster",
      client,
    });
    const refused: string[] = [];
    for (const [index, pair] of take(name).entries()) {
      const key = keys[index];
      if (key === undefined || !Array.isArray(pair)) return t.fail(name);
      if (pair[1] === "" && key.length > 0) {
        t.throws(() => placement.indexFor(key), { code: "BAD_KEY" }, name);
        refused.push(key.toString());
      } else {
        const { node, storedKey } = placement.explain(key);
        t.deepEqual([node, Buffer.from(storedKey).toString("hex")], pair, name);
        t.is(placement.nodeFor(key), node);
      }
    }
    t.log(`${name} refuses ${JSON.stringify(refused)}`);
    const begin = keys.filter((key) => key[0] === 0x7b).map(String);
    // PHP takes a brace at the very start for no tag.
    t.deepEqual(refused, client === "python2" ? begin : []);
  }

  const shards = ["node1", "node2", "node3"];
  for (const hash of ["crc32", "md5", "sha1"] as const) {
    const python2 = new Placement(shards, { scheme: "redis-shard", hash, python: 2 });
    checkOwners(`redis-shard/${hash}/tags`, python2);
    // On Python 3 a bytes key has no tag.
    const python3 = new Placement(shards, { scheme: "redis-shard", hash });
    checkOwners(`redis-shard/${hash}/no-tags`, python3);
  }
  const signed = new Placement(shards, { scheme: "redis-shard", version: "0.3.4", python: 2 });
  checkOwners("redis-shard/crc32-signed/tags", signed);
  // No release signed its hashes and had no tags, so no options mean that; where a key has no tag
  // it is the row above.
  for (const [index, owner] of take("redis-shard/crc32-signed/no-tags").entries()) {
    const { tag, node } = signed.explain(keys[index] ?? "");
    if (tag === null) t.is(node, String(owner));
  }

  const slotsOf = (placement: Placement) => keys.map((key) => placement.explain(key).slot);
  t.deepEqual(slotsOf(new Placement(["a"])), take("redis-cluster/slot") as number[]);
  const codis = new Placement(["a"], { scheme: "codis", table: { a: [[0, 1023]] } });
  t.deepEqual(slotsOf(codis), take("codis/slot1024") as number[]);

  const short = [6379, 6380, 6381].map((port) => `redis://127.0.0.1:${port}`);
  const long = short.map((url) => `${url}/0`);
  const byName = (names: readonly string[], options: SchemeOptions) =>
    new Placement(weighted(names), options);
  checkOwners("redis-rb<=4.8/index", byName(long, { scheme: "redis-rb", version: 4 }));
  const rb5 = { scheme: "redis-rb", version: 5 } as const;
  checkOwners("redis-rb>=5 redis-client<0.21/index", byName(long, rb5));
  checkOwners("redis-rb>=5 redis-client>=0.21/index", byName(short, rb5));
  checkOwners("django-redis/ShardClient index", byName(long, { scheme: "django-redis" }));

  const goShards = ["shard1", "shard2", "shard3"];
  const go = (version: number) => new Placement(goShards, { scheme: "go-redis", version });
  checkOwners("go-redis/v8-v9 rendezvous", go(9));
  checkOwners("go-redis/v3-v7 consistenthash", go(7));

  const hosts = ["127.0.0.1:6379", "127.0.0.1:6380", "127.0.0.1:6381"];
  checkOwners("predis/HashRing", new Placement(hosts, { scheme: "predis" }));
  const heavy = weighted(hosts, [100, 200, 50]);
  checkOwners("predis/HashRing weighted", new Placement(heavy, { scheme: "predis" }));
  const predisKetama = { scheme: "predis", distributor: "ketama" } as const;
  checkOwners("predis/KetamaRing", new Placement(hosts, predisKetama));
  checkOwners("npm hashring (default md5)", new Placement(hosts, { scheme: "hashring" }));
  const php = { scheme: "phpredis" } as const;
  checkOwners("phpredis/default N=3", new Placement(hosts, php));
  checkOwners("phpredis/consistent", new Placement(hosts, { ...php, consistent: true }));
  checkOwners("phpredis/algorithm=md5 N=3", new Placement(hosts, { ...php, algorithm: "md5" }));
  checkOwners("phpredis/algorithm=sha1 N=3", new Placement(hosts, { ...php, algorithm: "sha1" }));

  const checkHashes = (name: string, placement: Placement) => {
    for (const [index, hash] of take(name).entries()) {
      const key = keys[index] ?? "";
      // The pool of twemproxy never asks its hash functions about the empty key.
      t.is(placement.explain(key).hash, key.length === 0 ? 0 : Number(hash), name);
    }
  };
  const servers = ["server1", "server2", "server3"];
  for (const hash of twemproxyHashes) {
    const x86 = new Placement(servers, { scheme: "twemproxy", hash });
    checkOwners(`twemproxy/ketama/${hash}`, x86);
    checkHashes(`twemproxy/hash/${hash}`, x86);
    const onArm = `twemproxy/hash/${hash} (unsigned char)`;
    if (!unchecked.has(onArm)) continue;
    const arm = new Placement(servers, { scheme: "twemproxy", hash, signedChar: false });
    checkHashes(onArm, arm);
  }

  const murmur = new Placement(["a"], { scheme: "jedis" });
  t.deepEqual(
    keys.map((key) => BigInt.asUintN(64, BigInt(murmur.explain(key).hash ?? 0)).toString()),
    take("jedis/murmur64A u64") as string[],
  );
  const pools = [
    ["jedis/index", "4", ""],
    ["jedis/name", "3", " (>=2.10)"],
    ["jedis/name+weight", "2.9", " (<=2.9)"],
  ] as const;
  for (const [name, version, suffix] of pools) {
    for (const hash of ["murmur", "md5"] as const) {
      // Up to 3 it is whether a node has a name that counts; from 4 on no weights do.
      const old = version === "4";
      const nodes = old
        ? [1, 2, 1].map((weight, index) => ({ host: `s${index + 1}`, weight }))
        : weighted(["s1", "s2", "s3"], [1, 2, 1]);
      const options = { scheme: "jedis", hash, version: old ? "3" : version } as const;
      const placement = new Placement(nodes, options);
      const expected = take(`${name}/${hash}${suffix}`);
      t.deepEqual(
        keys.map((key) => `s${placement.indexFor(key) + 1}`),
        expected as string[],
      );
      t.deepEqual(
        Array.from(placement.plan(keys).owners, (owner) => `s${owner + 1}`),
        expected as string[],
      );
    }
  }

  t.log(`${rows.size} rows of ${keys.length} keys`);
  t.deepEqual([...unchecked.keys()], [], "rows that nobody checked");
});

test("more.json: a placement that a user published", (t) => {
  const { extra } = readMore();
  t.is(Object.keys(extra).length, 1);
  // zhihu/redis-shard#40: 0.3.6 on Python 3.8, whose tags do nothing.
  for (const { nodes, keys, result } of Object.values(extra)) {
    const placement = new Placement(nodes, {
      scheme: "redis-shard",
      hash: "md5",
      version: "0.3.6",
    });
    t.deepEqual(
      keys.map((key) => placement.nodeFor(key)),
      result,
    );
    t.deepEqual(
      Array.from(placement.plan(keys).owners, (owner) => nodes[owner]),
      result,
    );
  }
});
