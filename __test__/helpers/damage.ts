/** Replies with faults, and chunks of them, all from one seed. */
import { generator } from "./model-draw.ts";

/** What stands in lines, and at their ends. */
const TELLING = Buffer.from("$*:+-_,#(=!~%|>\r\n0123456789?.eint-\0\xff", "latin1");

/** Lengths and numbers at limits. */
const LIMITS = [
  "-1",
  "0",
  "1",
  "127",
  "128",
  "536870912",
  "536870913",
  "1073741823",
  "2147483647",
  "2147483648",
  "4294967295",
  "9223372036854775808",
  "?",
  "",
].map((limit) => Buffer.from(`${limit}\r\n`));

/** How many faults there are at most. */
const MOST_FAULTS = 4;

export class Damage {
  readonly #random: () => number;

  constructor(seed: number) {
    this.#random = generator(seed);
  }

  /** A whole number below `end`. */
  below(end: number): number {
    return Math.floor(this.#random() * end);
  }

  pick<T>(list: readonly T[]): T {
    const picked = list[this.below(list.length)];
    if (picked === undefined) throw new RangeError("there is nothing to pick from");
    return picked;
  }

  /** A copy with some faults, or none. */
  damage(bytes: Buffer): Buffer {
    let damaged: Buffer = Buffer.from(bytes);
    for (let left = this.below(MOST_FAULTS + 1); left > 0; left--) damaged = this.#spoil(damaged);
    return damaged;
  }

  /** The bytes in chunks, each of memory of its own. */
  cut(bytes: Buffer): Buffer[] {
    const chunks: Buffer[] = [];
    const most = 1 + this.below(2 ** (1 + this.below(10)));
    for (let at = 0; at < bytes.length; ) {
      const end = at + 1 + this.below(most);
      chunks.push(Buffer.from(bytes.subarray(at, end)));
      at = end;
    }
    return chunks;
  }

  #spoil(bytes: Buffer): Buffer {
    const at = this.below(bytes.length + 1);
    const end = at + this.below(9);
    const [before, part, after] = [
      bytes.subarray(0, at),
      bytes.subarray(at, end),
      bytes.subarray(end),
    ];
    switch (this.below(7)) {
      case 0:
        // One bit.
        if (at < bytes.length) bytes[at] = (bytes[at] ?? 0) ^ (1 << this.below(8));
        return bytes;
      case 1:
        if (at < bytes.length) bytes[at] = this.#telling();
        return bytes;
      case 2:
        return Buffer.concat([before, Buffer.of(this.#telling()), part, after]);
      case 3:
        return Buffer.concat([before, after]);
      case 4:
        return Buffer.concat([before, part, part, after]);
      case 5:
        // Another number, behind the first byte of a line.
        return this.#replaceNumber(bytes, at);
      default:
        return Buffer.from(before);
    }
  }

  #telling(): number {
    return TELLING[this.below(TELLING.length)] ?? 0;
  }

  #replaceNumber(bytes: Buffer, near: number): Buffer {
    const start = bytes.indexOf("\r\n", near) + 3;
    const end = bytes.indexOf("\r\n", start) + 2;
    if (start < 3 || end < 2) return bytes;
    return Buffer.concat([bytes.subarray(0, start), this.pick(LIMITS), bytes.subarray(end)]);
  }
}
