/** What one operation works on. */
import { makeKeys, makeValues } from "./strings.ts";

export class Batch {
  readonly keys: string[];
  /** A value for each key. */
  readonly values: string[];
  #pairs: string[] | undefined;
  #commands: string[][] | undefined;

  constructor(keys: string[], values: string[]) {
    this.keys = keys;
    this.values = values;
  }

  /** Key, value, key, value and so on. */
  get pairs(): string[] {
    this.#pairs ??= this.keys.flatMap((key, index) => [key, this.values[index] ?? ""]);
    return this.#pairs;
  }

  /** As many commands as there are keys, {@link MIXED} for every tenth. */
  get commands(): string[][] {
    this.#commands ??= this.keys.map((_, index) => {
      const place = index % MIXED.length;
      const first = index - place;
      return MIXED[place]?.(this.keys[first] ?? "", this.values[first] ?? "") ?? [];
    });
    return this.#commands;
  }
}

/** What a service may do for one user. The list ends empty: nothing grows from run to run. */
const MIXED: readonly ((key: string, value: string) => string[])[] = [
  (key, value) => ["set", key, value],
  (key) => ["get", key],
  (key) => ["incr", `visits:${key}`],
  (key, value) => ["hset", `user:${key}`, "name", "Ada", "about", value],
  (key) => ["hgetall", `user:${key}`],
  (key, value) => ["lpush", `log:${key}`, value],
  (key) => ["lrange", `log:${key}`, "0", "9"],
  (key) => ["zadd", `scores:${key}`, "1", key],
  (key) => ["expire", `user:${key}`, "60"],
  (key) => ["del", `log:${key}`],
];

/** The least number of keys in use, so that small operations are not always about the same. */
const LEAST_KEYS = 10_000;

/**
 * Batches of so many keys, no key twice.
 *
 * @param valueBytes the size of every value
 */
export function makeBatches(size: number, valueBytes = 100): Batch[] {
  const keys = makeKeys(Math.max(LEAST_KEYS, size));
  const values = makeValues(keys, valueBytes);
  return Array.from({ length: Math.floor(keys.length / size) }, (_, index) => {
    const [start, end] = [index * size, (index + 1) * size];
    return new Batch(keys.slice(start, end), values.slice(start, end));
  });
}
