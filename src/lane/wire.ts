/**
 * The bytes that come from a server, parted between batches and ioredis.
 *
 * ioredis keeps the queue of what has been sent, and its head tells whose reply
 * comes next. Replies to ordinary commands are passed on to ioredis as they
 * come. Those to a batch are taken out by the native scanner, or read at once
 * where one is all that came; when all are there, their command is taken off the
 * queue and settled, as ioredis does with its own, so that its time-outs,
 * reconnects and events go on working.
 */
import type { Redis } from "ioredis";
import { native, Wait } from "../native.ts";
import { type Batch, BatchCommand } from "./batch.ts";
import { readLone, UNREAD } from "./lone.ts";
import { ReplyBuilder } from "./reply.ts";

type Listener = (bytes: Buffer) => void;

/** `>`, the first byte of what a server says unasked, such as messages. */
const PUSH = 0x3e;

/** `*`, the first byte of a message to one who has subscribed in RESP2. */
const ARRAY = 0x2a;

const LINE_FEED = 0x0a;

/** As many as a chunk of a socket mostly holds; the scanner is asked again for more. */
const MOST_TOKENS = 8192;

/** Natives fill these, and they are read before the next call. */
const tokens = new Uint32Array(3 * MOST_TOKENS);
const progress = new Uint32Array(6);

/** What the words of `progress` say. */
const PROGRESS = { consumed: 0, tokens: 1, replies: 2, waitsFor: 3, needed: 4, isInside: 5 };
/** What a scanner is in the midst of. */
const IS_INSIDE = { nothing: 0, reply: 1, push: 2 };

/** As many replies as come. */
const ALL = 0xffff_ffff;

export class Wire {
  readonly #client: Redis;
  readonly #socket: Redis["stream"];
  /** ioredis', which this stands before. */
  readonly #listeners: readonly Listener[];
  readonly #scanner = new native.ReplyScanner();
  readonly #builder = new ReplyBuilder();
  /** Bytes from a token on that is not all there, and how it will be known that it is. */
  #held: Buffer[] = [];
  #heldBytes = 0;
  #needed = 0;
  #mostInLine = 0;
  /** Of what was passed on last, what is not all there yet. */
  #isInside = IS_INSIDE.nothing;
  /** How many batches have been sent whose replies are due. */
  #batches = 0;
  #replies = 0;

  /**
   * Comes between a client and its socket, before the first byte.
   *
   * @param client just connected: ioredis listens already, and nothing has come
   */
  constructor(client: Redis) {
    this.#client = client;
    this.#socket = client.stream;
    this.#listeners = replaceListeners(this.#socket, (bytes) => this.#receive(bytes));
  }

  /** How many replies to commands of batches have come. */
  get replies(): number {
    return this.#replies;
  }

  /** Whether this is the socket that a client has now. */
  isOf(client: Redis): boolean {
    return client.stream === this.#socket;
  }

  /** Sends a batch; its replies go to it, and the command is settled then. */
  send(command: BatchCommand): void {
    this.#batches++;
    this.#client.sendCommand(command);
  }

  #receive(bytes: Buffer): void {
    try {
      if (this.#held.length === 0) this.#read(bytes);
      else this.#readOn(bytes);
    } catch (error) {
      // Whatever comes on this connection, nobody can tell whose it is.
      this.#socket.destroy(error instanceof Error ? error : new Error(String(error)));
    }
  }

  /** What came before ended within a token: the two are joined where it ends. */
  #readOn(bytes: Buffer): void {
    const end =
      this.#needed > 0 ? this.#needed - this.#heldBytes : bytes.indexOf(LINE_FEED) + 1 || Infinity;
    if (end > bytes.length) {
      this.#hold(bytes);
      return;
    }
    const joined = Buffer.concat([...this.#held, bytes.subarray(0, end)]);
    this.#held = [];
    this.#heldBytes = 0;
    this.#read(joined);
    if (end === bytes.length) return;
    const rest = bytes.subarray(end);
    if (this.#held.length === 0) this.#read(rest);
    else this.#readOn(rest);
  }

  #hold(bytes: Buffer): void {
    this.#held.push(bytes);
    this.#heldBytes += bytes.length;
    if (this.#needed === 0 && this.#heldBytes > this.#mostInLine) {
      throw new RangeError(`a line of more than ${this.#mostInLine} bytes`);
    }
  }

  #read(bytes: Buffer): void {
    let at = 0;
    while (at < bytes.length) {
      if (this.#isInside === IS_INSIDE.push) {
        at = this.#pass(bytes, at, 0);
      } else if (this.#batches === 0) {
        at = this.#pass(bytes, at, ALL);
      } else if (this.#isInside === IS_INSIDE.reply) {
        // ioredis may have taken it for complete, as it does not look at the last line feed.
        at = this.#pass(bytes, at, 1);
      } else {
        const batch = this.#nextBatch();
        const isSubscriber = this.#client.mode === "subscriber";
        // Nothing but errors is answered to others then: an array is a message.
        if (batch !== undefined && !(isSubscriber && bytes[at] === ARRAY)) {
          if (at === 0 && batch.left === 1 && this.#takeLone(bytes, batch)) return;
          const end = this.#scan(bytes, at, batch, isSubscriber ? 1 : batch.left);
          if (end === undefined) return;
          at = end;
        } else {
          // One by one: the head of the queue tells whose the next is.
          at = this.#pass(bytes, at, bytes[at] === PUSH ? 0 : 1);
        }
      }
    }
  }

  /** The batch whose reply comes next, if it is not one that ioredis awaits. */
  #nextBatch(): Batch | undefined {
    const next = this.#client.commandQueue.peekFront()?.command;
    return next instanceof BatchCommand ? next.batch : undefined;
  }

