/**
 * `@ioredis/commands`, which knows where the keys of commands are. It is loaded
 * when it is first asked, for commands whose keys are more than their first
 * argument: ioredis has a version of its own, and two take their time to load.
 */
import { createRequire } from "node:module";

type Metadata = typeof import("@ioredis/commands");

let metadata: Metadata | undefined;

/** The positions of the keys of a command, in lower case, among its arguments. */
export function keyIndexes(command: string, args: string[]): number[] {
  metadata ??= load();
  return metadata.getKeyIndexes(command, args);
}

function load(): Metadata {
  return createRequire(import.meta.url)("@ioredis/commands");
}
