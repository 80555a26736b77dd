/** Two clients that must not be told apart: shardis over some nodes, and ioredis on one. */
import { setTimeout } from "node:timers/promises";
import { Redis } from "ioredis";
import { commandRow } from "../../src/commands/table.ts";
import { ShardedRedis, ShardisError } from "../../src/index.ts";
import type { TcpTestNode } from "../../src/testing/index.ts";
import { isBlocking } from "../../src/topology/blocking.ts";
import { agree, canonical, show } from "./model-compare.ts";
import { compareData, type Item, type Name, readData } from "./model-data.ts";
import {
  type Call,
  invoke,
  type Outcome,
  perform,
  performCall,
  type Step,
  writeCall,
} from "./model-steps.ts";
import { recordBatches } from "./sent-bytes.ts";

export interface ArenaOptions {
  readonly nodes: readonly TcpTestNode[];
  readonly model: TcpTestNode;
  /** The database that is used, of all servers. */
  readonly db: number;
  readonly protocol: 2 | 3;
  readonly autoBatch: boolean;
}

/** How often something has become of a command. */
export interface Tally {
  compared: number;
  /** Of these, how many were errors. */
  errors: number;
  refused: number;
}

export class Arena implements AsyncDisposable {
  readonly redis: ShardedRedis;
  readonly model: Redis;
  readonly tallies = new Map<string, Tally>();
  /** The size of every batch that has been sent. */
  readonly batches: readonly number[];
  readonly #nodes: readonly (readonly [name: string, client: Redis])[];
  readonly #modelData: Redis;

  constructor({ nodes, model, db, protocol, autoBatch }: ArenaOptions) {
    const places = nodes.map(({ name, host, port }) => ({ name, host, port, db }));
    this.redis = new ShardedRedis(places, { autoBatch, redisOptions: { protocol } });
    this.batches = recordBatches(this.redis.nodes());
    this.model = new Redis({ host: model.host, port: model.port, db, protocol });
    // What is checked goes another way than what is tested.
    const reader = (host: string, port: number) => new Redis({ host, port, db, protocol: 2 });
    this.#nodes = places.map(({ name, host, port }) => [name, reader(host, port)]);
    this.#modelData = reader(model.host, model.port);
  }

