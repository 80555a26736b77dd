/** Keys and values from a seed: the same ones in every run. */

import type { Item, Key } from "./protocol.ts";

/** A source of numbers from 0 to below 1 (mulberry32). */
type Random = () => number;

const kinds = {
  /** As services name their keys. */
  names: (r: Random) =>
    pick(r, [
      () => `user:${below(r, 1e6)}`,
      () => `session:${hex(r, 32)}`,
      () => `cache:page:/shop/${word(r)}?page=${below(r, 90)}&sort=${word(r)}`,
      () => `order ${below(r, 1e5)} line ${below(r, 40)}`,
      () => `${word(r)}-${word(r)}.${below(r, 1e4)}`,
      () => String(below(r, 1e9)),
    ])(),
  /** Hash tags where people put them. */
  tags: (r: Random) =>
    pick(r, [
      () => `{user:${below(r, 1e4)}}.${word(r)}`,
      () => `${word(r)}:${below(r, 1e4)}:{${word(r)}${below(r, 99)}}`,
      () => `cart:{${hex(r, 6)}}:items:${below(r, 9)}`,
    ])(),
  /** Hash tags where nobody should: every short arrangement of braces and line ends comes up. */
  awkward: (r: Random) => text(r, between(r, 1, 12), "{}{}{}{}ab1é\n \r:$"),
  /** As `awkward`, and what comes before the first brace is told apart. */
  awkwardEnd: (r: Random) => `${hex(r, 8)}${text(r, between(r, 1, 10), "{}{}{}ab1é\n ")}`,
  latin1: (r: Random) => {
    const name = `${word(r)}${text(r, between(r, 1, 9), "àéèîöüßñçÿÀÉ¿£µ×÷\u00a0\u0080\u00ff")}`;
    return r() < 0.3 ? `${name}${below(r, 99)}{${text(r, 3, "éüab")}}` : `${name}${below(r, 99)}`;
  },
  unicode: (r: Random) => {
    const name = text(r, between(r, 1, 9), "日本語ключñ€😀👩‍👩‍👧e\u0301ﬀ𝒳");
    return r() < 0.3 ? `{${name}}:${below(r, 99)}` : `${name}:${below(r, 999)}`;
  },
  long: (r: Random) => text(r, between(r, 200, 4000), "abcdefghijklmnopqrstuvwxyz0123456789:-{} "),
  bytes: (r: Random) => {
    const bytes = Buffer.from(Array.from({ length: between(r, 1, 40) }, () => below(r, 256)));
    for (const byte of "{}\0\n") if (r() < 0.3) bytes[below(r, bytes.length)] = byte.charCodeAt(0);
    return bytes;
  },
} satisfies Record<string, (r: Random) => Key>;

export type Kind = keyof typeof kinds;

export interface Selection {
  kinds: readonly Kind[];
  /** What the client really writes, where that is not the key: two keys must not share it. */
  storedAs?: (key: Key) => Key;
  /** Whether the client can carry the key at all. */
  accepts?: (key: Key) => boolean;
}

/** `count` items with different keys, in equal parts of each kind. */
export function generate(seed: number, count: number, selection: Selection): Item[] {
  const random = mulberry32(seed);
  const { storedAs = (key) => key, accepts = () => true } = selection;
  const seen = new Set<string>();
  const items: Item[] = [];
  for (let turn = 0; items.length < count; turn++) {
    if (turn === count * 10) throw new Error(`too few different keys: ${items.length}`);
    const kind = selection.kinds[turn % selection.kinds.length];
    if (kind === undefined) throw new Error("no kind of key was chosen");
    const key = kinds[kind](random);
    const stored = Buffer.from(storedAs(key)).toString("latin1");
    if (seen.has(stored) || !accepts(key)) continue;
    seen.add(stored);
    const binary = Buffer.from(hex(random, between(random, 1, 30) * 2), "hex");
    const value = items.length % 3 === 0 ? binary : Buffer.from(`${items.length}: ${word(random)}`);
    items.push({ key, value });
  }
  return items;
}

function mulberry32(seed: number): Random {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

function below(r: Random, end: number): number {
  return Math.floor(r() * end);
}

function between(r: Random, least: number, most: number): number {
  return least + below(r, most - least + 1);
}

function pick<T>(r: Random, choices: readonly T[]): T {
  const choice = choices[below(r, choices.length)];
  if (choice === undefined) throw new Error("nothing to pick from");
  return choice;
}

function text(r: Random, length: number, alphabet: string): string {
  const characters = [...alphabet];
  return Array.from({ length }, () => pick(r, characters)).join("");
}

function hex(r: Random, length: number): string {
  return text(r, length, "0123456789abcdef");
}

function word(r: Random): string {
  return text(r, between(r, 2, 9), "aeioubcdfglmnprst");
}
