import { accessSync, constants, statSync } from "node:fs";
import { delimiter, join, resolve } from "node:path";
import { TestServerError } from "./error.ts";

const usual = ["redis-server", "valkey-server"];

/**
 * The program that test servers run: `chosen`, else the environment's `SHARDIS_REDIS_SERVER`, else
 * `redis-server`, else `valkey-server` from `PATH`.
 *
 * @throws {TestServerError} when there is no such program
 */
export function findBinary(chosen: string | undefined): string {
  const { SHARDIS_REDIS_SERVER: usualHere } = process.env;
  const wanted = chosen ?? (usualHere || undefined);
  for (const name of wanted === undefined ? usual : [wanted]) {
    const file = find(name);
    if (file !== undefined) return file;
  }
  throw new TestServerError(
    wanted === undefined
      ? "Found neither redis-server nor valkey-server on PATH. Install one of them, or name one " +
          "with the option `binary` or the environment variable SHARDIS_REDIS_SERVER."
      : `"${wanted}" is not a program that can be run, so no test server can be started with it. ` +
          "It comes from the option `binary` or the environment variable SHARDIS_REDIS_SERVER.",
  );
}

/** A name with a slash is a path, any other is looked up on `PATH`, as a shell does it. */
function find(name: string): string | undefined {
  const { PATH = "" } = process.env;
  const candidates = name.includes("/")
    ? [resolve(name)]
    : PATH.split(delimiter).map((folder) => join(folder, name));
  return candidates.find(isProgram);
}

function isProgram(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}
