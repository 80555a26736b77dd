// What the scripts share: running other programs, and finding them.

import { spawn } from "node:child_process";
import { accessSync, constants, existsSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The repository, where every command runs. */
export const root = fileURLToPath(new URL("..", import.meta.url));

/** The environment of every command: rustup's folder is on PATH even where no profile was read. */
export const environment = { ...process.env, PATH: withCargo(process.env.PATH ?? "") };

function withCargo(path) {
  const folder = join(homedir(), ".cargo", "bin");
  return !path.split(delimiter).includes(folder) && existsSync(folder)
    ? path + delimiter + folder
    : path;
}

/** Whether `program` can be run: a path, or a name that is looked up on PATH. */
export function canRun(program) {
  const folders = program.includes("/") ? [""] : environment.PATH.split(delimiter);
  const endings = process.platform === "win32" ? ["", ".exe", ".cmd"] : [""];
  return folders.some((folder) =>
    endings.some((ending) => {
      try {
        const file = join(folder, program + ending);
        accessSync(file, constants.X_OK);
        return statSync(file).isFile();
      } catch {
        return false;
      }
    }),
  );
}

/**
 * Runs a program to its end, without standard input.
 *
 * @param {string} program
 * @param {string[]} args
 * @param {(chunk: string) => void} [onOutput] receives standard output and error as they come
 * @returns {Promise<{ ok: boolean, output: string, ending: string }>} `output` is everything it
 *   wrote; `ending` says how it ended, for people
 */
export function run(program, args, onOutput = () => {}) {
  return new Promise((resolve) => {
    const child = spawn(program, args, {
      cwd: root,
      env: environment,
      stdio: ["ignore", "pipe", "pipe"],
      shell: process.platform === "win32",
    });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (chunk) => {
        output += chunk;
        onOutput(chunk);
      });
    }
    child.on("error", (error) => resolve({ ok: false, output, ending: error.message }));
    child.on("close", (code, signal) => {
      const ending = signal === null ? `exit code ${code}` : `ended by ${signal}`;
      resolve({ ok: code === 0, output, ending });
    });
  });
}