  /** Passes replies on to ioredis, at most so many, with pushes before and between them. */
  #pass(bytes: Buffer, at: number, most: number): number {
    let refusal: unknown;
    try {
      this.#scanner.skip(bytes, at, most, progress);
    } catch (error) {
      refusal = error;
    }
    const consumed = progress[PROGRESS.consumed] ?? 0;
    this.#isInside = progress[PROGRESS.isInside] ?? 0;
    // What came before something that is no reply was answered all the same.
    this.#deliver(at === 0 && consumed === bytes.length ? bytes : bytes.subarray(at, consumed));
    if (refusal !== undefined) throw refusal;
    checkProgress(at, consumed);
    return consumed;
  }

  /** Whether the last reply to a batch was all that has come, and such as most are. */
  #takeLone(bytes: Buffer, batch: Batch): boolean {
    if (!this.#builder.isIdle) return false;
    const reply = readLone(bytes, batch.isText);
    if (reply === UNREAD) return false;
    this.#replies++;
    batch.take(reply);
    this.#settle(batch);
    return true;
  }

  /** All replies to the first batch are there. */
  #settle(batch: Batch): void {
    this.#batches--;
    this.#client.commandQueue.shift()?.command.resolve(batch.size);
  }

  /** Gives a batch what has come of its replies; undefined if the rest of the bytes is held. */
  #scan(bytes: Buffer, at: number, batch: Batch, most: number): number | undefined {
    let refusal: unknown;
    try {
      this.#scanner.scan(bytes, at, most, tokens, progress);
    } catch (error) {
      refusal = error;
    }
    const consumed = progress[PROGRESS.consumed] ?? 0;
    const waitsFor = progress[PROGRESS.waitsFor];
    const needed = progress[PROGRESS.needed] ?? 0;
    this.#replies += progress[PROGRESS.replies] ?? 0;
    this.#builder.build(tokens, 3 * (progress[PROGRESS.tokens] ?? 0), bytes, batch);
    if (refusal !== undefined) throw refusal;
    if (batch.left === 0) {
      this.#settle(batch);
      return consumed;
    }
    if (waitsFor === Wait.Push) return this.#pass(bytes, consumed, 0);
    if (waitsFor === Wait.Nothing) {
      checkProgress(at, consumed);
      return consumed;
    }
    this.#needed = waitsFor === Wait.Bytes ? needed : 0;
    this.#mostInLine = needed;
    this.#hold(bytes.subarray(consumed));
    return undefined;
  }

  #deliver(bytes: Buffer): void {
    for (const listener of this.#listeners) listener(bytes);
  }
}

function checkProgress(from: number, to: number): void {
  if (to <= from) throw new RangeError("the scanner of replies does not get on");
}

/**
 * Takes the place of those who listen to a socket. Those who listen once, as
 * ioredis does for its `socketTimeout`, only want to know that something came.
 *
 * `on` rather than ioredis' `prependListener`: only by it does a stream learn that
 * somebody listens. To one that does not know, it gives everything a tick later,
 * and stops reading after each large chunk (`kDataListening` in Node's
 * lib/internal/streams/readable.js).
 */
function replaceListeners(socket: Redis["stream"], listen: Listener): Listener[] {
  const listeners = socket.rawListeners("data") as Listener[];
  for (const listener of listeners) socket.removeListener("data", listener);
  socket.on("data", listen);
  const isOnce = (listener: Listener) => "listener" in listener;
  for (const listener of listeners.filter(isOnce)) socket.on("data", listener);
  // Without a listener it has stopped to flow.
  socket.resume();
  return listeners
    .filter((listener) => !isOnce(listener))
    .map((listener) => (bytes) => Reflect.apply(listener, socket, [bytes]));
}
