/**
 * SORT with patterns whose keys may lie on any node. The collection is copied to
 * the node where the command runs, which tells its elements; then the values that
 * the patterns name for these are copied to there too, under names that another
 * pattern names. So the server itself sorts, as it always does.
 *
 * The copy of the collection is ours alone: no element can come to it for which
 * nothing has been copied.
 */
import { ShardisError } from "../../errors.ts";
import type { Placement } from "../../placement/placement.ts";
import { type Argument, type ReplyEncoding, toArgument } from "../arguments.ts";
import type { PlacedCommand, PlacedKey } from "../placed.ts";
import { keyNamed, readSortOptions, readSortPatterns, type SortPattern } from "../sort-options.ts";
import { COPY_LIFE, newCopyName, succeed } from "./copies.ts";
import { isReply, type SendBatch } from "./send.ts";

/** How many values are copied in one go, so that none holds a server up for long. */
const MOST_VALUES = 10_000;

/** In their order: with a limit, the weights decide which values are to be got. */
const KINDS = ["by", "get"] as const;

/** Round trips, for `explain`; values that lie where the command runs save some. */
export function sortRoundTrips({ command, args }: PlacedCommand): number {
  const kinds = new Set(readSortPatterns(command, args).map(({ kind }) => kind));
  // DUMP, RESTORE, and the command; for each kind the elements, the values, and their copies.
  return 3 + 3 * kinds.size;
}

/** One SORT over several nodes. */
export class Sorting {
  readonly #sort: PlacedCommand;
  readonly #source: PlacedKey;
  /** The node where the result is stored, or else that of the collection. */
  readonly #target: number;
  readonly #placement: Placement;
  readonly #send: SendBatch;
  /** The name of the copy of the collection. */
  readonly #collection = newCopyName();
  /** All copies that have been made. */
  readonly #copies: Argument[] = [];
  /** The arguments, in which copies take the place of what they are copies of. */
  readonly #args: Argument[];

  constructor(sort: PlacedCommand, placement: Placement, send: SendBatch) {
    const [source] = sort.keys;
    if (source === undefined) throw new TypeError("SORT has a key");
    this.#sort = sort;
    this.#source = source;
    this.#target = sort.keys.at(-1)?.owner ?? source.owner;
    this.#placement = placement;
    this.#send = send;
    this.#args = [this.#collection, ...sort.args.slice(1)];
  }

