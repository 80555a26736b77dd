/**
 * Whole clients, and a peer over TCP that answers whatever it likes: what ioredis makes of
 * it, shardis does; and what is no reply ends the connection, and nothing else.
 */
import test from "ava";
import fc from "fast-check";
import { Redis } from "ioredis";
import { ShardisError } from "../src/index.ts";
import { checkAsync } from "./helpers/arbitraries.ts";
import { mustEqual, type Outcome, outcome } from "./helpers/outcomes.ts";
import { startPeer } from "./helpers/peer.ts";
import { cut, type Protocol, reply, sizes, unasked, type Value, write } from "./helpers/replies.ts";
import { newClient, settle, until, watchRejections } from "./helpers/setup.ts";

watchRejections(test);

const NAMES = ["get", "GET", "lrange", "hgetall", "zrange", "zpopmin", "hrandfield", "smembers"];

/** Commands that go together, and what answers them. */
interface Turn {
  readonly kind: "tick" | "pipeline" | "node";
  readonly calls: readonly { name: string; isText: boolean; value: Value; before: Value[] }[];
}

function script(protocol: Protocol): fc.Arbitrary<Turn[]> {
  const call = fc.record({
    name: fc.constantFrom(...NAMES),
    isText: fc.boolean(),
    value: reply(protocol),
    before: protocol === 3 ? fc.array(unasked, { maxLength: 1 }) : fc.constant<Value[]>([]),
  });
  const turn = fc.record({
    kind: fc.constantFrom("tick" as const, "pipeline" as const, "node" as const),
    calls: fc.array(call, { minLength: 1, maxLength: 5 }),
  });
  return fc.array(turn, { minLength: 1, maxLength: 5 });
}

/** What takes commands: a client of ioredis, one of shardis, or a pipeline of either. */
interface Caller {
  call(name: string, ...args: string[]): unknown;
  callBuffer(name: string, ...args: string[]): unknown;
}

/** Starts all turns in one tick. */
function start(
  client: Caller & { pipeline(): Caller & { exec(): Promise<unknown> } },
  node: () => Caller,
  script: readonly Turn[],
): Promise<Outcome>[] {
  return script.flatMap(({ kind, calls }) => {
    if (kind === "pipeline") {
      const pipeline = client.pipeline();
      for (const call of calls) invoke(pipeline, call);
      return [outcome(pipeline.exec().then(asPairs))];
    }
    return calls.map((call) => {
      return outcome(Promise.resolve(invoke(kind === "node" ? node() : client, call)));
    });
  });
}

/** ioredis leaves out the result where there is an error. */
function asPairs(results: unknown): unknown {
  return Array.isArray(results) ? results.map(([error, result]) => [error, result]) : results;
}

function invoke(caller: Caller, { name, isText }: { name: string; isText: boolean }): unknown {
  return isText ? caller.call(name, "key") : caller.callBuffer(name, "key");
}

for (const protocol of [2, 3] as const) {
  test(`over TCP with RESP${protocol}, what is replied comes out as from ioredis`, async (t) => {
    const peer = await startPeer(t);
    const redisOptions = { protocol };
    const redis = newClient(t, [{ name: "a", host: peer.host, port: peer.port }], { redisOptions });
    const plain = new Redis({ host: peer.host, port: peer.port, protocol });
    t.teardown(() => plain.disconnect());
    await redis.connect();
    await until(() => plain.status === "ready");
    await checkAsync(
      fc.asyncProperty(script(protocol), sizes, async (script, sizes) => {
        const calls = script.flatMap(({ calls }) => calls);
        const values = calls.flatMap(({ before, value }) => [...before, value]);
        const chunks = cut(Buffer.concat(values.map((value) => write(value))), sizes);
        peer.answer(calls.length, chunks);
        const ours = await Promise.all(start(redis, () => redis.node("a"), script));
        peer.answer(calls.length, chunks);
        mustEqual(ours, await Promise.all(start(plain, () => plain, script)));
      }),
      100,
    );
    t.is(peer.connections, 2);
  });
}

/** What no server says: within a batch, each is the end of what can be told of its replies. */
const FAULTS: Readonly<Record<string, string>> = {
  "what is no reply": "HTTP/1.1 400 Bad Request\r\n",
  "a string longer than its length": "$2\r\nabc\r\n",
  "a length beyond all limits": "*99999999999\r\n",
  "a line without an end": `+${"a".repeat(1 << 20)}`,
  "a push within a reply": "*2\r\n:1\r\n>1\r\n+x\r\n:2\r\n",
  "arrays without a bottom": "*1\r\n".repeat(10_000),
};

for (const [title, fault] of Object.entries(FAULTS)) {
  test(`${title} fails what waits for a reply, and nothing that has one or comes later`, async (t) => {
    const peer = await startPeer(t);
    const redis = newClient(t, [{ name: "a", host: peer.host, port: peer.port }]);
    await redis.connect();
    peer.answer(4, [Buffer.from(`+first\r\n+second\r\n${fault}`)]);
    const commands = [1, 2, 3, 4].map((number) => redis.get(`key:${number}`));
    const [first, second, ...others] = await settle(t, commands, 5000);
    t.deepEqual([first?.value, second?.value], ["first", "second"]);
    for (const { error } of others) {
      t.true(error instanceof ShardisError);
      t.like(error, { code: "CONNECTION_LOST", node: "a", command: "get", sent: true });
    }
    await until(() => peer.connections === 2 && redis.status === "ready");
    peer.answer(1, [Buffer.from("+third\r\n")]);
    t.is(await redis.get("key:5"), "third");
  });
}

test("a connection that ends within a reply fails it, and the next one begins anew", async (t) => {
  const peer = await startPeer(t);
  const redis = newClient(t, [{ name: "a", host: peer.host, port: peer.port }]);
  await redis.connect();
  for (const part of ["$5\r\nab", "*3\r\n:1\r\n", "*", ">2\r\n+invalidate\r\n*1\r\n$3\r\nk"]) {
    const { connections } = peer;
    peer.answer(2, [Buffer.from(`+first\r\n${part}`)]);
    const commands = [redis.get("key:1"), redis.get("key:2")];
    t.is(await commands[0], "first");
    peer.hangUp();
    const [, second] = await settle(t, commands, 5000);
    t.like(second?.error, { code: "CONNECTION_LOST", sent: true });
    await until(() => peer.connections > connections && redis.status === "ready");
  }
});

test("a reply that nobody waits for is an error, and no reply to what comes later", async (t) => {
  const peer = await startPeer(t);
  const redis = newClient(t, [{ name: "a", host: peer.host, port: peer.port }]);
  await redis.connect();
  const errors: unknown[] = [];
  redis.on("error", (error) => errors.push(error));
  peer.answer(2, [Buffer.from("+first\r\n+second\r\n+third\r\n")]);
  t.deepEqual(await Promise.all([redis.get("key:1"), redis.get("key:2")]), ["first", "second"]);
  await until(() => errors.length === 1);
  t.regex(String(errors[0]), /queue state error.*third/);
  peer.answer(1, [Buffer.from("+fourth\r\n")]);
  t.is(await redis.get("key:3"), "fourth");
  t.is(peer.connections, 1);
});
