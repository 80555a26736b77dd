/**
 * Replies on the lane are those of ioredis, whatever a server says and however the network
 * cuts it. `FC_RUNS` takes another number of runs, `FC_SEED` another seed.
 */
import test from "ava";
import fc from "fast-check";
import { Command, type Redis } from "ioredis";
import type { ReplyEncoding } from "../src/commands/arguments.ts";
import { Batch, isErrorReply, type Replies, type ReplyContext } from "../src/lane/batch.ts";
import { aboutCommand, shapeReply } from "../src/lane/shape.ts";
import { Connection } from "../src/topology/connection.ts";
import { checkAsync } from "./helpers/arbitraries.ts";
import { LaneDecoder } from "./helpers/lane-decoder.ts";
import { connectToMemory, type MemorySocket } from "./helpers/memory-connection.ts";
import { comparable, mustEqual, type Outcome, outcome } from "./helpers/outcomes.ts";
import {
  cut,
  type Protocol,
  reply,
  sizes,
  subscribed,
  unasked,
  type Value,
  write,
} from "./helpers/replies.ts";

/** Those whose replies ioredis gives another shape, and others. */
const NAMES = [
  "get",
  "lrange",
  "hgetall",
  "HGETALL",
  "hrandfield",
  "zrange",
  "zpopmin",
  "ZPOPMIN",
  "zrandmember",
  "vsim",
] as const;

/** A command, as far as it matters for its reply. */
interface Asked {
  readonly name: string;
  readonly encoding: ReplyEncoding;
}

const asked = fc.record({
  name: fc.constantFrom(...NAMES),
  encoding: fc.constantFrom("utf8" as const, null),
});

const KEY = "key";
const CHANNEL = "channel";

function toCommand({ name, encoding }: Asked): Command {
  return new Command(name, [KEY], { replyEncoding: encoding });
}

function send(client: Redis, asked: Asked): Promise<unknown> {
  return Promise.resolve(client.sendCommand(toCommand(asked)));
}

for (const protocol of [2, 3] as const) {
  test(`values of RESP${protocol} are built as ioredis builds them`, async (t) => {
    const exchange = fc.array(fc.tuple(asked, reply(protocol)), { maxLength: 6 });
    await checkAsync(
      fc.asyncProperty(exchange, sizes, async (exchange, sizes) => {
        const commands = exchange.map(([command]) => command);
        const values = exchange.map(([, value]) => value);
        // ioredis knows no attributes; here they change nothing.
        const annotated = Buffer.concat(values.map((value) => write(value, true)));
        const ours = decode(protocol, commands, cut(annotated, sizes));
        const { client, socket } = await connectToMemory(protocol, () => {});
        const theirs = commands.map((command) => outcome(send(client, command)));
        const bytes = Buffer.concat(values.map((value) => write(value)));
        for (const chunk of cut(bytes, sizes)) socket.feed(chunk);
        mustEqual(ours, await Promise.all(theirs));
        client.disconnect();
      }),
      1000,
    );
    t.pass();
  });

  test(`on a connection that speaks RESP${protocol} every reply goes where it belongs`, async (t) => {
    await checkAsync(
      fc.asyncProperty(script(protocol), sizes, fc.nat(4), async (script, sizes, ahead) => {
        const [ours, theirs] = await Promise.all([
          play(await connectLane(protocol), script, sizes, ahead),
          play(await connectPlain(protocol), script, sizes, ahead),
        ]);
        mustEqual(ours.messages, theirs.messages);
        mustEqual(ours.outcomes, theirs.outcomes);
      }),
      500,
    );
    t.pass();
  });
}

/** What the scanner and the builder make of replies, in the shapes of ioredis. */
function decode(
  protocol: Protocol,
  commands: readonly Asked[],
  chunks: readonly Buffer[],
): Outcome[] {
  const outcomes: Outcome[] = [];
  const decoder = new LaneDecoder({
    get isText() {
      return commands[outcomes.length]?.encoding !== null;
    },
    take(reply) {
      const name = commands[outcomes.length]?.name ?? "";
      outcomes.push(shape(name, reply, { protocol, replyMapping: "legacy" }));
    },
  });
  for (const chunk of chunks) decoder.feed(chunk);
  return outcomes;
}

/** What users of the lane see of a reply. */
function shape(name: string, reply: unknown, context: ReplyContext): Outcome {
  if (isErrorReply(reply)) return ["error", comparable(aboutCommand(reply, name, [KEY]))];
  return ["reply", comparable(shapeReply(name, reply, context))];
}

/** What is sent at once, and what answers it, each reply after what comes unasked before it. */
interface Turn {
  /** One command, several in a batch, or the subscription to a channel. */
  readonly kind: "command" | "batch" | "subscribe";
  readonly answers: readonly { asked: Asked; value: Value; before: readonly Value[] }[];
}

