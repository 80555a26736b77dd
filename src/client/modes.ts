/** Views that ask more of a command's keys than the client does. */
import type { Argument, ReplyEncoding } from "../commands/arguments.ts";
import type { Check } from "../commands/check.ts";
import type { Dispatcher } from "./dispatcher.ts";
import { attachCommands, EXECUTE, type Executor, runNow } from "./methods.ts";
import type { Commands } from "./types.ts";

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
    return this.#dispatcher.run(name, args, encoding, this.#check);
  }
}

export interface CheckedView extends Commands {}

attachCommands(CheckedView.prototype, runNow);
