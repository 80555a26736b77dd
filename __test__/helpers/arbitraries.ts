/** Keys of every kind, and properties that are checked the same way every time. */
import fc from "fast-check";

/**
 * Checks a property: by default with the same seed always; `FC_SEED` takes
 * another, `FC_RUNS` another number of runs.
 */
export function check<T>(property: fc.IProperty<T>, runs = 50): void {
  fc.assert(property, parameters(runs));
}

/** The same for a property that takes its time. */
export function checkAsync<T>(property: fc.IAsyncProperty<T>, runs = 50): Promise<void> {
  return fc.assert(property, parameters(runs));
}

function parameters(runs: number) {
  const { FC_SEED = "1", FC_RUNS = runs } = process.env;
  return { seed: Number(FC_SEED), numRuns: Number(FC_RUNS), includeErrorInReport: true };
}

/** Where tag rules differ: braces, line ends of all sorts, NUL, Latin-1 and what is beyond. */
const trouble = fc.constantFrom(..."{}{}{}$$ab:\n\r\0\u0085\u00e9\u00ff\u0100\u2028日😀");

/** Texts that are well formed, many of them with something like a tag. */
export const text = fc.oneof(
  fc.string({ unit: trouble, maxLength: 12 }),
  fc.string({ unit: "binary", maxLength: 40 }),
  fc.string({ maxLength: 40 }),
  fc.tuple(fc.string({ maxLength: 8 }), fc.string({ maxLength: 8 })).map(([a, b]) => `${a}{${b}}`),
);

/** Bytes, UTF-8 or not. */
export const bytes: fc.Arbitrary<Buffer> = fc.oneof(
  fc.uint8Array({ maxLength: 80 }).map((array) => Buffer.from(array)),
  text.map((key) => Buffer.from(key)),
  fc
    .array(fc.constantFrom(0x7b, 0x7d, 0x24, 0x0a, 0, 0x61, 0x85, 0xc2, 0xff), { maxLength: 10 })
    .map((array) => Buffer.from(array)),
);

export const number = fc.oneof(fc.integer(), fc.double({ noNaN: true, noDefaultInfinity: true }));

/** A key of any kind. */
export const key = fc.oneof(text, bytes, number);

/** Lists of keys of one kind or of all, with duplicates, of lengths around what crosses at once. */
export const manyKeys: fc.Arbitrary<(string | Buffer | number)[]> = fc
  .tuple(
    fc.oneof(
      fc.array(text, { minLength: 1, maxLength: 40 }),
      fc.array(
        text.map((key) => key.replaceAll("\0", "")),
        { minLength: 1, maxLength: 40 },
      ),
      fc.array(bytes, { minLength: 1, maxLength: 40 }),
      fc.array(number, { minLength: 1, maxLength: 40 }),
      fc.array(key, { minLength: 1, maxLength: 40 }),
    ),
    fc.constantFrom(0, 1, 2, 64, 65, 999, 1000, 1001, 2500),
    fc.option(fc.tuple(key, fc.nat())),
  )
  .map(([pool, length, stranger]) => {
    const keys = Array.from({ length }, (_, index) => pool[(index * 7) % pool.length] ?? "");
    if (stranger !== null && length > 0) keys[stranger[1] % length] = stranger[0];
    return keys;
  });
