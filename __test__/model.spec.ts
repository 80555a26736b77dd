/**
 * Long random sequences of commands, to shardis over several nodes and to one plain
 * Redis: every reply and all data agree, with `autoBatch` and without. `MODEL_COMMANDS`
 * takes another number of commands, `MODEL_SEED` another seed, `MODEL_AUTOBATCH=true` or
 * `false` only that, `MODEL_TALLY=1` lists what became of each command; a failure prints a
 * short sequence that fails.
 */
import test, { type ExecutionContext } from "ava";
import { startNodes, type TcpTestNode, type TestNodes } from "../src/testing/index.ts";
import { Arena, type Tally } from "./helpers/model-arena.ts";
import { DRAWN } from "./helpers/model-commands.ts";
import { Draw } from "./helpers/model-draw.ts";
import { type Failure, shrink } from "./helpers/model-shrink.ts";
import { drawStep, type Step, writeStep } from "./helpers/model-steps.ts";

const { MODEL_COMMANDS = "20000", MODEL_SEED = "1", MODEL_AUTOBATCH } = process.env;

const ALTERNATIVES = [true, false].filter((is) => `${is}` === (MODEL_AUTOBATCH ?? `${is}`));

interface Configuration {
  readonly count: 1 | 3 | 5;
  readonly protocol: 2 | 3;
  readonly autoBatch: boolean;
  /** The same commands are drawn for the same. */
  readonly seed: number;
}

const CONFIGURATIONS: readonly Configuration[] = ([1, 3, 5] as const)
  .flatMap((count) => [{ count, protocol: 3 } as const, { count, protocol: 2 } as const])
  .flatMap((common, seed) => ALTERNATIVES.map((autoBatch) => ({ ...common, autoBatch, seed })));

/** Few nodes mean few ways to differ. */
const SHARES = { 1: 0.05, 3: 0.25, 5: 0.2 } as const;

/** After so many steps the data are compared. */
const CHECK_EVERY = 20;

/** How long a failure may be made shorter, in milliseconds. */
const SHRINK_LIMIT = 30_000;

let servers: TestNodes<TcpTestNode>;
const tallies = new Map<string, Tally>();
/** The sizes of all batches. */
const batches: number[] = [];

test.before(async () => {
  servers = await startNodes(6);
});

test.after.always(async () => {
  await servers?.stop();
});

for (const [db, configuration] of CONFIGURATIONS.entries()) {
  const { count, protocol, autoBatch, seed } = configuration;
  const nodes = count === 1 ? "node is" : "nodes are";
  const manner = autoBatch ? "in batches" : "one by one";
  test(`${count} ${nodes} as one, with RESP${protocol}, ${manner}`, async (t) => {
    const share = SHARES[count] / ALTERNATIVES.length;
    const commands = Math.ceil(Number(MODEL_COMMANDS) * share);
    t.timeout(60_000 + 30 * commands);
    await using arena = new Arena({
      nodes: servers.nodes.slice(0, count),
      model: servers.node(5),
      db,
      protocol,
      autoBatch,
    });
    await arena.reset();
    const failure = await runSequence(arena, new Draw(Number(MODEL_SEED) * 100 + seed), commands);
    if (failure !== undefined) {
      report(t, configuration, await shrink(arena, failure, SHRINK_LIMIT));
      return;
    }
    addUp(arena.tallies);
    for (const size of arena.batches) batches.push(size);
    t.is(arena.batches.length > 0, autoBatch);
  });
}

test.after("every command has been tried, and has succeeded", (t) => {
  const total = { compared: 0, errors: 0, refused: 0 };
  for (const tally of tallies.values()) add(total, tally);
  t.log(
    `MODEL_SEED=${MODEL_SEED}: ${total.compared} commands compared, of which ${total.errors} ` +
      `were errors; ${total.refused} refused`,
  );
  const large = batches.filter((size) => size > 1);
  t.log(
    `${sum(batches)} commands went in ${batches.length} batches, of which ${large.length} had ` +
      `several: ${sum(large)} commands, at most ${Math.max(0, ...large)} in one`,
  );
  if (process.env.MODEL_TALLY) {
    for (const [command, { compared, errors, refused }] of [...tallies].sort()) {
      t.log(`${command}: ${compared} compared, ${errors} errors, ${refused} refused`);
    }
  }
  if (total.compared + total.refused < 20_000) return;
  const neverRan = [...DRAWN].filter((command) => {
    const { compared, errors } = tallies.get(command) ?? NOTHING;
    return compared === errors;
  });
  t.deepEqual(neverRan, []);
  if (ALTERNATIVES.includes(true)) t.true(sum(large) > 1000);
});

function sum(numbers: readonly number[]): number {
  return numbers.reduce((sum, number) => sum + number, 0);
}

const NOTHING: Tally = { compared: 0, errors: 0, refused: 0 };

function addUp(more: ReadonlyMap<string, Tally>): void {
  for (const [command, tally] of more) {
    const sum = tallies.get(command) ?? { ...NOTHING };
    add(sum, tally);
    tallies.set(command, sum);
  }
}

function add(sum: Tally, { compared, errors, refused }: Tally): void {
  sum.compared += compared;
  sum.errors += errors;
  sum.refused += refused;
}

/** Runs so many commands; what came before the data were flushed cannot matter any more. */
async function runSequence(
  arena: Arena,
  draw: Draw,
  commands: number,
): Promise<Failure | undefined> {
  let steps: Step[] = [];
  let done = 0;
  for (let index = 1; done < commands; index++) {
    const step = drawStep(draw);
    done += step.calls.length;
    if (step.calls.some(({ command }) => command === "flushdb")) steps = [];
    steps.push(step);
    const isChecked = index % CHECK_EVERY === 0 || done >= commands;
    const message = (await arena.run(step)) ?? (isChecked ? await arena.checkData() : undefined);
    if (message !== undefined) return { steps, message };
  }
  return undefined;
}

function report(
  t: ExecutionContext,
  { count, protocol, autoBatch }: Configuration,
  { steps, message }: Failure,
): void {
  const nodes = servers.nodes.slice(0, count).map(({ name }) => name);
  t.log(
    `MODEL_SEED=${MODEL_SEED} MODEL_COMMANDS=${MODEL_COMMANDS}, nodes ${nodes.join(", ")}, ` +
      `autoBatch: ${autoBatch}, redisOptions: { protocol: ${protocol} }, ${steps.length} steps:\n\n` +
      `${steps.map(writeStep).join("\n")}\n\n${message}\n`,
  );
  t.fail(`shardis and one Redis disagree, with MODEL_SEED=${MODEL_SEED}`);
}
