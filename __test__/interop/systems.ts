/** What is tried: each row is one client in one configuration, and shardis' name for the same. */

import type { PlacementOptions } from "../../src/index.ts";
import { twemproxyHashes } from "../helpers/twemproxy-hashes.ts";
import type { ClientName } from "./clients.ts";
import type { Kind, Selection } from "./keys.ts";
import type { Key } from "./protocol.ts";

export interface Server {
  host: string;
  port: number;
}

export interface Configuration {
  client: ClientName;
  label: string;
  /** How many servers, and what each is called. */
  nodes: number;
  name: (server: Server, index: number) => string;
  weights?: readonly number[];
  /** What the driver gives to the client. */
  config: Readonly<Record<string, unknown>>;
  placement: PlacementOptions;
  /** Whether this client leaves nodes empty in this configuration. */
  lopsided?: boolean;
  keys: Selection;
}

export interface Refusal extends Omit<Configuration, "keys"> {
  refuses: readonly Key[];
}

const called = (prefix: string) => (_: Server, index: number) => `${prefix}${index + 1}`;
const address = ({ host, port }: Server) => `${host}:${port}`;
const url = ({ host, port }: Server) => `redis://${host}:${port}/0`;

const latin1Text: readonly Kind[] = ["names", "tags", "awkward", "latin1", "long"];
const all: readonly Kind[] = [...latin1Text, "unicode", "bytes"];

const rings = [
  { nodes: 3, prefix: "node" },
  { nodes: 4, prefix: "feed" },
  { nodes: 5, prefix: "redis0" },
];
const redisShard = [
  { client: "redis-shard", version: "0.3.7" },
  { client: "redis-shard 0.3.6", version: "0.3.6" },
] as const;
const redisShards = redisShard.flatMap(({ client, version }) =>
  (["crc32", "md5", "sha1"] as const).flatMap((hash) =>
    rings.map(
      ({ nodes, prefix }): Configuration => ({
        client,
        label: `${hash}, ${nodes} servers ${prefix}*`,
        nodes,
        name: called(prefix),
        config: { hash },
        placement: { scheme: "redis-shard", hash, version, python: 3 },
        keys: { kinds: [...latin1Text, "bytes"] },
      }),
    ),
  ),
);

