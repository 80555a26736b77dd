/** Steps of the model test: drawn by lot, done to a client, and written as code. */
import type { Argument } from "../../src/commands/arguments.ts";
import { ALONE, GROUPS } from "./model-commands.ts";
import type { Draw } from "./model-draw.ts";

/** A call of a method that is named after its command, or of `call` and `callBuffer`. */
export interface Call {
  readonly method: string;
  /** As the method gets them. */
  readonly given: readonly unknown[];
  /** In lower case. */
  readonly command: string;
  /** The arguments of the command, flat. */
  readonly args: readonly Argument[];
}

export interface Step {
  /** `tick`: calls of which none waits for the one before it. */
  readonly kind: "call" | "tick" | "pipeline" | "transaction";
  readonly calls: readonly Call[];
}

export function drawStep(draw: Draw): Step {
  const kind = draw.weighted([
    { kind: "call", weight: 90 },
    { kind: "tick", weight: 15 },
    { kind: "pipeline", weight: 5 },
    { kind: "transaction", weight: 3 },
  ] as const).kind;
  if (kind === "call") {
    return { kind, calls: [draw.tagged(draw.chance(0.15), () => drawCall(draw))] };
  }
  const isTagged = draw.chance(kind === "transaction" ? 0.9 : kind === "tick" ? 0.3 : 0);
  const most = kind === "tick" ? 16 : 8;
  const calls = draw.tagged(isTagged, () => draw.times(1, most, () => drawTogether(draw)));
  return { kind, calls };
}

/** A call that can be among others. */
function drawTogether(draw: Draw): Call {
  for (;;) {
    const call = drawCall(draw);
    if (!ALONE.has(call.command)) return call;
  }
}

function drawCall(draw: Draw): Call {
  const { command, draw: drawArguments } = draw.weighted(draw.weighted(GROUPS).rows);
  // ioredis' clients take whatever has text; so do those who call them.
  const args = drawArguments(draw).map((argument) => argument as Argument);
  const given = args.length > 0 && draw.chance(0.1) ? [args] : args;
  const suffix = draw.chance(0.6) ? "Buffer" : "";
  if (draw.chance(0.8)) return { method: `${command}${suffix}`, given, command, args };
  // Objects are taken apart by the name in lower case only.
  const isPlain = args.every(
    (argument) => typeof argument !== "object" || Buffer.isBuffer(argument),
  );
  const name = isPlain && draw.chance(0.3) ? command.toUpperCase() : command;
  return { method: `call${suffix}`, given: [name, ...given], command, args };
}

/** What a call came to: a reply, or an error. */
export type Outcome = { readonly reply: unknown } | { readonly error: unknown };

/** Does a call to a client. */
export async function performCall(client: object, call: Call): Promise<Outcome> {
  try {
    return { reply: await invoke(client, call) };
  } catch (error) {
    return { error };
  }
}

/** Does a pipeline or a transaction to a client, which is one promise. */
export async function perform(client: object, { kind, calls }: Step): Promise<Outcome> {
  try {
    const chain = invokeMethod(client, kind === "pipeline" ? "pipeline" : "multi", []);
    if (typeof chain !== "object" || chain === null) throw new TypeError("that is no pipeline");
    for (const call of calls) invoke(chain, call);
    return { reply: await invokeMethod(chain, "exec", []) };
  } catch (error) {
    return { error };
  }
}

export function invoke(client: object, { method, given }: Call): unknown {
  return invokeMethod(client, method, given);
}

function invokeMethod(client: object, name: string, args: readonly unknown[]): unknown {
  const method: unknown = Reflect.get(client, name);
  if (typeof method !== "function") throw new TypeError(`there is no method ${name}`);
  return Reflect.apply(method, client, args);
}

/** A step as it could be typed. */
export function writeStep({ kind, calls }: Step): string {
  const written = calls.map(writeCall);
  if (kind === "call") return `await redis.${written.join("")};`;
  if (kind === "tick") {
    return `await Promise.allSettled([${written.map((call) => `redis.${call}`).join(", ")}]);`;
  }
  const start = kind === "pipeline" ? "pipeline" : "multi";
  return `await redis.${[`${start}()`, ...written, "exec()"].join(".")};`;
}

export function writeCall({ method, given }: Call): string {
  return `${method}(${given.map(write).join(", ")})`;
}

function write(value: unknown): string {
  if (Buffer.isBuffer(value)) return `Buffer.from("${value.toString("hex")}", "hex")`;
  if (Array.isArray(value)) return `[${value.map(write).join(", ")}]`;
  if (value instanceof Map) return `new Map(${write([...value])})`;
  return JSON.stringify(value);
}
