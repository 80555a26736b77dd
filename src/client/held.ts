/** Commands that are held to one node. */
import type { Argument, ReplyEncoding } from "../commands/arguments.ts";
import { type PartedRequest, type Territory, takeApart } from "../commands/request.ts";
import { commandRow } from "../commands/table.ts";
import { ShardisError } from "../errors.ts";
import { describe } from "../keys.ts";
import { waitOf } from "../topology/blocking.ts";
import type { Sender } from "../topology/connection.ts";
import type { Carrier, Home, MadePart, MadeRequest } from "./carrier.ts";

/** Carries commands out on the node of one key, on a connection there, and refuses all others. */
export class HeldCarrier implements Carrier {
  readonly territory: Territory;
  readonly #home: Home;
  readonly #pin: MadePart;
  readonly #sender: Sender;

  /**
   * @param home places the keys
   * @param pin what has chosen the node
   */
  constructor(home: Home, pin: MadePart, sender: Sender) {
    this.territory = home.territory;
    this.#home = home;
    this.#pin = pin;
    this.#sender = sender;
  }

  async run(name: string, args: readonly Argument[], encoding: ReplyEncoding): Promise<unknown> {
    const isWatch = name.toLowerCase() === "watch";
    const { command, keys } = isWatch
      ? this.#beside(this.#home.prepareWatch(args))
      : this.#partOf(name, args, encoding);
    if (waitOf(command) !== undefined) {
      throw new ShardisError(
        "UNSUPPORTED",
        `${command.name} would wait for others while keys are watched: run it outside of the ` +
          "transaction",
        { command: command.name, keys },
      );
    }
    return this.#sender.send(command, keys);
  }

  prepare(name: string, args: readonly Argument[], encoding: ReplyEncoding): MadeRequest {
    const part = this.#partOf(name, args, encoding);
    const request = { kind: "parts", parts: [], merge: undefined } as const;
    return { request: { ...request, command: name.toLowerCase() }, parts: [part] };
  }

  async replyTo(_: PartedRequest, [reply]: readonly Promise<unknown>[]): Promise<unknown> {
    return reply;
  }

  nodeAt(): Sender {
    return this.#sender;
  }

  #partOf(name: string, args: readonly Argument[], encoding: ReplyEncoding): MadePart {
    return this.#beside(onlyPart(this.#home, name, args, encoding));
  }

  #beside(part: MadePart): MadePart {
    checkTogether(this.#home, [this.#pin, part]);
    return part;
  }
}

/**
 * The one part of a command that may run on one node only.
 *
 * @throws ShardisError `CROSS_NODE`; `UNSUPPORTED` if its keys are not known
 */
export function onlyPart(
  carrier: Carrier,
  name: string,
  args: readonly Argument[],
  encoding: ReplyEncoding,
): MadePart {
  const made = carrier.prepare(name, args, encoding);
  const [part, other] = made?.parts ?? [];
  if (part !== undefined && other === undefined) return part;
  const command = name.toLowerCase();
  if (commandRow(command, args) === undefined) {
    throw new ShardisError(
      "UNSUPPORTED",
      `${command} is not among the commands whose keys shardis knows: nothing was sent; use ` +
        "redis.by(key).multi() or redis.by(key).transaction(…)",
      { command },
    );
  }
  throw new ShardisError(
    "CROSS_NODE",
    `${command} would run on several nodes, but a transaction is on one; nothing was sent`,
    {
      command,
      keys: made?.parts.flatMap((part) => part.keys) ?? keysOf(carrier.territory, command, args),
    },
  );
}

/**
 * Parts must lie on the node of the first that has keys.
 *
 * @returns that node
 * @throws ShardisError `CROSS_NODE`
 */
export function checkTogether({ territory }: Carrier, parts: readonly MadePart[]): number {
  const [first, ...others] = parts.filter(({ keys }) => keys.length > 0);
  const stray = others.find(({ node }) => node !== first?.node);
  if (first === undefined || stray === undefined) return first?.node ?? 0;
  const { nodes } = territory.placement;
  const [key, pin] = [describe(stray.keys[0]), describe(first.keys[0])];
  throw new ShardisError(
    "CROSS_NODE",
    `the key ${key} lies on ${nodes[stray.node]}, but ${pin} holds the transaction to ` +
      `${nodes[first.node]}; nothing was sent. Give the keys a common hash tag`,
    { command: stray.command.name.toLowerCase(), keys: [stray.keys[0]] },
  );
}

/** The keys of a command that takes several steps. */
function keysOf(
  territory: Territory,
  command: string,
  args: readonly Argument[],
): readonly unknown[] {
  const row = commandRow(command, args);
  if (row === undefined || row.policy.kind === "special") return [];
  const request = takeApart(territory, row, command, args);
  return request.kind === "parts" ? [] : request.placed.given;
}
