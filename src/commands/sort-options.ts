/**
 * The arguments of SORT, read as the server reads them, and the keys that its
 * patterns name.
 *
 * @see https://redis.io/docs/latest/commands/sort/
 */
import { isUtf8 } from "node:buffer";
import type { Placement } from "../placement/placement.ts";

/** An option, and where it stands among the arguments. */
export interface SortOption {
  /** `refused` is what the server does not take as an option here. */
  readonly kind: "by" | "get" | "limit" | "order" | "store" | "refused";
  readonly position: number;
  /** How many arguments it takes, itself included. */
  readonly length: number;
}

const OPTIONS: ReadonlyMap<string, Omit<SortOption, "position">> = new Map([
  ["alpha", { kind: "order", length: 1 }],
  ["asc", { kind: "order", length: 1 }],
  ["by", { kind: "by", length: 2 }],
  ["desc", { kind: "order", length: 1 }],
  ["get", { kind: "get", length: 2 }],
  ["limit", { kind: "limit", length: 3 }],
  ["store", { kind: "store", length: 2 }],
]);

const REFUSED = { kind: "refused", length: 1 } as const;

/** @param command `sort` or `sort_ro`, in any case */
export function readSortOptions(command: string, args: readonly unknown[]): SortOption[] {
  const isStoring = command.toLowerCase() === "sort";
  const options: SortOption[] = [];
  for (let position = 1; position < args.length; ) {
    const found = OPTIONS.get(String(args[position]).toLowerCase()) ?? REFUSED;
    const isWhole = position + found.length <= args.length;
    const option = isWhole && (isStoring || found.kind !== "store") ? found : REFUSED;
    options.push({ ...option, position });
    position += option.length;
  }
  return options;
}

/** What `BY` and `GET` make a key of, for each element; and a field, if the key is a hash. */
export interface KeyPattern {
  readonly before: Buffer;
  readonly after: Buffer;
  readonly field: Buffer | undefined;
  /** Whether the key is text, as far as it can be, for schemes that tell text from bytes. */
  readonly isText: boolean;
}

/**
 * Reads a pattern as `lookupKeyByPattern` in Redis' sort.c does.
 *
 * @returns undefined if it names no key, as `#` and what has no asterisk do not
 */
export function readKeyPattern(pattern: unknown): KeyPattern | undefined {
  const isBytes = pattern instanceof Uint8Array;
  const bytes = isBytes ? Buffer.from(pattern) : Buffer.from(String(pattern));
  // C sees neither sign behind a zero byte.
  const zero = bytes.indexOf(0);
  const end = zero === -1 ? bytes.length : zero;
  const star = bytes.indexOf("*");
  if (star === -1 || star >= end) return undefined;
  const arrow = bytes.indexOf("->", star + 1);
  const hasField = arrow !== -1 && arrow + 2 < end;
  return {
    before: bytes.subarray(0, star),
    after: bytes.subarray(star + 1, hasField ? arrow : bytes.length),
    field: hasField ? bytes.subarray(arrow + 2) : undefined,
    isText: !isBytes,
  };
}

/** A pattern that names keys, among the arguments of SORT. */
export interface SortPattern extends KeyPattern {
  readonly kind: SortOption["kind"];
  readonly position: number;
}

export function readSortPatterns(command: string, args: readonly unknown[]): SortPattern[] {
  const patterns: SortPattern[] = [];
  for (const { kind, position } of readSortOptions(command, args)) {
    if (kind !== "by" && kind !== "get") continue;
    const pattern = readKeyPattern(args[position + 1]);
    if (pattern !== undefined) patterns.push({ ...pattern, kind, position: position + 1 });
  }
  return patterns;
}

/** The key that a pattern names for an element. */
export function keyNamed(pattern: KeyPattern, element: Buffer): string | Buffer {
  const key = Buffer.concat([pattern.before, element, pattern.after]);
  return pattern.isText && isUtf8(key) ? key.toString() : key;
}

/**
 * The node on which all keys of a pattern lie, whatever the elements are: that of
 * a hash tag before the asterisk.
 *
 * @returns the index of the node; undefined if they may lie on several
 */
export function ownerOfAll(placement: Placement, pattern: string | Buffer): number | undefined {
  // The server would look for them under names that they do not have.
  if (placement.rewritesKeys) return undefined;
  if (placement.nodes.length === 1) return 0;
  const named = readKeyPattern(pattern);
  if (named === undefined) return undefined;
  // Some rules take the last tag of a key, and some take none from bytes that are not text.
  const [first, ...others] = ["", "{x}", "{y}"]
    .flatMap((element) => {
      const key = Buffer.concat([named.before, Buffer.from(element)]);
      return named.isText ? [key.toString(), key] : [key];
    })
    .map((key) => placement.explain(key));
  if (first === undefined || first.tag === null) return undefined;
  const isBound = others.every(
    ({ hashed, index }) => index === first.index && hashed.equals(first.hashed),
  );
  return isBound ? first.index : undefined;
}