  /**
   * Carries it out.
   *
   * @throws the error of the server, or of the node that could not be reached;
   *   nothing has been written then, unless the error says otherwise
   */
  async run(encoding: ReplyEncoding): Promise<unknown> {
    const { command } = this.#sort;
    const start = performance.now();
    const options = readSortOptions(command, this.#args);
    // What the server is going to refuse needs no copies.
    if (options.every(({ kind }) => kind !== "refused")) await this.#copyAll();
    if (performance.now() - start > COPY_LIFE / 2) throw this.#tookTooLong();
    const run = [command, ...this.#args] as const;
    const [reply] = await this.#send(this.#target, [run, ...this.#cleanup()], encoding);
    if (reply?.status === "rejected") throw reply.reason;
    return reply?.value;
  }

  /** Commands that drop all copies. */
  #cleanup(): (readonly ["unlink", ...Argument[]])[] {
    return chunks(this.#copies).map((names) => ["unlink", ...names] as const);
  }

  /** Copies the collection, and all values that are looked at. */
  async #copyAll(): Promise<void> {
    const [payload] = await this.#step(this.#source.owner, [["dump", this.#source.key]]);
    if (!Buffer.isBuffer(payload)) return;
    this.#copies.push(this.#collection);
    try {
      await this.#step(this.#target, [["restore", this.#collection, COPY_LIFE, payload]]);
      for (const kind of KINDS) await this.#copyAllNamed(kind);
    } catch (error) {
      await this.#send(this.#target, this.#cleanup(), null);
      throw error;
    }
  }

  /** Copies what the patterns of one kind name for the elements. */
  async #copyAllNamed(kind: SortPattern["kind"]): Promise<void> {
    const { command } = this.#sort;
    const patterns = readSortPatterns(command, this.#args).filter(
      (pattern) => pattern.kind === kind,
    );
    if (patterns.length === 0) return;
    const asked = [command, this.#collection, ...this.#optionsBefore(kind)] as const;
    const [reply] = await this.#step(this.#target, [asked]);
    const elements = distinct(reply);
    const copied = await Promise.allSettled(
      patterns.map((pattern) => this.#copyNamed(pattern, elements)),
    );
    // Only when none is at it any more can all copies be dropped.
    const failed = copied.find((outcome) => outcome.status === "rejected");
    if (failed !== undefined) throw failed.reason;
  }

  /** The options by which those elements come for which patterns of a kind are looked at. */
  #optionsBefore(kind: SortPattern["kind"]): Argument[] {
    const options = readSortOptions(this.#sort.command, this.#args);
    const isStored = options.some((option) => option.kind === "store");
    const omitted = kind === "by" ? ["by", "get", "store"] : ["get", "store"];
    const kept = options.filter((option) => !omitted.includes(option.kind));
    // What is stored is compared by its bytes, what is not by the locale of the server: the first
    // few of one need not be those of the other. Of several limits the last one counts.
    const all = kind === "by" || isStored ? ["LIMIT", 0, -1] : [];
    return [
      ...kept.flatMap(({ position, length }) => this.#args.slice(position, position + length)),
      ...(kind === "by" ? ["BY", "nosort"] : []),
      ...all,
    ];
  }

  /** Copies what a pattern names, and puts a pattern of the copies in its place. */
  async #copyNamed(pattern: SortPattern, elements: readonly Buffer[]): Promise<void> {
    const keys = elements.map((element) => keyNamed(pattern, element));
    const { owners } = this.#placement.plan(keys);
    // What lies where the command runs can be read in place; but not weights, as these must not
    // change between the steps.
    const isHere = owners.every((owner) => owner === this.#target);
    if (pattern.kind === "get" && isHere && !this.#placement.rewritesKeys) return;
    const name = `${newCopyName()}:`;
    const values = elements.map((element, index) => ({
      owner: owners[index] ?? 0,
      key: toArgument(this.#placement.storedKey(keys[index] ?? "")),
      copy: Buffer.concat([Buffer.from(name), element]),
    }));
    for (const some of chunks(values)) {
      const found = await this.#readValues(some, pattern.field);
      const copies = some.flatMap((value) => {
        const bytes = found.get(value);
        return Buffer.isBuffer(bytes) ? [["set", value.copy, bytes, "PX", COPY_LIFE] as const] : [];
      });
      for (const [, copy] of copies) this.#copies.push(copy);
      if (copies.length > 0) await this.#step(this.#target, copies);
    }
    this.#args[pattern.position] = `${name}*`;
  }

  /** Reads values, each null where SORT finds none, as under a key of another type. */
  async #readValues(
    values: readonly Value[],
    field: Buffer | undefined,
  ): Promise<Map<Value, unknown>> {
    const found = new Map<Value, unknown>();
    const owners = new Set(values.map(({ owner }) => owner));
    await Promise.all(
      [...owners].map(async (owner) => {
        const own = values.filter((value) => value.owner === owner);
        const keys = own.map(({ key }) => key);
        const replies = await (field === undefined
          ? this.#readStrings(owner, keys)
          : this.#readFields(owner, keys, field));
        for (const [index, value] of own.entries()) found.set(value, replies[index]);
      }),
    );
    return found;
  }

  async #readStrings(node: number, keys: readonly Argument[]): Promise<unknown[]> {
    const [values] = await this.#step(node, [["mget", ...keys]]);
    return Array.isArray(values) ? values : [];
  }

  async #readFields(node: number, keys: readonly Argument[], field: Buffer): Promise<unknown[]> {
    const commands = keys.map((key) => ["hget", key, field] as const);
    const replies = await this.#send(node, commands, null);
    const values = replies.map((reply) => (isWrongType(reply) ? MISSING : reply));
    return succeed(this.#sort, Promise.resolve(values));
  }

  /** Replies in bytes to a step before the command, all of which must succeed. */
  #step(node: number, commands: Parameters<SendBatch>[1]): Promise<unknown[]> {
    return succeed(this.#sort, this.#send(node, commands, null));
  }

  #tookTooLong(): ShardisError {
    const { command, given } = this.#sort;
    return new ShardisError(
      "TIMEOUT",
      `${command} has not run: to copy what it reads took so long that the first copies may be gone`,
      { command, keys: given, sent: false },
    );
  }
}

/** A value that a pattern names. */
interface Value {
  /** The index of the node where it lies. */
  readonly owner: number;
  /** As it goes on the wire. */
  readonly key: string | Buffer;
  /** The name of its copy. */
  readonly copy: Buffer;
}

const MISSING = { status: "fulfilled", value: null } as const;

function isWrongType(reply: PromiseSettledResult<unknown>): boolean {
  if (reply.status === "fulfilled") return false;
  const { reason } = reply;
  return isReply(reason) && String(reason).startsWith("ReplyError: WRONGTYPE");
}

/** Elements, each once. */
function distinct(reply: unknown): Buffer[] {
  const elements: unknown[] = Array.isArray(reply) ? reply : [];
  return [
    ...new Map(
      elements.filter(Buffer.isBuffer).map((element) => [element.toString("latin1"), element]),
    ).values(),
  ];
}

function chunks<Item>(items: readonly Item[]): Item[][] {
  const count = Math.ceil(items.length / MOST_VALUES);
  return Array.from({ length: count }, (_, index) =>
    items.slice(index * MOST_VALUES, (index + 1) * MOST_VALUES),
  );
}
