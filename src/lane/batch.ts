/** Many commands to one node, encoded at once, that ioredis takes for one command. */
import { Command, ReplyError } from "ioredis";

/** What shapes replies, as ioredis tells each command that it sends. */
export type ReplyContext = NonNullable<Parameters<Command["setReplyContext"]>[0]>;

const LEGACY: ReplyContext = { protocol: 2, replyMapping: "legacy" };

/** Who waits for the replies to a batch. */
export interface Replies {
  /** Whether strings of a reply are text, rather than Buffers. */
  isText(index: number): boolean;
  /** The reply to a command came; an error is what the server answered. */
  settle(index: number, reply: unknown, context: ReplyContext): void;
  /** No reply to a command will come, or come in time. */
  fail(index: number, explain: Explain): void;
}

/** Makes the error of a command whose reply does not come. */
export type Explain = (name: string, keys: readonly unknown[]) => unknown;

/** Commands to one node. Replies come in the order of the commands. */
export class Batch {
  readonly size: number;
  #bytes: Buffer | string;
  /** None once all have come, or will not. */
  #replies: Replies | undefined;
  /** How many replies have come. */
  #answered = 0;
  #context: ReplyContext = LEGACY;

  /** @param bytes the commands as they go on the wire */
  constructor(bytes: Buffer | string, size: number, replies: Replies) {
    this.#bytes = bytes;
    this.size = size;
    this.#replies = replies;
  }

  get bytes(): Buffer | string {
    return this.#bytes;
  }

  /** How many replies are still to come. */
  get left(): number {
    return this.size - this.#answered;
  }

  /** Whether strings of the next reply are text. */
  get isText(): boolean {
    return this.#replies?.isText(this.#answered) ?? true;
  }

  set context(context: ReplyContext) {
    this.#context = context;
  }

  /** The next reply. Late ones are taken too, so that they reach no other command. */
  take(reply: unknown): void {
    this.#replies?.settle(this.#answered, reply, this.#context);
    // If that threw, it has not been answered, and fails with those behind it.
    this.#answered++;
    if (this.#answered === this.size) this.#release();
  }

  /** Fails the commands whose replies have not come. */
  fail(explain: Explain): void {
    const replies = this.#replies;
    this.#release();
    for (let index = this.#answered; index < this.size; index++) replies?.fail(index, explain);
  }

  /** Whoever still has the batch, as the garbage collector may, keeps nothing else by it. */
  #release(): void {
    this.#replies = undefined;
    this.#bytes = "";
  }
}

/** A batch as ioredis sends it: one command, which is settled once all replies have come. */
export class BatchCommand extends Command {
  readonly batch: Batch;

  constructor(batch: Batch) {
    super("batch");
    this.batch = batch;
  }

  override setReplyContext(context: ReplyContext | null | undefined): void {
    super.setReplyContext(context);
    if (context) this.batch.context = context;
  }

  override toWritable(): Buffer | string {
    return this.batch.bytes;
  }
}

/** Whether a reply is an error that the server answered. */
export function isErrorReply(reply: unknown): reply is Error {
  return reply instanceof ReplyError;
}
