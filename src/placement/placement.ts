/** Which node owns a key: placement without any connection. */
import { ShardisError } from "../errors.ts";
import { type BufferLayout, checkKey, checkLayout, type Key } from "../keys.ts";
import type { NativePlacement } from "../native.ts";
import { type Engine, FunctionEngine, NativeEngine } from "./engine.ts";
import { type Nameable, type NamedNode, nameNode, readNodeUrl } from "./node-name.ts";
import type { Plan } from "./plan.ts";
import type { PlacementOptions } from "./schemes.ts";

/**
 * A node of a placement: its name; or a URL or an object, such as a client
 * takes, of which name, address and weight matter here.
 */
export type PlacementNode = string | Nameable;

/** Why a key lies where it lies. */
export interface Explanation {
  /** The key as it was given. */
  readonly key: Key;
  /** The key that goes on the wire; a string if the key is one. */
  readonly storedKey: string | Buffer;
  /** The hash tag, or null if the key has none. */
  readonly tag: string | Buffer | null;
  /** The bytes that were hashed. */
  readonly hashed: Buffer;
  /** Their hash; a bigint where it has more than 32 bits. None with a function of your own. */
  readonly hash?: number | bigint;
  /** The name of the hash. */
  readonly hashName?: string;
  /** The slot, in schemes with slots. */
  readonly slot?: number;
  /** The point of the ring that the key belongs to, in schemes with a ring. */
  readonly point?: number | bigint;
  /** The name of the owner. */
  readonly node: string;
  /** The index of the owner in the list of nodes. */
  readonly index: number;
  /** The name of the scheme. */
  readonly scheme: string;
}

/** What changes from one placement to another. */
export interface PlacementDiff {
  /** How many keys were looked at. */
  readonly keys: number;
  /** How many of them another node owns, or have another name on the wire. */
  readonly moved: number;
  /** How many go from which node to which, most first. */
  readonly moves: readonly { readonly from: string; readonly to: string; readonly keys: number }[];
  /** The positions of the keys that move. */
  readonly positions: Uint32Array;
}

/**
 * A scheme over given nodes: which of them owns each key.
 *
 * @example
 * const placement = new Placement(["a", "b", "c"]);
 * placement.nodeFor("user:1"); // "b"
 */
export class Placement {
  /** The names of the nodes, in the order given. */
  readonly nodes: readonly string[];
  /** The name of the scheme, or `"function"`. */
  readonly scheme: string;
  /** Sentences about choices that are legal but unwise. */
  readonly warnings: readonly string[];
  readonly #engine: Engine;

  /**
   * @param nodes the nodes, at least one; their order matters to some schemes
   * @param options the scheme and its parameters; `slots` if left out
   * @throws ShardisError `BAD_PLACEMENT` if nodes and parameters do not fit,
   *   `BAD_OPTION` if they are not what they should be
   */
  constructor(nodes: readonly PlacementNode[], options: PlacementOptions = { scheme: "slots" }) {
    if (!Array.isArray(nodes)) {
      throw new ShardisError("BAD_OPTION", "the nodes of a placement are an array");
    }
    // Not map, which would skip the holes of a sparse array.
    const named = Array.from<PlacementNode, NamedNode>(nodes, (node) => nameNode(readNode(node)));
    this.nodes = named.map(({ name }) => name);
    this.#engine =
      typeof options === "function"
        ? new FunctionEngine(this.nodes, options)
        : new NativeEngine(named, options);
    this.scheme = typeof options === "function" ? "function" : options.scheme;
    this.warnings = this.#engine.warnings;
  }

  /** Whether the key on the wire may differ from the key given, as where a tag is cut off. */
  get rewritesKeys(): boolean {
    return this.#engine.rewritesKeys;
  }

  /** @internal What places and encodes keys at once, where no key is rewritten. */
  get native(): NativePlacement | undefined {
    return this.#engine.native;
  }

  /**
   * The name of the node that owns a key.
   *
   * @throws ShardisError `BAD_KEY`
   */
  nodeFor(key: Key): string {
    return nameAt(this.nodes, this.indexFor(key));
  }

