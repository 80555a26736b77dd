/** What has been answered is let go: however long a client works, it needs no more memory. */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import test, { type ExecutionContext } from "ava";
import { startNodes, type TcpTestNode, type TestNodes } from "../src/testing/index.ts";

const program = fileURLToPath(new URL("helpers/memory-child.ts", import.meta.url));

/** Enough for compilers, caches and pools to have what they want. */
const WARM_UP = 10;

/** Each has a megabyte of keys and values, or more. */
const ROUNDS = 20;

/** How many bytes more may be in use after these rounds: far less than any of their replies. */
const MOST_GROWTH = 3_000_000;

const WORKS = [
  "mget of many keys",
  "mget of many keys, as Buffers",
  "mset of many keys",
  "many commands at once",
  "many commands at once, in Buffers",
  "a pipeline of many commands",
  "commands one after another",
  "very many commands at once",
  "commands that fail",
  "commands that are refused",
  "large values",
  "small values kept of large replies",
];

let servers: TestNodes<TcpTestNode>;

test.before(async () => {
  servers = await startNodes(2);
});

test.after.always(async () => {
  await servers?.stop();
});

for (const work of WORKS) {
  test.serial(`${work}: memory does not grow`, async (t) => {
    t.timeout(120_000);
    const child = await startChild(t, work);
    const before = await runRounds(child, WARM_UP);
    const after = await runRounds(child, ROUNDS);
    t.log(
      `${megabytes(before)} MB in use after ${WARM_UP} rounds, ${megabytes(after)} MB after ${WARM_UP + ROUNDS}`,
    );
    t.true(after - before < MOST_GROWTH, `${after - before} bytes more`);
  });
}

async function startChild(t: ExecutionContext, work: string): Promise<ChildProcess> {
  const places = servers.nodes.map(({ name, host, port }) => ({ name, host, port }));
  const child = fork(program, [work, JSON.stringify(places)], {
    execArgv: [...process.execArgv, "--expose-gc"],
  });
  t.teardown(() => child.kill());
  t.is(await answer(child), "ready");
  return child;
}

/** How many bytes are in use after so many rounds more. */
async function runRounds(child: ChildProcess, rounds: number): Promise<number> {
  child.send(rounds);
  return Number(await answer(child));
}

async function answer(child: ChildProcess): Promise<unknown> {
  const said = once(child, "message").then(([message]) => message);
  const died = once(child, "exit").then(([code]) => Promise.reject(new Error(`ended: ${code}`)));
  died.catch(() => {});
  return Promise.race([said, died]);
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(1);
}
