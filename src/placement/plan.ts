/** The owner of each of many keys, and the keys of each owner. */
import { native } from "../native.ts";

/**
 * Which node owns each of many keys.
 *
 * @example
 * const plan = placement.plan(["user:1", "user:2", "user:1"]);
 * for (const [node, positions] of plan.groups()) console.log(node, positions);
 */
export class Plan {
  /** The names of all nodes. */
  readonly nodes: readonly string[];
  /** For each key the index of its node in `nodes`. */
  readonly owners: Uint16Array;
  /** For each node the count of its keys, and of their bytes. */
  readonly #totals: Float64Array;
  #counts: Uint32Array | undefined;
  #order: Uint32Array | undefined;

  /** @internal */
  constructor(nodes: readonly string[], owners: Uint16Array, totals: Float64Array) {
    this.nodes = nodes;
    this.owners = owners;
    this.#totals = totals;
  }

  /** For each node how many of the keys it owns, duplicates counted. */
  get counts(): Uint32Array {
    this.#counts ??= Uint32Array.from(this.#totals.filter((_, index) => index % 2 === 0));
    return this.#counts;
  }

  /** For each node how many bytes its keys have. */
  get bytes(): Float64Array {
    return this.#totals.filter((_, index) => index % 2 === 1);
  }

  /** How many keys were planned. */
  get length(): number {
    return this.owners.length;
  }

  /** The positions of all keys, node after node; for one node they ascend. */
  get order(): Uint32Array {
    if (this.#order === undefined) {
      this.#order = new Uint32Array(this.owners.length);
      native.group(this.owners, this.nodes.length, this.#order);
    }
    return this.#order;
  }

  /** The positions of the keys of each node that owns any, by the node's name. */
  groups(): Map<string, Uint32Array> {
    const groups = new Map<string, Uint32Array>();
    let start = 0;
    for (const [index, node] of this.nodes.entries()) {
      const end = start + (this.counts[index] ?? 0);
      if (end > start) groups.set(node, this.order.subarray(start, end));
      start = end;
    }
    return groups;
  }
}
