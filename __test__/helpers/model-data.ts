/** All data of a server, read on a connection of its own. */
import type { Redis } from "ioredis";
import { CLOCK_TOLERANCE, multiset, pairs, show } from "./model-compare.ts";

/** A value as it must be found wherever it lies. */
export interface Item {
  readonly type: string;
  /** In milliseconds since 1970; -1 for never. */
  readonly expires: number;
  readonly value: string;
}

/** A key, which is text where it has one. */
export type Name = string;

/** How the value of each type is read, and made comparable. */
const READERS: Readonly<
  Record<
    string,
    readonly [command: string, args: readonly string[], show: (raw: unknown) => string]
  >
> = {
  string: ["GET", [], show],
  list: ["LRANGE", ["0", "-1"], show],
  set: ["SMEMBERS", [], (raw) => multiset(elements(raw))],
  zset: ["ZRANGE", ["0", "-1", "WITHSCORES"], show],
  hash: ["HGETALL", [], (raw) => multiset(pairs(elements(raw)))],
  stream: ["XRANGE", ["-", "+"], show],
};

/**
 * Reads all keys of a database.
 *
 * @param client one that speaks RESP2
 * @returns undefined if a key vanished meanwhile
 */
export async function readData(client: Redis): Promise<Map<Name, Item> | undefined> {
  const keys = elements(await client.callBuffer("KEYS", "*")).filter(Buffer.isBuffer);
  const facts = await batch(
    client,
    keys.flatMap((key) => [
      ["TYPE", key],
      ["PEXPIRETIME", key],
    ]),
  );
  const types = keys.map((_, index) => String(facts[2 * index]));
  if (types.includes("none")) return undefined;
  const values = await batch(
    client,
    keys.map((key, index) => {
      const [command, args] = reader(types[index]);
      return [command, key, ...args];
    }),
  );
  const streams = keys.filter((_, index) => types[index] === "stream");
  const groups = await batch(
    client,
    streams.flatMap((key) => [
      ["XINFO", "GROUPS", key],
      ["XINFO", "STREAM", key],
    ]),
  );
  const data = new Map<Name, Item>();
  for (const [index, key] of keys.entries()) {
    const type = types[index] ?? "";
    const [, , showValue] = reader(type);
    const stream = streams.indexOf(key);
    const more = type === "stream" ? showStream(groups[2 * stream], groups[2 * stream + 1]) : "";
    data.set(key.toString("latin1"), {
      type,
      expires: Number(facts[2 * index + 1]),
      value: showValue(values[index]) + more,
    });
  }
  return data;
}

function reader(type = "") {
  const found = READERS[type];
  if (found === undefined) throw new Error(`there are no readers of the type ${type}`);
  return found;
}

const LASTING = new Set(["last-generated-id", "max-deleted-entry-id", "entries-added"]);

/** Groups, and the last id; not how the server keeps the stream. */
function showStream(groups: unknown, facts: unknown): string {
  const last = pairs(elements(facts)).filter(([name]) => LASTING.has(String(name)));
  return ` ${show(groups)} ${show(last)}`;
}

async function batch(
  client: Redis,
  commands: readonly (readonly [string, ...(string | Buffer)[]] | (string | Buffer)[])[],
): Promise<unknown[]> {
  if (commands.length === 0) return [];
  const pipeline = client.pipeline();
  for (const [name, ...args] of commands) pipeline.callBuffer(String(name), ...args);
  const results = (await pipeline.exec()) ?? [];
  return results.map(([error, reply]) => {
    if (error) throw error;
    return reply;
  });
}

function elements(reply: unknown): unknown[] {
  if (!Array.isArray(reply)) throw new TypeError(`not a list: ${show(reply)}`);
  return reply;
}

/** The differences between the data of shardis and those of one Redis, one a line. */
export function compareData(
  ours: ReadonlyMap<Name, Item>,
  theirs: ReadonlyMap<Name, Item>,
): string[] {
  const differences: string[] = [];
  for (const name of new Set([...ours.keys(), ...theirs.keys()])) {
    const [a, b] = [ours.get(name), theirs.get(name)];
    if (a !== undefined && b !== undefined && isSame(a, b)) continue;
    differences.push(
      `${show(Buffer.from(name, "latin1"))}: ${showItem(a)}, one Redis: ${showItem(b)}`,
    );
  }
  return differences;
}

function isSame(a: Item, b: Item): boolean {
  const isTimely =
    a.expires === b.expires ||
    (a.expires > 0 && b.expires > 0 && Math.abs(a.expires - b.expires) <= CLOCK_TOLERANCE);
  return isTimely && a.type === b.type && a.value === b.value;
}

function showItem(item: Item | undefined): string {
  if (item === undefined) return "nothing";
  const { type, value, expires } = item;
  return `${type} ${value}${expires < 0 ? "" : ` until ${expires}`}`;
}
