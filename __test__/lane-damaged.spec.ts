/**
 * Damaged replies never crash what reads them: they come to values, or to an error, and
 * to the same ones however they are cut. `FUZZ_RUNS` takes another number of runs,
 * `FUZZ_SEED` another seed.
 */
import { isDeepStrictEqual } from "node:util";
import test from "ava";
import fc from "fast-check";
import { Damage } from "./helpers/damage.ts";
import { LaneDecoder } from "./helpers/lane-decoder.ts";
import { reply, unasked, write } from "./helpers/replies.ts";

const { FUZZ_RUNS = "20000", FUZZ_SEED = "1" } = process.env;

/** How many replies are damaged, again and again in other ways. */
const REPLIES = 2000;

/** Longer ones have no more to be damaged. */
const LONGEST = 600;

/** How many of them follow each other at most. */
const MOST_IN_A_ROW = 4;

/** What came of bytes: replies, and what was wrong with what came after them. */
interface Reading {
  readonly replies: unknown[];
  readonly fault: string | undefined;
}

test("damaged replies come to values or an error, the same in any chunks", async (t) => {
  const runs = Number(FUZZ_RUNS);
  t.timeout(60_000 + runs);
  const corpus = [reply(2), reply(3), unasked]
    .flatMap((kind) => fc.sample(kind, { numRuns: REPLIES / 3, seed: Number(FUZZ_SEED) }))
    .map((value) => write(value, true))
    .filter(({ length }) => length <= LONGEST);
  const damage = new Damage(Number(FUZZ_SEED));
  const counts = { replies: 0, faults: 0 };
  for (let run = 0; run < runs; run++) {
    const row = Array.from({ length: 1 + damage.below(MOST_IN_A_ROW) }, () => damage.pick(corpus));
    const bytes = damage.damage(Buffer.concat(row));
    const isText = damage.below(2) === 0;
    const chunks = damage.cut(bytes);
    const inChunks = read(chunks, isText);
    const atOnce = read([bytes], isText);
    if (!isDeepStrictEqual(inChunks, atOnce)) {
      t.log(`run ${run} of FUZZ_SEED=${FUZZ_SEED}: ${JSON.stringify(bytes.toString("latin1"))}`);
      t.log(`in chunks of ${chunks.map(({ length }) => length).join(", ")}`);
      t.deepEqual(inChunks, atOnce);
      return;
    }
    counts.replies += atOnce.replies.length;
    if (atOnce.fault !== undefined) counts.faults++;
    // A test of many minutes must let go of the event loop, so that it can be stopped.
    if (run % 10_000 === 0) await new Promise(setImmediate);
  }
  t.log(`${runs} runs: ${counts.replies} replies were read, ${counts.faults} faults found`);
  t.true(counts.replies > runs / 2);
  t.true(counts.faults > runs / 5);
});

function read(chunks: readonly Buffer[], isText: boolean): Reading {
  const replies: unknown[] = [];
  const decoder = new LaneDecoder({ isText, take: (reply) => replies.push(reply) });
  let fault: string | undefined;
  try {
    for (const chunk of chunks) decoder.feed(chunk);
  } catch (error) {
    fault = codeOf(error);
    // Whatever comes after it, nobody can tell what it is.
    if (codeOf(catchError(() => decoder.feed(GOOD))) !== fault) throw error;
  }
  if (replies.length !== decoder.counted) fault = `${decoder.counted} replies were counted`;
  return { replies, fault };
}

const GOOD = Buffer.from("+OK\r\n");

function catchError(action: () => void): unknown {
  try {
    action();
  } catch (error) {
    return error;
  }
  return new Error("it went on after a fault");
}

/** What it is refused with; anything else than a refusal is a crash. */
function codeOf(error: unknown): string {
  if (error instanceof Error && "code" in error && error.code === "PROTOCOL") return error.code;
  throw error;
}