function script(protocol: Protocol): fc.Arbitrary<Turn[]> {
  const answer = fc.record({
    asked,
    value: reply(protocol),
    before: protocol === 3 ? fc.array(unasked, { maxLength: 2 }) : fc.constant([]),
  });
  const turn = (kind: Turn["kind"], maxLength: number) =>
    fc
      .array(answer, { minLength: 1, maxLength })
      .map((answers): Turn => ({ kind, answers: answers }));
  const subscription = turn("subscribe", 1).map(
    ({ kind, answers }): Turn => ({
      kind,
      answers: answers.map((answer) => ({ ...answer, value: subscribed(CHANNEL) })),
    }),
  );
  return fc.array(
    fc.oneof(
      { weight: 4, arbitrary: turn("batch", 5) },
      { weight: 3, arbitrary: turn("command", 1) },
      { weight: protocol === 3 ? 1 : 0, arbitrary: subscription },
    ),
    { maxLength: 8 },
  );
}

/** A client, its socket, and how it asks. */
interface Player {
  readonly client: Redis;
  readonly socket: MemorySocket;
  ask(turn: Turn): Promise<Outcome>[];
}

async function connectPlain(protocol: Protocol): Promise<Player> {
  const { client, socket } = await connectToMemory(protocol, () => {});
  return {
    client,
    socket,
    ask: ({ answers }) => answers.map(({ asked }) => outcome(send(client, asked))),
  };
}

async function connectLane(protocol: Protocol): Promise<Player> {
  const limits = { commandTimeout: 60_000, maxQueuedCommands: 0, autoBatch: true };
  const { client, socket, prepared } = await connectToMemory(protocol, (client) => {
    return new Connection("a", client, limits);
  });
  return {
    client,
    socket,
    ask({ kind, answers }) {
      const commands = answers.map(({ asked }) => asked);
      if (kind === "batch") return askInBatch(prepared, commands);
      return commands.map((asked) => outcome(prepared.send(toCommand(asked), [KEY])));
    },
  };
}

/** The replies to a batch, as those who sent it see them. */
function askInBatch(connection: Connection, commands: readonly Asked[]): Promise<Outcome>[] {
  if (!connection.takesBatches) throw new Error("the connection takes no batches");
  const settle: ((outcome: Outcome) => void)[] = [];
  const outcomes = commands.map(() => new Promise<Outcome>((resolve) => settle.push(resolve)));
  const replies: Replies = {
    isText: (index) => commands[index]?.encoding !== null,
    settle: (index, reply, context) =>
      settle[index]?.(shape(commands[index]?.name ?? "", reply, context)),
    fail: (index, explain) => settle[index]?.(["error", comparable(explain("batch", []))]),
  };
  connection.sendBatch(new Batch(Buffer.from("a batch"), commands.length, replies));
  return outcomes;
}

/**
 * Plays a script to a client.
 *
 * @param ahead how many turns are sent before the first byte that answers them comes, at least
 */
async function play(
  { client, socket, ask }: Player,
  script: readonly Turn[],
  sizes: readonly number[],
  ahead: number,
): Promise<{ outcomes: Outcome[]; messages: unknown[] }> {
  const messages: unknown[] = [];
  client.on("messageBuffer", (channel, message) => messages.push([channel, message]));
  const outcomes: Promise<Outcome>[] = [];
  const answers = script.map(({ answers }) => {
    return answers.map(({ before, value }) => [...before, value].map((each) => write(each)));
  });
  // Where the reply to the first command of each turn begins, after what comes before it unasked.
  const starts: number[] = [];
  let length = 0;
  for (const answer of answers) {
    const [first = []] = answer;
    const sum = (parts: readonly Buffer[]) => parts.reduce((sum, part) => sum + part.length, 0);
    starts.push(length + sum(first.slice(0, -1)));
    length += sum(answer.flat());
  }
  let [sent, received] = [0, 0];
  for (const chunk of cut(Buffer.concat(answers.flat(2)), sizes)) {
    received += chunk.length;
    const due = starts.findIndex((start) => start >= received);
    const wanted = due === -1 ? script.length : Math.min(due + ahead, script.length);
    for (const turn of script.slice(sent, wanted)) outcomes.push(...askFor(client, ask, turn));
    sent = Math.max(sent, wanted);
    socket.feed(chunk);
  }
  const settled = await Promise.all(outcomes);
  client.disconnect();
  return { outcomes: settled, messages };
}

function askFor(client: Redis, ask: Player["ask"], turn: Turn): Promise<Outcome>[] {
  return turn.kind === "subscribe" ? [outcome(client.subscribe(CHANNEL))] : ask(turn);
}