/** A key is stored without its tag and what follows. */
const untagged = (key: Key) => (typeof key === "string" ? key.replace(/\{.*/s, "") : key);

const rediscluster = [2, 3, 4, 5].flatMap((nodes): Configuration[] => {
  const common = {
    client: "rediscluster",
    nodes,
    name: called("node_"),
    config: {},
    placement: { scheme: "rediscluster", client: "python3" },
  } as const;
  return [
    {
      ...common,
      label: `${nodes} nodes, no tags`,
      keys: { kinds: ["names", "latin1", "long"], accepts: (key) => !key.includes("{") },
    },
    {
      ...common,
      label: `${nodes} nodes, tags that are cut off`,
      keys: {
        kinds: ["tags", "awkwardEnd", "latin1"],
        storedAs: untagged,
        // See `emptied`.
        accepts: (key) => untagged(key) !== "",
      },
    },
  ];
});

const mredis = [2, 3, 4, 5].map(
  (nodes): Configuration => ({
    client: "mredis",
    label: `${nodes} servers`,
    nodes,
    name: address,
    config: {},
    placement: { scheme: "mredis" },
    keys: { kinds: all },
  }),
);

/** The CRC of an empty tag is 0, with which RedisArray runs off its list of hosts: PHP crashes. */
const noEmptyTag = (key: Key) => !/^[^\0{]*\{\}/.test(Buffer.from(key).toString("latin1"));

const phpredisAlgorithms = ["md5", "sha1", "sha256", "crc32b"] as const;

interface Hosts {
  nodes: number;
  options: Omit<Extract<PlacementOptions, { scheme: "phpredis" }>, "scheme">;
}

const phpredis = [
  ...[2, 3, 4, 5].map((nodes) => ({ nodes, options: {} })),
  ...[3, 5].map((nodes) => ({ nodes, options: { consistent: true } })),
  ...phpredisAlgorithms.flatMap((algorithm) => [
    { nodes: 4, options: { algorithm } },
    { nodes: 3, options: { algorithm, consistent: true } },
  ]),
].map(
  ({ nodes, options }: Hosts): Configuration => ({
    client: "phpredis",
    label: `${nodes} hosts, ${JSON.stringify(options)}`,
    nodes,
    name: address,
    config: { ...options },
    placement: { scheme: "phpredis", ...options },
    keys:
      options.algorithm === "crc32b" && !options.consistent
        ? { kinds: all, accepts: noEmptyTag }
        : { kinds: all },
  }),
);

const redisRb = [1, 2, 3, 5].map(
  (nodes): Configuration => ({
    client: "redis-rb",
    label: `${nodes} nodes`,
    nodes,
    name: url,
    config: {},
    placement: { scheme: "redis-rb", version: 4 },
    keys: { kinds: all },
  }),
);

interface Pool {
  distribution: "ketama" | "modula";
  hash: (typeof twemproxyHashes)[number];
  hashTag?: string;
  weights?: readonly number[];
  /** Without, each server has no name but its address. */
  names?: readonly string[];
}

const four = ["shard1", "shard2", "shard3", "shard4"];
/** Not as twemproxy puts them, which sorts its servers: the shorter name first, then by bytes. */
const unsorted = ["shard10", "shard2", "é", "b", "aa"];

const twemproxy = [
  ...twemproxyHashes.map((hash): Pool => ({ distribution: "ketama", hash, names: four })),
  ...twemproxyHashes.map((hash): Pool => ({ distribution: "modula", hash, names: four })),
  ...(["ketama", "modula"] as const).flatMap((distribution): Pool[] => [
    { distribution, hash: "fnv1a_64", hashTag: "{}", weights: [1, 2, 3], names: four.slice(1) },
    { distribution, hash: "md5", hashTag: "{}", weights: [5, 1, 1, 10, 2], names: unsorted },
    { distribution, hash: "jenkins", weights: [1, 1, 1, 1, 1], names: unsorted },
    { distribution, hash: "murmur", hashTag: "$$", weights: [1, 1, 7] },
    { distribution, hash: "crc32a", hashTag: "{}" },
  ]),
].map(({ distribution, hash, hashTag, weights = [1, 1, 1, 1], names }): Configuration => {
  const about = [
    `${distribution}, ${hash}`,
    `weights ${weights.join(" ")}`,
    names === undefined ? "no names" : names.join(" "),
    ...(hashTag === undefined ? [] : [`hash_tag ${hashTag}`]),
  ];
  return {
    client: "twemproxy",
    label: about.join(", "),
    nodes: weights.length,
    name: (server, index) => names?.[index] ?? address(server),
    weights,
    config: { distribution, hash, ...(hashTag === undefined ? {} : { hash_tag: hashTag }) },
    placement: {
      scheme: "twemproxy",
      distribution,
      hash,
      ...(hashTag === undefined ? {} : { hashTag }),
    },
    // Its "crc32" has 15 bits and ketama's points 32: nearly every key is on one server.
    lopsided: distribution === "ketama" && hash === "crc32",
    keys: { kinds: all },
  };
});

export const configurations: readonly Configuration[] = [
  ...redisShards,
  ...rediscluster,
  ...mredis,
  ...phpredis,
  ...redisRb,
  ...twemproxy,
];

/** Above U+00FF; inside a tag too, and then only the tag counts. */
const beyondLatin1 = ["日本語", "ключ", "emoji😀", "{€}:user", "\u0100"];

export const refusals: readonly Refusal[] = [
  {
    client: "redis-shard",
    label: "text above U+00FF",
    nodes: 3,
    name: called("node"),
    config: { hash: "md5" },
    placement: { scheme: "redis-shard", hash: "md5" },
    refuses: beyondLatin1,
  },
  ...[
    { label: "text above U+00FF", refuses: beyondLatin1 },
    // Every redis-py that it can import (2.6.2 to 2.7.2) encodes the key once more.
    { label: "keys of bytes", refuses: ["user:1", "{a}b", "\0"].map((key) => Buffer.from(key)) },
  ].map(
    (row): Refusal => ({
      ...row,
      client: "rediscluster",
      nodes: 3,
      name: called("node_"),
      config: {},
      placement: { scheme: "rediscluster", client: "python3" },
    }),
  ),
];

/**
 * rediscluster stores a key that begins with its tag under the empty name: each overwrites the last
 * on its node. What it wrote is still there.
 */
export const emptied: Omit<Configuration, "keys"> & { writes: readonly string[] } = {
  client: "rediscluster",
  label: "keys that begin with a tag",
  nodes: 3,
  name: called("node_"),
  config: {},
  placement: { scheme: "rediscluster", client: "python3" },
  writes: ["{user:1}.name", "{}", "{a}{b}", "{"],
};

/**
 * What RedisArray takes and shardis has no name for, which must be an error and not the default:
 * "crc32" is what PHP's hash() calls so, bzip2's, and not the CRC that goes without an algorithm.
 */
export const unknown = ["crc32", "crc32c", "sha512", "xxh32", "xxh64"].map((algorithm) => ({
  label: `phpredis, algorithm ${algorithm}`,
  placement: { scheme: "phpredis", algorithm } as PlacementOptions,
}));
