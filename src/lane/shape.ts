/** Replies as ioredis gives them to its users. */
import { Command } from "ioredis";
import type { ReplyContext } from "./batch.ts";

/** One command of each name, which knows what ioredis makes of its replies. */
const templates = new Map<string, Command>();

/**
 * The reply to a command in the shape that ioredis gives it, such as an object
 * for `hgetall`.
 *
 * @param name as the user gave it: ioredis knows commands by their names in lower case
 */
export function shapeReply(name: string, reply: unknown, context: ReplyContext): unknown {
  let template = templates.get(name);
  if (template === undefined) {
    template = new Command(name, [], { replyEncoding: null });
    templates.set(name, template);
  }
  template.setReplyContext(context);
  // It is typed for bytes only, which without an encoding it leaves as they are.
  return Reflect.apply(template.transformReply, template, [reply]);
}

/** An error that a server answered, with the command that it is about, as in ioredis. */
export function aboutCommand(error: Error, name: string, args: readonly unknown[]): Error {
  return Object.assign(error, { command: { name, args: [...args] } });
}
