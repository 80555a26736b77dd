/** What one would write, or install, to place keys without shardis. */
import { hash as digest } from "node:crypto";
import { crc32 as zlibCrc32 } from "node:zlib";
import slotOf from "cluster-key-slot";
import HashRing from "hashring";

/** The owners of all keys, by their index. */
export type Place = (keys: readonly string[]) => ArrayLike<number>;

const CRC32_TABLE = Int32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  return crc;
});

/**
 * The CRC of a key or of its hash tag. Tried and found slower: four bytes at a
 * time with four tables, and looking for the brace in the same loop.
 */
function crc32Loop(key: string): number {
  let start = 0;
  let end = key.length;
  const open = key.indexOf("{");
  if (open !== -1) {
    const close = key.indexOf("}", open + 1);
    if (close > open + 1) {
      start = open + 1;
      end = close;
    }
  }
  let crc = -1;
  let seen = 0;
  for (let index = start; index < end; index++) {
    const code = key.charCodeAt(index);
    seen |= code;
    // biome-ignore lint/style/noNonNullAssertion: a check would slow the rival down
    crc = CRC32_TABLE[(crc ^ code) & 0xff]! ^ (crc >>> 8);
  }
  // Beyond ASCII characters are no bytes.
  return seen < 0x80 ? ~crc >>> 0 : zlibCrc32(key.slice(start, end));
}

/** The same with the CRC that Node brings. */
function crc32Zlib(key: string): number {
  const open = key.indexOf("{");
  if (open === -1) return zlibCrc32(key);
  const close = key.indexOf("}", open + 1);
  return zlibCrc32(close > open + 1 ? key.slice(open + 1, close) : key);
}

/**
 * Owners by a table of bytes. Not one function for this and the next: V8 makes
 * the best of a closure, its constants built in, only where there is one of it.
 */
export function crc32Loops(nodes: number): Place {
  return (keys) => {
    const owners = new Uint16Array(keys.length);
    for (let index = 0; index < keys.length; index++) {
      owners[index] = crc32Loop(keys[index] ?? "") % nodes;
    }
    return owners;
  };
}

export function crc32Zlibs(nodes: number): Place {
  return (keys) => {
    const owners = new Uint16Array(keys.length);
    for (let index = 0; index < keys.length; index++) {
      owners[index] = crc32Zlib(keys[index] ?? "") % nodes;
    }
    return owners;
  };
}

type Encoding = "hex" | "latin1" | "buffer";

/** Digests and nothing else: less than a placement needs. */
export function digests(algorithm: "md5" | "sha1", encoding: Encoding): Place {
  return (keys) => {
    const lengths = new Uint16Array(keys.length);
    for (let index = 0; index < keys.length; index++) {
      // The two overloads of `hash` do not take a union of encodings.
      lengths[index] = digest(algorithm, keys[index] ?? "", encoding as "hex").length;
    }
    return lengths;
  };
}

/**
 * redis-shard's ring of 128 points a node. Digests in hexadecimal are in the
 * order of their numbers, so they are compared as they are.
 */
export function redisShardRing(algorithm: "md5" | "sha1", names: readonly string[]): Place {
  const points = names
    .flatMap((name, owner) =>
      Array.from({ length: 128 }, (_, i) => ({ point: digest(algorithm, `${name}:${i}`), owner })),
    )
    .toSorted((a, b) => (a.point < b.point ? -1 : 1));
  const bounds = points.map(({ point }) => point);
  const ownerOf = Uint16Array.from(points, ({ owner }) => owner);
  const owner = (key: string): number => {
    const hash = digest(algorithm, key);
    let low = 0;
    let high = bounds.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (hash < (bounds[middle] ?? "")) high = middle;
      else low = middle + 1;
    }
    return ownerOf[Math.min(low, bounds.length - 1)] ?? 0;
  };
  return (keys) => {
    const owners = new Uint16Array(keys.length);
    for (let index = 0; index < keys.length; index++) owners[index] = owner(keys[index] ?? "");
    return owners;
  };
}

/** Slots as ioredis computes them, with a table of who owns each. */
export function clusterSlots(table: Uint16Array): Place {
  return (keys) => {
    const owners = new Uint16Array(keys.length);
    for (let index = 0; index < keys.length; index++) {
      owners[index] = table[slotOf(keys[index] ?? "")] ?? 0;
    }
    return owners;
  };
}

/** npm `hashring`, which remembers the nodes of so many keys. */
export function hashring(names: readonly string[], remembered: number): Place {
  const ring = new HashRing([...names], "md5", { "max cache size": remembered });
  const indexes = new Map(names.map((name, index) => [name, index]));
  return (keys) => {
    const owners = new Uint16Array(keys.length);
    for (let index = 0; index < keys.length; index++) {
      owners[index] = indexes.get(ring.get(keys[index] ?? "")) ?? 0;
    }
    return owners;
  };
}
