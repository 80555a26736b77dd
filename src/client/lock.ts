/**
 * Locks: one key on one node, which a client holds for a while.
 *
 * The key has a token that only its holder knows, so that nobody releases
 * another's lock, and a life, so that a holder that dies does not hold it for
 * good. Every acquisition gets a greater fencing number: whoever writes to what
 * the lock protects can refuse a smaller one, since a holder may be paused for
 * longer than its lock lives (Kleppmann, "How to do distributed locking", 2016).
 * A failover may lose the key, and with it the lock.
 */
import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { ShardisError } from "../errors.ts";
import { describe } from "../keys.ts";
import type { Carrier } from "./carrier.ts";

export interface LockOptions {
  /** How many milliseconds the lock lives if it is not released or extended. */
  readonly ttl: number;
  /** How many milliseconds to wait for whoever holds it; 0, the default, is not at all. */
  readonly wait?: number;
}

/** KEYS: lock, fence. ARGV: token, life. Returns the fencing number, or how long the lock lives. */
const ACQUIRE = `
if redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then
  return { redis.call('INCR', KEYS[2]), 0 }
end
return { 0, redis.call('PTTL', KEYS[1]) }
`;

/** KEYS: lock. ARGV: token, life; without a life it is released. Returns whether it was held. */
const KEEP = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
if ARGV[2] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return redis.call('DEL', KEYS[1])
`;

/** In milliseconds: how soon a lock that is held is asked for again, at the latest. */
const LONGEST_PAUSE = 100;

/** A lock that is held. */
export class Lock implements AsyncDisposable {
  readonly key: string;
  /** Greater than that of whoever held the lock before. */
  readonly fence: number;
  readonly #token: string;
  readonly #carrier: Carrier;

  /** @internal */
  constructor(carrier: Carrier, key: string, token: string, fence: number) {
    this.#carrier = carrier;
    this.key = key;
    this.#token = token;
    this.fence = fence;
  }

  /**
   * Lets the lock live for so many milliseconds from now on.
   *
   * @throws ShardisError `LOCK_LOST` if it is no longer held
   */
  async extend(ttl: number): Promise<void> {
    checkLife(ttl);
    await this.#keep(ttl);
  }

  /**
   * Gives the lock back.
   *
   * @throws ShardisError `LOCK_LOST` if it is no longer held: what was done last was not protected
   */
  async release(): Promise<void> {
    await this.#keep();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.release();
  }

  async #keep(...life: number[]): Promise<void> {
    const args = [KEEP, 1, this.key, this.#token, ...life];
    if ((await this.#carrier.run("eval", args, "utf8")) === 1) return;
    throw new ShardisError("LOCK_LOST", `the lock ${describe(this.key)} is no longer held`, {
      keys: [this.key],
    });
  }
}

/**
 * Acquires a lock.
 *
 * @param carrier pinned to the node of the key
 * @throws ShardisError `LOCKED` if another holds it, and goes on holding it; `BAD_ARGUMENT`
 */
export async function acquire(carrier: Carrier, key: string, options: LockOptions): Promise<Lock> {
  const { ttl, wait = 0 } = options ?? {};
  checkLife(ttl);
  const token = randomBytes(16).toString("hex");
  const until = performance.now() + wait;
  for (;;) {
    const args = [ACQUIRE, 2, key, `${key}:fence`, token, ttl];
    const reply = await carrier.run("eval", args, "utf8");
    const [fence, left] = Array.isArray(reply) ? reply.map(Number) : [];
    if (fence !== undefined && fence > 0) return new Lock(carrier, key, token, fence);
    const pause = Math.min(Math.max(left ?? 0, 1), LONGEST_PAUSE) * (0.5 + Math.random() / 2);
    if (performance.now() + pause > until) {
      throw new ShardisError("LOCKED", `the lock ${describe(key)} is held by another`, {
        keys: [key],
      });
    }
    await sleep(pause);
  }
}

function checkLife(ttl: unknown): void {
  if (Number.isInteger(ttl) && Number(ttl) > 0) return;
  throw new ShardisError("BAD_ARGUMENT", "the ttl of a lock is a whole number of milliseconds");
}
