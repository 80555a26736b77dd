/** The golden vectors: where the real systems put real keys. */
import { readdirSync, readFileSync } from "node:fs";
import type { PlacementNode } from "../../src/index.ts";

/** One configuration of a system, and for each column one entry a key. */
export interface Group {
  readonly nodes: readonly string[];
  readonly weights?: readonly number[];
  readonly hash: string;
  readonly distribution?: string;
  readonly consistent?: boolean;
  readonly hashTag?: string | null;
  readonly expect: Readonly<Record<string, readonly (number | string | null)[]>>;
}

/** One row of `more.json`. */
export interface Row {
  readonly source: string;
  readonly result: readonly (number | string | readonly string[] | null)[];
}

interface More {
  readonly keys: readonly Buffer[];
  readonly rows: Map<string, Row>;
  readonly extra: Readonly<Record<string, Published>>;
}

/** A row that a user published. */
export interface Published {
  readonly nodes: readonly string[];
  readonly keys: readonly string[];
  readonly result: readonly string[];
}

const folder = new URL("../vectors/", import.meta.url);

/** The names of all files with rows. */
export const files: readonly string[] = readdirSync(folder).filter(
  (name) => name.endsWith(".json") && name !== "keys.json",
);

function read<T>(file: string): T {
  return JSON.parse(readFileSync(new URL(file, folder), "utf8"));
}

/** The keys that the columns of every file but `more.json` are about. */
export const keys: readonly Buffer[] = read<{ keys: string[] }>("keys.json").keys.map((key) =>
  Buffer.from(key, "base64"),
);

/** The groups of a file. */
export function readGroups(file: string): readonly Group[] {
  return read<{ groups: Group[] }>(file).groups;
}

/** `more.json`: other keys in rows of other versions and systems. */
export function readMore(): More {
  const { keys_hex, alg, extra } = read<{
    keys_hex: string[];
    alg: Record<string, Row>;
    extra: Record<string, Published>;
  }>("more.json");
  return {
    keys: keys_hex.map((key) => Buffer.from(key, "hex")),
    rows: new Map(Object.entries(alg)),
    extra,
  };
}

/** Nodes by their names, with weights where there are any. */
export function weighted(names: readonly string[], weights?: readonly number[]): PlacementNode[] {
  return names.map((name, index) => {
    const weight = weights?.[index];
    return weight === undefined ? { name } : { name, weight };
  });
}

/** Bytes as text, or undefined where they are not UTF-8. */
export function asText(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

/** Keys one after another, and where each ends. */
export function pack(keys: readonly (string | Uint8Array)[]): {
  bytes: Buffer;
  ends: Uint32Array;
} {
  const parts = keys.map((key) => Buffer.from(key));
  let end = 0;
  const ends = Uint32Array.from(parts, (part) => {
    end += part.length;
    return end;
  });
  return { bytes: Buffer.concat(parts), ends };
}
