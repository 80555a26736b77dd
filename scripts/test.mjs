// Runs every check and says at the very end, on one line, how many tests passed and failed.
//
//   npm test                          everything
//   npm test -- __test__/x.spec.ts    only ava, with these arguments

import { stripVTControlCharacters } from "node:util";
import { run } from "./tools.mjs";

const total = { passed: 0, failed: 0, skipped: 0 };

/**
 * Runs one check and adds up what `count` finds in its output. A check that goes wrong without
 * reporting a failed test counts as one.
 */
async function check(title, program, args, count = () => ({})) {
  console.log(`\n== ${title}`);
  const { ok, output, ending } = await run(program, args, (text) => process.stdout.write(text));
  const { passed = 0, failed = 0, skipped = 0 } = count(stripVTControlCharacters(output));
  total.passed += passed;
  total.failed += ok ? failed : Math.max(failed, 1);
  total.skipped += skipped;
  if (!ok) console.log(`\n${title}: failed (${ending})`);
  return ok;
}

/** The sum of the numbers that `pattern` finds in its first group. */
function sum(text, pattern) {
  return [...text.matchAll(pattern)].reduce((numbers, [, number]) => numbers + Number(number), 0);
}

/** Every test binary and every crate's documentation has its own closing line. */
function countCargo(output) {
  return {
    passed: sum(output, /^test result: .*?(\d+) passed/gm),
    failed: sum(output, /^test result: .*?(\d+) failed/gm),
    skipped: sum(output, /^test result: .*?(\d+) ignored/gm),
  };
}

/** ava's summary is what follows its last rule; it leaves out what passed when something failed. */
function countAva(output) {
  const summary = output.slice(output.lastIndexOf("─"));
  const passed = /^\s*(\d+) tests? passed$/m.exec(summary)?.[1];
  return {
    passed: passed === undefined ? output.match(/^\s*[✔√] /gm)?.length : Number(passed),
    failed: sum(
      summary,
      /^\s*(\d+) (?:(?:tests?|hooks?) failed|uncaught exceptions?|unhandled rejections?|tests? remained pending.*)$/gm,
    ),
    skipped: sum(summary, /^\s*(\d+) tests? (?:skipped|todo)$/gm),
  };
}

const avaArguments = process.argv.slice(2);
const ava = ["node_modules/ava/entrypoints/cli.mjs", ...avaArguments];

if (await check("set-up", process.execPath, ["scripts/setup.mjs"])) {
  if (avaArguments.length === 0) {
    await check("lint", "npm", ["run", "lint", "--silent"]);
    await check("types", "npm", ["run", "typecheck", "--silent"]);
    const cargo = ["test", "--workspace", "--quiet", "--no-fail-fast"];
    await check("Rust tests", "cargo", cargo, countCargo);
  }
  await check("tests", process.execPath, ava, countAva);
  if (avaArguments.length === 0) {
    await check("libraries", "npm", ["run", "test:libraries", "--silent"], countAva);
  }
}

if (total.failed > 0) process.exitCode = 1;
const skipped = total.skipped > 0 ? `, ${total.skipped} skipped` : "";
console.log(`\n${total.passed} passed, ${total.failed} failed${skipped}`);
