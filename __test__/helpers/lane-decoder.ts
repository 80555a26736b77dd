/** The native scanner and what builds replies of its tokens, fed with chunks as a socket's. */
import { ReplyBuilder, type ReplyTaker } from "../../src/lane/reply.ts";
import { native, Wait } from "../../src/native.ts";

/** So few that larger replies fill them. */
const MOST_TOKENS = 50;

/** As many replies as come. */
const ALL = 0xffff_ffff;

const tokens = new Uint32Array(3 * MOST_TOKENS);
const progress = new Uint32Array(6);

export class LaneDecoder {
  readonly #scanner = new native.ReplyScanner();
  readonly #builder = new ReplyBuilder();
  readonly #taker: ReplyTaker;
  #held: Buffer[] = [];
  #heldBytes = 0;
  #needed = 0;
  #isInsidePush = false;
  /** How many replies the scanner has counted. */
  counted = 0;

  constructor(taker: ReplyTaker) {
    this.#taker = taker;
  }

  /** Gives the taker what is complete now. Throws for what is no reply, and then is of no use. */
  feed(chunk: Buffer): void {
    this.#held.push(chunk);
    this.#heldBytes += chunk.length;
    if (this.#heldBytes < this.#needed) return;
    const bytes = this.#held.length === 1 ? chunk : Buffer.concat(this.#held);
    let at = 0;
    while (at < bytes.length) {
      const from = at;
      at = this.#isInsidePush ? this.#skip(bytes, at) : this.#scan(bytes, at);
      if (at === from) break;
    }
    const rest = bytes.subarray(at);
    this.#held = rest.length > 0 ? [rest] : [];
    this.#heldBytes = rest.length;
  }

  #scan(bytes: Buffer, from: number): number {
    try {
      this.#scanner.scan(bytes, from, ALL, tokens, progress);
    } finally {
      // What lies before a fault is good.
      this.counted += progress[2] ?? 0;
      this.#builder.build(tokens, 3 * (progress[1] ?? 0), bytes, this.#taker);
    }
    const [consumed = 0, , , waitsFor, needed = 0] = progress;
    if (waitsFor === Wait.Push) return this.#skip(bytes, consumed);
    this.#needed = waitsFor === Wait.Bytes ? needed : 0;
    return consumed;
  }

  #skip(bytes: Buffer, from: number): number {
    this.#scanner.skip(bytes, from, 0, progress);
    this.#needed = 0;
    this.#isInsidePush = progress[5] === 2;
    return progress[0] ?? 0;
  }
}
