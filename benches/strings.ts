/** Strings of the benchmarks: keys, values, and how fast V8 reads them. */
import { setFlagsFromString } from "node:v8";

/** Keys such as `user:123456:profile0`, 20 bytes. */
export function makeKeys(count: number): string[] {
  return Array.from({ length: count }, (_, index) => {
    const user = 100_000 + ((index * 7919) % 900_000);
    // From the 900,000th key on users come again, with other profiles.
    return flat(`user:${user}:profile${(index + Math.floor(index / 900_000)) % 10}`);
  });
}

/** A value for each key, each another one, in ASCII. */
export function makeValues(keys: readonly string[], bytes: number): string[] {
  return keys.map((key) => flat(`${key} `.padEnd(bytes, "abcdefghijklmnopqrstuvwxyz")));
}

/** One piece of memory, as from a parser; V8 makes ropes of what is concatenated. */
function flat(text: string): string {
  return Buffer.from(text).toString("latin1");
}

/**
 * Gives loops over strings their full speed back, which loading ioredis 6 takes
 * from the whole process: a class of it extends `String`, which leaves
 * `String.prototype` a dictionary, and V8 inlines no method of one. Reading a
 * property of it many times makes V8 tidy it up. Rivals in JavaScript get
 * this, as they do in every process that has loaded shardis.
 *
 * @throws Error if it did not help
 */
export function cureStrings(): void {
  for (let count = 0; count < 1000; count++) void String.prototype.charCodeAt;
  setFlagsFromString("--allow-natives-syntax");
  const isFast: unknown = new Function("return %HasFastProperties(String.prototype)")();
  setFlagsFromString("--no-allow-natives-syntax");
  if (isFast !== true) throw new Error("String.prototype is still a dictionary");
}
