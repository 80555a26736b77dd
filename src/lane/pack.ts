/** Arguments on their way to the native side: one run of bytes, and where each ends. */
import { scratch } from "../placement/scratch.ts";

/** Arguments, packed; valid until the next are. */
export interface Packed {
  readonly bytes: Buffer;
  readonly ends: Uint32Array;
  /** Whether ends count as strings do, in UTF-16, rather than in bytes. */
  readonly isUtf16: boolean;
}

/** How long a string is joined before it becomes bytes: longer ones leave the caches. */
const MOST_JOINED = 1 << 15;

let kept = new Uint32Array(4096);

/**
 * Packs arguments: strings are joined first, as one long string becomes bytes
 * much faster than many short ones. Undefined where that would not do: a string
 * has half of a surrogate pair, or text that is not ASCII stands beside bytes,
 * so that ends would be of two kinds.
 */
export function pack(args: readonly (string | Uint8Array)[]): Packed | undefined {
  const packing = new Packing(args.length);
  let joined = "";
  let base = 0;
  let count = 0;
  const { ends } = packing;
  for (const arg of args) {
    if (typeof arg === "string") {
      joined += arg;
      ends[count++] = base + joined.length;
      if (joined.length < MOST_JOINED) continue;
      if (!packing.write(joined)) return undefined;
      base += joined.length;
      joined = "";
    } else {
      if (!packing.write(joined)) return undefined;
      base += joined.length + arg.length;
      joined = "";
      packing.put(arg);
      ends[count++] = base;
    }
  }
  if (!packing.write(joined)) return undefined;
  if (packing.isAscii) return packing.finish(false);
  return packing.hasBytes ? undefined : packing.finish(true);
}

/** The same, with ends in bytes, and every argument the bytes that it has alone. */
export function packOneByOne(args: readonly (string | Uint8Array)[]): Packed {
  const packing = new Packing(args.length);
  for (const [index, arg] of args.entries()) {
    packing.put(typeof arg === "string" ? Buffer.from(arg) : arg);
    packing.ends[index] = packing.length;
  }
  return packing.finish(false);
}

class Packing {
  readonly ends: Uint32Array;
  isAscii = true;
  hasBytes = false;
  length = 0;
  readonly #count: number;
  #memory = scratch(0);

  constructor(count: number) {
    this.#count = count;
    if (count > kept.length) kept = new Uint32Array(2 * count);
    this.ends = kept;
  }

  /** Writes text; false if its bytes would not be those of the strings that it was joined of. */
  write(text: string): boolean {
    if (text.length === 0) return true;
    this.#reserve(3 * text.length);
    const written = this.#memory.write(text, this.length);
    this.length += written;
    if (written === text.length) return true;
    this.isAscii = false;
    return text.isWellFormed();
  }

  put(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#memory.set(bytes, this.length);
    this.length += bytes.length;
    this.hasBytes = true;
  }

  finish(isUtf16: boolean): Packed {
    return {
      bytes: this.#memory.subarray(0, this.length),
      ends: this.ends.subarray(0, this.#count),
      isUtf16,
    };
  }

  #reserve(more: number): void {
    const wanted = this.length + more;
    if (wanted <= this.#memory.length) return;
    const larger = scratch(2 * wanted);
    larger.set(this.#memory.subarray(0, this.length));
    this.#memory = larger;
  }
}
