/**
 * Long random sequences of commands, to shardis over several nodes and to one plain
 * Redis: every reply and all data agree. `MODEL_COMMANDS` takes another number of
 * commands, `MODEL_SEED` another seed, `MODEL_TALLY=1` lists what became of each command;
 * a failure prints a short sequence that fails.
 */
import test, { type ExecutionContext } from "ava";
import { startNodes, type TcpTestNode, type TestNodes } from "../src/testing/index.ts";
import { Arena, type Tally } from "./helpers/model-arena.ts";
import { DRAWN } from "./helpers/model-commands.ts";
import { Draw } from "./helpers/model-draw.ts";
import { type Failure, shrink } from "./helpers/model-shrink.ts";
import { drawStep, type Step, writeStep } from "./helpers/model-steps.ts";

const { MODEL_COMMANDS = "20000", MODEL_SEED = "1" } = process.env;

const CONFIGURATIONS = [
  { count: 1, protocol: 3 },
  { count: 1, protocol: 2 },
  { count: 3, protocol: 3 },
  { count: 3, protocol: 2 },
  { count: 5, protocol: 3 },
  { count: 5, protocol: 2 },
] as const;

type Configuration = (typeof CONFIGURATIONS)[number];

/** Few nodes mean few ways to differ. */
const SHARES = { 1: 0.05, 3: 0.25, 5: 0.2 } as const;

/** After so many steps the data are compared. */
const CHECK_EVERY = 20;

/** How long a failure may be made shorter, in milliseconds. */
const SHRINK_LIMIT = 30_000;

let servers: TestNodes<TcpTestNode>;
const tallies = new Map<string, Tally>();

test.before(async () => {
  servers = await startNodes(6);
});

test.after.always(async () => {
  await servers?.stop();
});

for (const [db, configuration] of CONFIGURATIONS.entries()) {
  const { count, protocol } = configuration;
  const title = `${count} ${count === 1 ? "node is" : "nodes are"} as one, with RESP${protocol}`;
  test(title, async (t) => {
    const commands = Math.ceil(Number(MODEL_COMMANDS) * SHARES[count]);
    t.timeout(60_000 + 10 * commands);
    await using arena = new Arena({
      nodes: servers.nodes.slice(0, count),
      model: servers.node(5),
      db,
      protocol,
    });
    await arena.reset();
    const failure = await runSequence(arena, new Draw(Number(MODEL_SEED) * 100 + db), commands);
    if (failure !== undefined) {
      report(t, configuration, await shrink(arena, failure, SHRINK_LIMIT));
      return;
    }
    addUp(arena.tallies);
    t.pass();
  });
}

test.after("every command has been tried, and has succeeded", (t) => {
  const total = { compared: 0, errors: 0, refused: 0 };
  for (const tally of tallies.values()) add(total, tally);
  t.log(
    `MODEL_SEED=${MODEL_SEED}: ${total.compared} commands compared, of which ${total.errors} ` +
      `were errors; ${total.refused} refused`,
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
});

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

function report(t: ExecutionContext, { count, protocol }: Configuration, failure: Failure): void {
  const { steps, message } = failure;
  const nodes = servers.nodes.slice(0, count).map(({ name }) => name);
  t.log(
    `MODEL_SEED=${MODEL_SEED} MODEL_COMMANDS=${MODEL_COMMANDS}, nodes ${nodes.join(", ")}, ` +
      `redisOptions: { protocol: ${protocol} }, ${steps.length} steps:\n\n` +
      `${steps.map(writeStep).join("\n")}\n\n${message}\n`,
  );
  t.fail(`shardis and one Redis disagree, with MODEL_SEED=${MODEL_SEED}`);
}
