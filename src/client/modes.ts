/** Views that ask more of a command's keys than the client does. */
import { type Argument, type ReplyEncoding, withPrefix } from "../commands/arguments.ts";
import type { Part } from "../commands/placed.ts";
import { nodesOf, type Request, type Territory } from "../commands/request.ts";
import { ShardisError } from "../errors.ts";
import { checkKey, describe } from "../keys.ts";
import type { Dispatcher } from "./dispatcher.ts";
import { attachCommands, EXECUTE, type Executor, runNow } from "./methods.ts";
import type { Commands } from "./types.ts";

/** What a view asks of a command that has been taken apart. */
type Check = (request: Request, dispatcher: Dispatcher) => void;

/** The commands of a client, each of which must pass a check before it is sent. */
// biome-ignore lint/suspicious/noUnsafeDeclarationMerging: attachCommands gives it the methods
export class CheckedView implements Executor {
  readonly #dispatcher: Dispatcher;
  readonly #check: Check;

  /** @internal */
  constructor(dispatcher: Dispatcher, check: Check) {
    this.#dispatcher = dispatcher;
    this.#check = check;
  }

  /** @internal */
  [EXECUTE](name: string, args: Argument[], encoding: ReplyEncoding): Promise<unknown> {
    return this.#dispatcher.run(name, args, encoding, (request) =>
      this.#check(request, this.#dispatcher),
    );
  }
}

export interface CheckedView extends Commands {}

attachCommands(CheckedView.prototype, runNow);

/** The keys of a command must lie on one node: it is not cut, and nothing is copied. */
export function checkOneNode(request: Request, { territory }: Dispatcher): void {
  if (request.kind === "parts" && keyedParts(request.parts) <= 1) return;
  const keys = keysOf(request);
  const { placement } = territory;
  const places = nodesOf(placement, request).map((node) => placement.nodes[node]);
  throw new ShardisError(
    "CROSS_NODE",
    `the keys of ${request.command} ${request.kind === "sort" ? "may lie" : "lie"} on ${places.join(", ")}, and strict splits nothing: give ` +
      "them a common hash tag, such as {user:1}",
    { command: request.command, keys },
  );
}

/** All keys of a command must have one common hash tag, so that they lie together for good. */
export function checkOneTag(request: Request, { territory }: Dispatcher): void {
  const keys = keysOf(request);
  if (keys.length <= 1) return;
  const tags = new Set(keys.map((key) => tagOf(key, territory)));
  if (tags.size === 1 && !tags.has(undefined)) return;
  throw new ShardisError(
    "CROSS_NODE",
    `the keys of ${request.command} (${keys.slice(0, 3).map(describe).join(", ")}…) have no common ` +
      "hash tag, such as {user:1}",
    { command: request.command, keys },
  );
}

function keyedParts(parts: readonly Part[]): number {
  return parts.filter(({ keys }) => keys.length > 0).length;
}

function keysOf(request: Request): unknown[] {
  if (request.kind !== "parts") return [...request.placed.given];
  return request.parts.flatMap(({ keys }) => keys);
}

function tagOf(key: unknown, { placement, prefix }: Territory): string | undefined {
  return placement.explain(withPrefix(prefix, checkKey(key))).tag?.toString("latin1");
}
