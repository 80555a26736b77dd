/**
 * Every error of shardis, each with a stable `code`. Errors that a Redis server
 * answers (`WRONGTYPE …`) are not among them: they pass through unchanged.
 */

/** What went wrong, by code. */
export const ERROR_CODES = {
  ABORTED: "a signal has called the command off",
  BAD_ARGUMENT: "an argument is not what the method takes",
  BAD_KEY: "a key that cannot be placed or sent",
  BAD_OFFSETS: "offsets that do not describe the bytes they came with",
  BAD_OPTION: "an option, or a node, that cannot work",
  BAD_PLACEMENT: "scheme, parameters and nodes that do not fit",
  CLOSED: "the client, or the transaction, has been closed",
  CONFLICT: "others have changed the keys, or taken over, while they were moved, set or watched",
  CONNECTION_LOST: "the connection broke before the reply came; the command may have run",
  CROSS_NODE: "the keys of one command lie on several nodes",
  LOCK_LOST: "the lock is no longer held",
  LOCKED: "another holds the lock",
  NATIVE_MISSING: "the native module cannot be loaded",
  NODE_DOWN: "the node cannot be reached; the command was not sent",
  PARTIAL_FAILURE: "some nodes answered, others did not",
  QUEUE_FULL: "too many commands wait for the node; the command was not sent",
  SAME_SERVER: "two names stand for one server",
  TIMEOUT: "no reply in time",
  UNSUPPORTED: "this version cannot run the command over several nodes",
} as const;

/** One of the stable codes. */
export type ErrorCode = keyof typeof ERROR_CODES;

/** What a {@link ShardisError} knows beyond its code and message. */
export interface ErrorDetails {
  /** The name of the node concerned. */
  readonly node?: string | undefined;
  /** The command concerned, in lower case. */
  readonly command?: string | undefined;
  /** The keys of that command, as they were given. */
  readonly keys?: readonly unknown[] | undefined;
  /**
   * Whether the command had been written to the connection. If so, and it is a
   * write, nobody can say whether it was applied.
   */
  readonly sent?: boolean | undefined;
  /** What caused it. */
  readonly cause?: unknown;
}

const BRAND = Symbol.for("shardis.error");

/**
 * An error of shardis.
 *
 * @example
 * try {
 *   await redis.get("user:1");
 * } catch (error) {
 *   if (error instanceof ShardisError && error.code === "NODE_DOWN") console.log(error.node);
 * }
 */
export class ShardisError extends Error {
  override readonly name: string = "ShardisError";
  readonly code: ErrorCode;
  readonly node: string | undefined;
  readonly command: string | undefined;
  readonly keys: readonly unknown[] | undefined;
  readonly sent: boolean | undefined;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.node = details.node;
    this.command = details.command;
    this.keys = details.keys;
    this.sent = details.sent;
    Object.defineProperty(this, BRAND, { value: true });
  }

  /** Holds for the errors of another copy of this package too (ESM beside CommonJS). */
  static override [Symbol.hasInstance](value: unknown): boolean {
    return isBranded(value);
  }
}

function isBranded(value: unknown): value is ShardisError {
  return typeof value === "object" && value !== null && BRAND in value;
}

/** What became of one node's part of a command. */
export interface NodeFailure {
  readonly error: Error;
  /** The keys of the command that this node owns, as they were given. */
  readonly keys: readonly unknown[];
  /**
   * `"not applied"`: the command was never sent, or the server refused it;
   * `"unknown"`: it was sent, and the reply was lost.
   */
  readonly outcome: "not applied" | "unknown";
}

/**
 * A command over several nodes of which some did not answer. Nothing that did
 * arrive is lost: it is in `results`.
 */
export class PartialFailureError extends ShardisError {
  override readonly name = "PartialFailureError";
  /**
   * What the command returned for the nodes that answered: for commands with a
   * value for each key an array in the order of the keys, with `undefined`
   * (which no Redis reply is) where the node of the key failed; for counts the
   * sum over the nodes that answered; for views over nodes an object by node.
   */
  readonly results: unknown;
  /** The failure of each node that did not answer, by its name. */
  readonly failures: ReadonlyMap<string, NodeFailure>;
  /** The keys whose node answered: for a write, the keys to which it was applied. */
  readonly applied: readonly unknown[];

  constructor(
    command: string,
    results: unknown,
    failures: ReadonlyMap<string, NodeFailure>,
    applied: readonly unknown[],
  ) {
    const reasons = [...failures].map(([node, { error, outcome, keys }]) => {
      const count = keys.length === 1 ? "1 key" : `${keys.length} keys`;
      return `${node} (${count}, ${outcome}): ${error.message}`;
    });
    super(
      "PARTIAL_FAILURE",
      `${command} failed on ${failures.size} of its nodes: ${reasons.join("; ")}. ` +
        "What the others answered is in error.results",
      {
        command,
        node: failures.keys().next().value,
        keys: [...failures.values()].flatMap(({ keys }) => keys),
        cause: failures.values().next().value?.error,
      },
    );
    this.results = results;
    this.failures = failures;
    this.applied = applied;
  }

  static override [Symbol.hasInstance](value: unknown): boolean {
    return isBranded(value) && value.code === "PARTIAL_FAILURE";
  }
}

/** An error of the native side, which carries a code and a sentence, as one of ours. */
export function fromNative(error: unknown, details: ErrorDetails = {}): unknown {
  if (!(error instanceof Error) || !("code" in error)) return error;
  const code = Object.keys(ERROR_CODES).find((known): known is ErrorCode => known === error.code);
  return code === undefined ? error : new ShardisError(code, error.message, details);
}