  /** Empties all databases. */
  async reset(): Promise<void> {
    await Promise.all([...this.#clients()].map((client) => client.flushdb()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.redis.quit(), this.model.quit()]);
    for (const client of this.#clients()) client.disconnect();
  }

  *#clients(): Iterable<Redis> {
    for (const [, client] of this.#nodes) yield client;
    yield this.#modelData;
  }

  /**
   * Does a step to both clients at once.
   *
   * @returns in what they disagree, if they do
   */
  async run(step: Step): Promise<string | undefined> {
    switch (step.kind) {
      case "call":
        return this.#runCalls(step);
      case "tick":
        return this.#runTick(step);
      case "pipeline":
        return this.#runPipeline(step);
      case "transaction":
        return this.#runTransaction(step);
    }
  }

  /** In what the data differ, and what lies where it should not. */
  async checkData(): Promise<string | undefined> {
    // Keys of shardis' own are dropped by and by: nobody waits for it.
    const end = Date.now() + DROP_LIMIT;
    for (;;) {
      const [theirs, ...ours] = await Promise.all([...this.#readAll()]);
      const isSettled = ours.every((data) => data !== undefined && !hasOwnKeys(data));
      if (theirs !== undefined && (isSettled || Date.now() > end)) {
        return this.#compareData(ours, theirs);
      }
      await setTimeout(2);
    }
  }

  *#readAll(): Iterable<Promise<Map<Name, Item> | undefined>> {
    yield readData(this.#modelData);
    for (const [, client] of this.#nodes) yield readData(client);
  }

  #compareData(
    ours: readonly (ReadonlyMap<Name, Item> | undefined)[],
    theirs: ReadonlyMap<Name, Item>,
  ): string | undefined {
    const all = new Map<Name, Item>();
    const faults: string[] = [];
    for (const [index, data = new Map<Name, Item>()] of ours.entries()) {
      const node = this.#nodes[index]?.[0] ?? "";
      for (const [name, item] of data) {
        const key = Buffer.from(name, "latin1");
        if (name.startsWith(OWN)) {
          faults.push(`${show(key)} is left over on ${node}`);
          continue;
        }
        if (all.has(name)) faults.push(`${show(key)} lies on ${node}, and on another node`);
        const owner = this.redis.nodeFor(key).name;
        if (owner !== node) faults.push(`${show(key)} lies on ${node}, but belongs to ${owner}`);
        all.set(name, item);
      }
    }
    faults.push(...compareData(all, theirs));
    return faults.length === 0 ? undefined : `the data differ:\n  ${faults.join("\n  ")}`;
  }

  async #runCalls({ calls }: Step): Promise<string | undefined> {
    for (const call of calls) {
      const fault = await this.#runCall(call);
      if (fault !== undefined) return fault;
    }
    return undefined;
  }

  /** Of calls that follow each other, those that are one step are not waited for. */
  async #runTick({ calls }: Step): Promise<string | undefined> {
    let together: Call[] = [];
    for (const call of calls) {
      if (this.#isOneStep(call)) {
        together.push(call);
        continue;
      }
      const fault = (await this.#runTogether(together)) ?? (await this.#runCall(call));
      if (fault !== undefined) return fault;
      together = [];
    }
    return this.#runTogether(together);
  }

  /**
   * Does calls to both clients in one tick. Those of each node run in their order, and
   * those of several nodes have no key in common: so replies are as if all were in order.
   */
  async #runTogether(calls: readonly Call[]): Promise<string | undefined> {
    const [ours, theirs] = await Promise.all([
      Promise.all(calls.map((call) => performCall(this.redis, call))),
      Promise.all(calls.map((call) => performCall(this.model, call))),
    ]);
    const faults = calls.map((call, index) => {
      const wanted = theirs[index] ?? { reply: undefined };
      this.#countOutcome(call, wanted);
      return compareOutcomes(call, ours[index] ?? { reply: undefined }, wanted);
    });
    return faults.find((fault) => fault !== undefined);
  }

  async #runCall(call: Call): Promise<string | undefined> {
    const refusal = this.#refusal(call);
    if (refusal !== undefined) {
      this.#count(call, "refused");
      const outcome = await performCall(this.redis, call);
      return checkRefusal(call, refusal, outcome) ?? (await this.checkData());
    }
    if (call.command === "scan") {
      const [ours, theirs] = await Promise.all([scan(this.redis, call), scan(this.model, call)]);
      this.#count(call, "compared");
      return compareOutcomes(call, { reply: ours }, { reply: theirs });
    }
    const [ours, theirs] = await Promise.all([
      performCall(this.redis, call),
      performCall(this.model, call),
    ]);
    this.#countOutcome(call, theirs);
    if (call.command === "dbsize" && compareOutcomes(call, ours, theirs) !== undefined) {
      // It counts keys of shardis' own too, for the moment until they are dropped.
      return (
        (await this.checkData()) ??
        compareOutcomes(call, await performCall(this.redis, call), theirs)
      );
    }
    if (call.command === "randomkey") return this.#checkRandomKey(call, ours, theirs);
    return compareOutcomes(call, ours, theirs);
  }

  /** Calls that shardis refuses are refused alone; those around them are not the wiser. */
  async #runPipeline({ kind, calls }: Step): Promise<string | undefined> {
    const refusals = calls.map((call) => this.#refusal(call));
    const accepted = calls.filter((_, index) => refusals[index] === undefined);
    const [ours, theirs] = await Promise.all([
      perform(this.redis, { kind, calls }),
      perform(this.model, { kind, calls: accepted }),
    ]);
    const [results, expected] = [resultsOf(ours), resultsOf(theirs)];
    if (results?.length !== calls.length || expected === undefined) {
      return `the pipeline came to ${showOutcome(ours)}, and in one Redis to ${showOutcome(theirs)}`;
    }
    let next = 0;
    const faults = calls.map((call, index) => {
      const result = results[index] ?? { reply: undefined };
      const refusal = refusals[index];
      if (refusal !== undefined) {
        this.#count(call, "refused");
        return checkRefusal(call, refusal, result);
      }
      const wanted = expected[next++] ?? { reply: undefined };
      this.#countOutcome(call, wanted);
      return compareOutcomes(call, result, wanted);
    });
    return faults.find((fault) => fault !== undefined);
  }

  async #runTransaction(step: Step): Promise<string | undefined> {
    if (!this.#isOnOneNode(step)) {
      for (const call of step.calls) this.#count(call, "refused");
      const outcome = await perform(this.redis, step);
      const error = "error" in outcome ? outcome.error : undefined;
      const isRefused = error instanceof ShardisError && REFUSALS.includes(error.code);
      if (isRefused) return this.checkData();
      return `the transaction over several nodes came to ${showOutcome(outcome)}`;
    }
    const [ours, theirs] = await Promise.all([
      perform(this.redis, step),
      perform(this.model, step),
    ]);
    const [results, expected] = [resultsOf(ours), resultsOf(theirs)];
    if (results === undefined || expected === undefined || results.length !== expected.length) {
      if (show(Object.values(ours)) === show(Object.values(theirs))) return undefined;
      return `the transaction came to ${showOutcome(ours)}, and in one Redis to ${showOutcome(theirs)}`;
    }
    const faults = step.calls.map((call, index) => {
      const wanted = expected[index] ?? { reply: undefined };
      this.#countOutcome(call, wanted);
      return compareOutcomes(call, results[index] ?? { reply: undefined }, wanted);
    });
    return faults.find((fault) => fault !== undefined);
  }

  /** Whether a command is sent at once, to each node at most one, and none of them waits. */
  #isOneStep(call: Call): boolean {
    if (this.#refusal(call) !== undefined || isBlocking(call.command)) return false;
    const { strategy } = this.redis.explain(call.command, call.args);
    return ONE_STEP.has(strategy);
  }

  #isOnOneNode({ calls }: Step): boolean {
    const nodes = new Set<string>();
    for (const call of calls) {
      if (this.#refusal(call) !== undefined) return false;
      const explained = this.redis.explain(call.command, call.args);
      if (explained.strategy === "special") return false;
      // What has no keys goes wherever the others go.
      if (explained.strategy === "any") continue;
      for (const node of explained.nodes) nodes.add(node);
    }
    return nodes.size <= 1;
  }

  /** Why shardis does not send a command at all, as the command table has it. */
  #refusal({ command, args }: Call): ShardisError | undefined {
    try {
      this.redis.explain(command, args);
      return undefined;
    } catch (error) {
      if (error instanceof ShardisError) return error;
      throw error;
    }
  }

