/** Commands in processes that are killed on the way. */
import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { TcpTestNode } from "../../src/testing/index.ts";
import { Gate } from "./moves-gate.ts";

const child = fileURLToPath(new URL("moves-child.ts", import.meta.url));

/** Runs a command in a process that is killed after a number of commands to servers. */
export async function killAfter(
  servers: readonly TcpTestNode[],
  steps: number,
  command: readonly string[],
): Promise<{ readonly killed: boolean; readonly passed: readonly string[] }> {
  const gate = await Gate.open(
    servers.map(({ port }) => port),
    steps,
  );
  const nodes = servers.map(({ name, host }, index) => ({ name, host, port: gate.ports[index] }));
  const process = fork(child, [JSON.stringify(nodes), ...command]);
  const ended = once(process, "exit");
  gate.closed.then(() => process.kill("SIGKILL"));
  const [code, signal] = await ended;
  gate.stop();
  if (code !== 0 && signal !== "SIGKILL") throw new Error(`the child ended with ${code}`);
  return { killed: signal === "SIGKILL", passed: gate.passed };
}
