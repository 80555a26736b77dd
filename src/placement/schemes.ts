/**
 * The placement schemes and their parameters, as types and documentation; what
 * they do is a table in `crates/core/src/scheme/presets.rs`.
 */

/**
 * Which node owns each slot: the ranges of slots, ends included, of each node
 * by its name; or the name of the owner of every slot.
 *
 * @example
 * { a: [[0, 8191]], b: [[8192, 16383]] }
 */
export type SlotTable =
  | Readonly<Record<string, readonly (readonly [first: number, last: number])[]>>
  | readonly string[];

/** The default: slots and hash tags of Redis Cluster, owned by weighted rendezvous. */
export interface SlotsOptions {
  readonly scheme: "slots";
  /** An explicit owner of each of the 16384 slots, instead of rendezvous. */
  readonly table?: SlotTable;
}

/** A real Redis Cluster's slots. */
export interface RedisClusterOptions {
  readonly scheme: "redis-cluster";
  readonly table: SlotTable;
}

/** Codis: 1024 slots by CRC32. */
export interface CodisOptions {
  readonly scheme: "codis";
  readonly table: SlotTable;
}

/** `hash(key) % nodes`, as much hand-written sharding has it. */
export interface ModuloOptions {
  readonly scheme: "modulo";
  readonly hash?:
    | "crc32"
    | "crc32_high"
    | "crc16"
    | "md5"
    | "md5_le"
    | "md5_be"
    | "fnv1_32"
    | "fnv1a_32"
    | "jenkins"
    | "murmur"
    | "murmur64"
    | "xxh64";
  /** The two characters around a tag, such as `"{}"`; none by default. */
  readonly hashTag?: string | false;
}

/** gmr/mredis. */
export interface MRedisOptions {
  readonly scheme: "mredis";
}

/**
 * salimane/rediscluster for Python and PHP. Nodes are named `node_1` to
 * `node_N`. The tag is cut off the key that is stored. Text that Latin-1 lacks,
 * which the Python 3 client refuses, is placed as the same key in bytes.
 */
export interface RedisclusterOptions {
  readonly scheme: "rediscluster";
  /** Which client wrote the data; `"php32"` is PHP on 32 bits. */
  readonly client?: "python3" | "python2" | "php" | "php32";
}

/**
 * zhihu/redis-shard. On Python 3 a text key is hashed as Latin-1 and may have a
 * tag; bytes are hashed as they are, and have none. Text that Latin-1 lacks,
 * which the original refuses, is placed as the same key in bytes.
 */
export interface RedisShardOptions {
  readonly scheme: "redis-shard";
  readonly hash?: "crc32" | "md5" | "sha1";
  /** The version that wrote the data; `"0.3.7"` by default. */
  readonly version?: string;
  readonly python?: 3 | 2;
}

/** twitter/twemproxy (nutcracker). */
export interface TwemproxyOptions {
  readonly scheme: "twemproxy";
  readonly distribution?: "ketama" | "modula";
  /** By its own names: its `crc32` is not the usual one, which is `crc32a`. */
  readonly hash?:
    | "one_at_a_time"
    | "md5"
    | "crc16"
    | "crc32"
    | "crc32a"
    | "fnv1_64"
    | "fnv1a_64"
    | "fnv1_32"
    | "fnv1a_32"
    | "hsieh"
    | "murmur"
    | "jenkins";
  /** The two characters of its option `hash_tag`, such as `"{}"`. */
  readonly hashTag?: string | false;
  /** Whether it ran where `char` is signed: on x86 yes (the default), on ARM no. */
  readonly signedChar?: boolean;
}

/** redis-rb's `Redis::Distributed`. The name of a node is its id. */
export interface RedisRbOptions {
  readonly scheme: "redis-rb";
  /** 5 by default; 4 and before hash labels by CRC32. */
  readonly version?: number | string;
}

/** Predis' cluster of independent nodes. Weights are 100 by default. */
export interface PredisOptions {
  readonly scheme: "predis";
  readonly distributor?: "hashring" | "ketama";
}

/** phpredis' `RedisArray`. */
export interface PhpRedisOptions {
  readonly scheme: "phpredis";
  /** Its option `algorithm`; leave it out where it was left out there. */
  readonly algorithm?: "crc32b" | "md5" | "sha1" | "sha256";
  readonly consistent?: boolean;
}

/** go-redis' `Ring`. The name of a node is its key in `Addrs`. */
export interface GoRedisOptions {
  readonly scheme: "go-redis";
  /** 9 by default; 7 and before had a consistent hash. */
  readonly version?: number | string;
}

/** Jedis' sharded pools. Nodes without a name go by their place in the list. */
export interface JedisOptions {
  readonly scheme: "jedis";
  readonly hash?: "murmur" | "md5";
  /** 4 by default; from 2.10 to 3 names count, up to 2.9 with the weight. */
  readonly version?: number | string;
  /** Whether `DEFAULT_KEY_TAG_PATTERN` was given. */
  readonly hashTag?: boolean;
}

/** django-redis' `ShardClient`. The name of a node is its URL. */
export interface DjangoRedisOptions {
  readonly scheme: "django-redis";
}

/** The npm package `hashring`. */
export interface HashringOptions {
  readonly scheme: "hashring";
}

/** A named scheme with its parameters. */
export type SchemeOptions =
  | SlotsOptions
  | RedisClusterOptions
  | CodisOptions
  | ModuloOptions
  | MRedisOptions
  | RedisclusterOptions
  | RedisShardOptions
  | TwemproxyOptions
  | RedisRbOptions
  | PredisOptions
  | PhpRedisOptions
  | GoRedisOptions
  | JedisOptions
  | DjangoRedisOptions
  | HashringOptions;

/** A placement of your own: the name of the node that owns a key. */
export type PlacementFunction = (key: Buffer) => string;

/** A scheme, or a function of your own. */
export type PlacementOptions = SchemeOptions | PlacementFunction;