  async #checkRandomKey(call: Call, ours: Outcome, theirs: Outcome): Promise<string | undefined> {
    const [key, other] = [replyOf(ours), replyOf(theirs)];
    if (key === null && other === null) return undefined;
    const isKey = typeof key === "string" || Buffer.isBuffer(key);
    // Keys that are not text come back with replacement characters, from both.
    const isText = isKey && (Buffer.isBuffer(key) || !key.includes("\ufffd"));
    if (isKey && (!isText || (await this.#modelData.exists(key)) === 1)) return undefined;
    return compareOutcomes(call, ours, theirs);
  }

  #countOutcome(call: Call, outcome: Outcome): void {
    this.#count(call, "compared");
    if ("error" in outcome) this.#count(call, "errors");
  }

  #count({ command }: Call, what: keyof Tally): void {
    const tally = this.tallies.get(command) ?? { compared: 0, errors: 0, refused: 0 };
    tally[what]++;
    this.tallies.set(command, tally);
  }
}

const ONE_STEP: ReadonlySet<string> = new Set(["node", "split", "any"]);

/** What the names of shardis' own keys begin with. */
const OWN = "shardis:";

/** In how many milliseconds they are dropped. */
const DROP_LIMIT = 1_000;

function hasOwnKeys(data: ReadonlyMap<Name, Item>): boolean {
  return [...data.keys()].some((name) => name.startsWith(OWN));
}

/** What a command can be refused with if nothing is wrong with it. */
const REFUSALS: readonly string[] = ["CROSS_NODE", "UNSUPPORTED"];

/** Whether nothing can be done about a refusal, as the command table has it. */
function isJustified({ command, args }: Call, { code }: ShardisError): boolean {
  if (code !== "CROSS_NODE") return code === "UNSUPPORTED";
  return commandRow(command, args)?.policy.kind === "node";
}

function checkRefusal(call: Call, refusal: ShardisError, outcome: Outcome): string | undefined {
  const error = "error" in outcome ? outcome.error : undefined;
  const isSame = error instanceof ShardisError && error.code === refusal.code;
  if (isSame && isJustified(call, refusal)) return undefined;
  return `${writeCall(call)} is to be refused (${refusal.code}), but came to ${showOutcome(outcome)}`;
}

function compareOutcomes(call: Call, ours: Outcome, theirs: Outcome): string | undefined {
  if ("error" in ours && "error" in theirs) {
    if (messageOf(ours.error) === messageOf(theirs.error)) return undefined;
  } else if (!("error" in ours) && !("error" in theirs)) {
    if (agree(call.command, call.args, ours.reply, theirs.reply)) return undefined;
    const [a, b] = [ours, theirs].map(({ reply }) => canonical(call.command, call.args, reply));
    return `${writeCall(call)} replied\n  ${a}, and one Redis\n  ${b}`;
  }
  return `${writeCall(call)} came to\n  ${showOutcome(ours)}, and in one Redis to\n  ${showOutcome(theirs)}`;
}

/** All that a cursor walks through. */
async function scan(client: object, { method, args }: Call): Promise<string> {
  const [, ...options] = args;
  const name = method.endsWith("Buffer") ? "scanBuffer" : "scan";
  const found = new Set<string>();
  let cursor: unknown = "0";
  do {
    const call = { method: name, given: [cursor, ...options], command: "scan", args: [] };
    const page: unknown = await invoke(client, call);
    if (!Array.isArray(page) || !Array.isArray(page[1])) return show(page);
    for (const key of page[1]) found.add(show(key));
    [cursor] = page;
  } while (String(cursor) !== "0");
  return [...found].sort().join(", ");
}

/** The outcomes of a pipeline's or a transaction's calls. */
function resultsOf(outcome: Outcome): Outcome[] | undefined {
  const reply = replyOf(outcome);
  if (!Array.isArray(reply)) return undefined;
  return reply.map((result: unknown): Outcome => {
    if (!Array.isArray(result)) return { error: result };
    const [error, value] = result;
    return error === null ? { reply: value } : { error };
  });
}

function replyOf(outcome: Outcome): unknown {
  return "error" in outcome ? undefined : outcome.reply;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function showOutcome(outcome: Outcome): string {
  return "error" in outcome ? show(outcome.error) : show(outcome.reply);
}
