/** When two replies are the same: of shardis, and of one plain Redis. */

/** How much later a clock may be read on one side than on the other, in milliseconds. */
export const CLOCK_TOLERANCE = 5_000;

/** Commands whose replies are in no order; of pairs, where they have pairs. */
const UNORDERED: ReadonlySet<string> = new Set([
  "hkeys",
  "hvals",
  "keys",
  "sdiff",
  "sinter",
  "smembers",
  "spop",
  "srandmember",
  "sunion",
]);

const UNORDERED_PAIRS: ReadonlySet<string> = new Set(["hgetall", "hrandfield", "zrandmember"]);

/** By how much the replies of commands may differ. */
const TOLERANCES: ReadonlyMap<string, number> = new Map([
  ["expiretime", CLOCK_TOLERANCE / 1000],
  ["pexpiretime", CLOCK_TOLERANCE],
  ["pttl", CLOCK_TOLERANCE],
  ["ttl", CLOCK_TOLERANCE / 1000],
]);

/** Whether the replies to a command agree. */
export function agree(command: string, args: readonly unknown[], a: unknown, b: unknown): boolean {
  const tolerance = TOLERANCES.get(command);
  if (tolerance !== undefined && typeof a === "number" && typeof b === "number") {
    return a === b || (a > 0 && b > 0 && Math.abs(a - b) <= tolerance);
  }
  return canonical(command, args, a) === canonical(command, args, b);
}

/** A reply as text that is the same for replies that agree. */
export function canonical(command: string, args: readonly unknown[], reply: unknown): string {
  if (!Array.isArray(reply)) return show(reply);
  if (command === "sscan" || command === "hscan" || command === "zscan") {
    const [cursor, page] = reply;
    const elements = Array.isArray(page) ? page : [];
    return `${show(cursor)} ${multiset(command === "sscan" ? elements : pairs(elements))}`;
  }
  if (UNORDERED.has(command)) return multiset(reply);
  if (!UNORDERED_PAIRS.has(command)) return show(reply);
  const isFlat = !reply.some(Array.isArray);
  const hasPairs = command === "hgetall" || args.length > 2;
  return multiset(isFlat && hasPairs ? pairs(reply) : reply);
}

/** Elements in whatever order. */
export function multiset(elements: readonly unknown[]): string {
  return `{${elements.map(show).sort().join(", ")}}`;
}

/** Elements two by two. */
export function pairs(flat: readonly unknown[]): unknown[][] {
  return Array.from({ length: Math.ceil(flat.length / 2) }, (_, index) =>
    flat.slice(2 * index, 2 * index + 2),
  );
}

/** A reply with its types: bytes are not text, and `1` is not `"1"`. */
export function show(value: unknown): string {
  if (Buffer.isBuffer(value)) return `<${value.toString("latin1").replace(/[^ -~]/g, hex)}>`;
  if (value instanceof Error) return `${value.name}: ${value.message}`;
  if (Array.isArray(value)) return `[${value.map(show).join(", ")}]`;
  if (value instanceof Map) return `Map ${multiset([...value])}`;
  if (value instanceof Set) return `Set ${multiset([...value])}`;
  if (typeof value === "object" && value !== null)
    return `object ${multiset(Object.entries(value))}`;
  if (typeof value === "string") return JSON.stringify(value);
  return Object.is(value, -0) ? "-0" : String(value);
}

function hex(character: string): string {
  return `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`;
}
