/** Runs other programs. */

import { spawn } from "node:child_process";

export interface Ended {
  code: number;
  stdout: string;
  stderr: string;
}

/** Runs a program to its end. A program that cannot be started ends with code 127. */
export function run(
  command: readonly string[],
  { input = "", env = {} }: { input?: string; env?: Record<string, string> } = {},
): Promise<Ended> {
  const [program = "", ...args] = command;
  return new Promise((resolve) => {
    const child = spawn(program, args, { env: { ...process.env, ...env } });
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    child.stdout.on("data", (chunk: Buffer) => out.push(chunk));
    child.stderr.on("data", (chunk: Buffer) => err.push(chunk));
    child.stdin.on("error", () => {}); // it may end before it has read everything
    child.on("error", (error) => resolve({ code: 127, stdout: "", stderr: error.message }));
    child.on("close", (code, signal) => {
      const stderr = Buffer.concat(err).toString() + (signal ? `\nended by ${signal}` : "");
      resolve({ code: code ?? 1, stdout: Buffer.concat(out).toString(), stderr });
    });
    child.stdin.end(input);
  });
}

/** The last lines of what a program said, to quote as a reason. */
export function lastWords({ code, stdout, stderr }: Ended): string {
  const said = (stderr.trim() || stdout.trim()).split("\n").slice(-3).join(" | ");
  return said || `ended with code ${code}`;
}
