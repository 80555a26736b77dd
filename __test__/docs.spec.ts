/** The README says what the code does. */
import { readFile } from "node:fs/promises";
import test from "ava";
import { ERROR_CODES } from "../src/errors.ts";

test("the README lists every error code, with its meaning", async (t) => {
  const readme = await readFile(new URL("../README.md", import.meta.url), "utf8");
  const rows = readme.matchAll(/^\| `([A-Z]+(?:_[A-Z]+)*)` \| ([^|]+?) \|/gm);
  t.deepEqual(Object.fromEntries([...rows].map(([, code, meaning]) => [code, meaning])), {
    ...ERROR_CODES,
  });
});
