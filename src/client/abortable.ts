/** Commands that are carried out until a signal calls them off. */
import { Command } from "ioredis";
import type { Argument, ReplyEncoding } from "../commands/arguments.ts";
import type { PartedRequest, Territory } from "../commands/request.ts";
import type { Sender } from "../topology/connection.ts";
import { Calls } from "./calls.ts";
import type { Carrier, MadeRequest } from "./carrier.ts";
import type { Dispatcher } from "./dispatcher.ts";

/** Carries commands out as a client does, as long as a signal is not aborted. */
export class AbortableCarrier implements Carrier {
  readonly territory: Territory;
  readonly #dispatcher: Dispatcher;
  readonly #calls: Calls;

  constructor(dispatcher: Dispatcher, signal: AbortSignal) {
    this.territory = dispatcher.territory;
    this.#dispatcher = dispatcher;
    this.#calls = new Calls(signal);
  }

  async run(name: string, args: readonly Argument[], encoding: ReplyEncoding): Promise<unknown> {
    this.#calls.check(name, []);
    try {
      return await this.#dispatcher.run(name, args, encoding, { calls: this.#calls });
    } catch (error) {
      throw this.#calls.explain(error);
    }
  }

  prepare(
    name: string,
    args: readonly Argument[],
    encoding: ReplyEncoding,
  ): MadeRequest | undefined {
    this.#calls.check(name, []);
    return this.#dispatcher.prepare(name, args, encoding);
  }

  async replyTo(request: PartedRequest, replies: readonly Promise<unknown>[]): Promise<unknown> {
    try {
      return await this.#dispatcher.replyTo(request, replies);
    } catch (error) {
      throw this.#calls.explain(error);
    }
  }

  nodeAt(index: number): Sender {
    const node = this.#dispatcher.nodeAt(index);
    return {
      send: (command, keys) => node.send(command, keys),
      sendAll: (commands) => {
        for (const { command } of commands) this.#calls.add(command);
        return node.sendAll(commands);
      },
      transact: (commands) => {
        const exec = new Command("exec");
        this.#calls.add(exec);
        return node.transact(commands, exec);
      },
    };
  }
}
