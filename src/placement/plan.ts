/** The owner of each of many keys, and the keys of each owner. */
import { bytesOf, native } from "../native.ts";

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
  /** For each node how many of the keys it owns, duplicates counted. */
  readonly counts: Uint32Array;
  /** For each node how many bytes its keys have. */
  readonly bytes: Float64Array;
  #order: Uint32Array | undefined;

  /** @internal */
  constructor(nodes: readonly string[], owners: Uint16Array, totals: Float64Array) {
    this.nodes = nodes;
    this.owners = owners;
    this.counts = new Uint32Array(nodes.length);
    this.bytes = new Float64Array(nodes.length);
    for (let node = 0; node < nodes.length; node++) {
      this.counts[node] = totals[2 * node] ?? 0;
      this.bytes[node] = totals[2 * node + 1] ?? 0;
    }
  }

  /** How many keys were planned. */
  get length(): number {
    return this.owners.length;
  }

  /** The positions of all keys, node after node; for one node they ascend. */
  get order(): Uint32Array {
    if (this.#order === undefined) {
      this.#order = new Uint32Array(this.owners.length);
      native.group(bytesOf(this.owners), this.nodes.length, bytesOf(this.#order));
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