  /**
   * The index of the node that owns a key.
   *
   * @throws ShardisError `BAD_KEY`
   */
  indexFor(key: Key): number {
    return this.#engine.owner(checkKey(key));
  }

  /**
   * The key that goes on the wire.
   *
   * @throws ShardisError `BAD_KEY`
   */
  storedKey(key: Key): string | Uint8Array {
    const checked = checkKey(key);
    return this.rewritesKeys ? this.#engine.storedKey(checked) : checked;
  }

  /**
   * Why a key lies where it lies.
   *
   * @throws ShardisError `BAD_KEY`
   */
  explain(key: Key): Explanation {
    const { owner, ...explanation } = this.#engine.explain(checkKey(key));
    return {
      key,
      ...explanation,
      node: nameAt(this.nodes, owner),
      index: owner,
      scheme: this.scheme,
    };
  }

  /**
   * The owner of each of many keys: far faster than asking one by one.
   *
   * @throws ShardisError `BAD_KEY` for the first key that is none
   */
  plan(keys: readonly Key[]): Plan {
    if (!Array.isArray(keys)) {
      throw new ShardisError("BAD_ARGUMENT", "the keys of a plan are an array");
    }
    return this.#engine.plan(keys);
  }

  /**
   * The owner of each key in a buffer, such as a file of lines: the fastest
   * way, as no key becomes a string.
   *
   * @param bytes all keys; not shared with other threads
   * @param layout where one key ends and the next begins
   * @throws ShardisError `BAD_OFFSETS` for ends that do not ascend up to the
   *   end of the bytes, `BAD_KEY`, `BAD_ARGUMENT`
   * @example
   * const plan = placement.planBuffer(await readFile("keys.txt"), { separator: "\n" });
   */
  planBuffer(bytes: Uint8Array, layout: BufferLayout): Plan {
    return this.#engine.planBuffer(bytes, checkLayout(bytes, layout));
  }

  /**
   * What would move if `other` took the place of this: between which nodes, by
   * their names, also if the schemes differ.
   *
   * @throws ShardisError `BAD_KEY`, `BAD_ARGUMENT`
   */
  diff(other: Placement, keys: readonly Key[]): PlacementDiff {
    // Not instanceof: it may be of another copy of this package.
    if (typeof other !== "object" || other === null || typeof other.plan !== "function") {
      throw new ShardisError("BAD_ARGUMENT", "a placement is compared with another Placement");
    }
    const [before, after] = [this.plan(keys), other.plan(keys)];
    const renames = this.rewritesKeys || other.rewritesKeys;
    const counts = new Map<number, number>();
    const positions: number[] = [];
    for (const [position, key] of keys.entries()) {
      const from = before.owners[position] ?? 0;
      const to = after.owners[position] ?? 0;
      const stays = this.nodes[from] === other.nodes[to];
      if (stays && !(renames && isRenamed(this.storedKey(key), other.storedKey(key)))) continue;
      positions.push(position);
      const pair = from * other.nodes.length + to;
      counts.set(pair, (counts.get(pair) ?? 0) + 1);
    }
    const moves = [...counts].map(([pair, count]) => ({
      from: nameAt(this.nodes, Math.floor(pair / other.nodes.length)),
      to: nameAt(other.nodes, pair % other.nodes.length),
      keys: count,
    }));
    moves.sort((a, b) => b.keys - a.keys);
    return {
      keys: keys.length,
      moved: positions.length,
      moves,
      positions: Uint32Array.from(positions),
    };
  }
}

function isRenamed(before: string | Uint8Array, after: string | Uint8Array): boolean {
  return Buffer.compare(Buffer.from(before), Buffer.from(after)) !== 0;
}

function nameAt(nodes: readonly string[], index: number): string {
  const name = nodes[index];
  if (name === undefined) throw new RangeError(`there is no node ${index}`);
  return name;
}

function readNode(node: PlacementNode): Nameable {
  if (typeof node === "string") {
    return node.includes("://") ? readNodeUrl(node).node : { name: node };
  }
  if (typeof node === "object" && node !== null && !Array.isArray(node)) return node;
  throw new ShardisError("BAD_OPTION", "a node is a name, a URL or an object");
}
