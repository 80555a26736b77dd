/** Bytes that are no replies: the connection is given up, and its commands are told why. */
import { once } from "node:events";
import test, { type ExecutionContext } from "ava";
import { PartialFailureError, ShardisError } from "../src/index.ts";
import { all, calm, checkLoss, type Outcome, textOf } from "./helpers/lane.ts";
import {
  at,
  failure,
  keyOn,
  keysOn,
  newClient,
  type Rig,
  settle,
  setUp,
  until,
  watchRejections,
} from "./helpers/setup.ts";

watchRejections(test);

const SHORT = 1000;

/** A busy machine takes its time for pieces of one byte. */
const LONG = 20_000;

interface Garbage {
  readonly bytes: string | Buffer;
  /** What is wrong with it. */
  readonly reason: RegExp;
}

/** What no server says where a reply, or an element of one, is due. */
const GARBAGE: Readonly<Record<string, Garbage>> = {
  "another protocol": {
    bytes: "HTTP/1.1 400 Bad Request\r\n\r\n",
    reason: /no type of value begins so/,
  },
  zeros: { bytes: Buffer.alloc(100), reason: /no type of value begins so/ },
  "an unknown type": { bytes: "?garbage\r\n", reason: /no type of value begins so/ },
  "a string of negative length": { bytes: "$-5\r\n", reason: /a length is digits/ },
  "an array of negative length": { bytes: "*-7\r\n", reason: /a length is digits/ },
  "a length that is no number": { bytes: "$1e3\r\n", reason: /a length is digits/ },
  "an array that is too long": { bytes: "*99999999999\r\n", reason: /beyond all limits/ },
  "a string that is too long": { bytes: "$999999999999\r\n", reason: /beyond all limits/ },
  "a length of thousand digits": { bytes: `$${"1".repeat(1000)}\r\n`, reason: /line is too long/ },
  "a length that never ends": { bytes: `$${"1".repeat(150)}`, reason: /line/ },
  "a string without its end": { bytes: "$5\r\nvalue__\r\n", reason: /end where its length says/ },
  "a string of unknown length": { bytes: "$?\r\n;4\r\nvalu\r\n;0\r\n", reason: /streamed values/ },
  "a line without a carriage return": { bytes: "+OK\n", reason: /without a carriage return/ },
  "a line that never ends": { bytes: `+${"x".repeat(2 ** 21)}`, reason: /line/ },
  "arrays in each other, 10,000 deep": { bytes: "*1\r\n".repeat(10_000), reason: /too deep/ },
  "a number that is none": { bytes: ":12x\r\n", reason: /an integer is digits/ },
  "a push within a reply": {
    bytes: "*2\r\n>1\r\n+x\r\n:1\r\n",
    // ioredis finds it too, where it gets the bytes.
    reason: /(a push cannot be a value|Unknown RESP type 62)/,
  },
};

for (const [name, { bytes, reason }] of Object.entries(GARBAGE)) {
  const garbage = Buffer.from(bytes);
  const loss = {
    node: "node1",
    code: /^CONNECTION_LOST$/,
    message: new RegExp(
      `^the connection to node node1 broke \\(.*${reason.source}.*\\) before the`,
    ),
  };

  test(`${name}: instead of a reply, or after some`, async (t) => {
    const rig = await arrange(t);
    const { redis, proxies, keys } = rig;
    // In one piece, or one after the other.
    for (const bytesPerPiece of garbage.length < 200 ? [Number.POSITIVE_INFINITY, 1] : [2 ** 20]) {
      for (const answered of [0, 1, keys.length - 1]) {
        at(proxies).bytesPerPiece = bytesPerPiece;
        const replies = keys.slice(0, answered).map((key) => bulk(textOf(key)));
        const forged = at(proxies).forgeReplyAfter(0, Buffer.concat([...replies, garbage]));
        const outcomes = await settled(t, all(keys.map((key) => redis.get(key))));
        await forged;
        for (const [index, { value, error }] of outcomes.entries()) {
          if (index < answered) {
            t.is(error, undefined);
            t.is(value, textOf(at(keys, index)));
          } else {
            checkLoss(t, error, loss);
            if (error instanceof ShardisError) t.regex(String(error.cause), reason);
          }
        }
        await recover(t, rig);
      }
    }
  });

  test(`${name}: within a reply of one of two nodes`, async (t) => {
    const rig = await arrange(t);
    const { redis, proxies, keys, others } = rig;
    const asked = [...keys, ...others];
    const some = keys.slice(0, 3).map((key) => bulk(textOf(key)));
    const forgery = Buffer.concat([Buffer.from(`*${keys.length}\r\n`), ...some, garbage]);
    const forged = at(proxies).forgeReplyAfter(0, forgery);
    const alone = all(others.map((key) => redis.get(key)));
    const error = await failure(t, redis.mget(asked), LONG);
    await forged;
    if (!(error instanceof PartialFailureError)) throw error;
    t.deepEqual(error.results, [...keys.map(() => undefined), ...others.map(textOf)]);
    t.deepEqual([...error.failures.keys()], ["node1"]);
    checkLoss(t, error.failures.get("node1")?.error, loss);
    t.deepEqual(
      (await alone).map(({ value }) => value),
      others.map(textOf),
    );
    await recover(t, rig);
  });

  test(`${name}: between batches and ordinary commands`, async (t) => {
    const rig = await arrange(t);
    const { redis, proxies, keys } = rig;
    const node = redis.node("node1");
    const [a = "", b = "", c = ""] = keys;
    for (const answered of [0, 1, 2, 3, 4, 5]) {
      const replies = [a, b, c, a, b].slice(0, answered).map((key) => bulk(textOf(key)));
      const forged = at(proxies).forgeReplyAfter(0, Buffer.concat([...replies, garbage]));
      const first = [redis.get(a), redis.get(b)];
      const second = [node.get(c)];
      const third = [redis.get(a), redis.get(b), redis.strlen(c)];
      const outcomes = await settled(t, all([...first, ...second, ...third]));
      await forged;
      for (const [index, { value, error }] of outcomes.entries()) {
        if (index < answered) t.is(value, textOf([a, b, c, a, b][index] ?? ""));
        // That one is ioredis' own.
        else if (index === 2) t.true(error instanceof Error && !(error instanceof ShardisError));
        else checkLoss(t, error, loss);
      }
      await recover(t, rig);
    }
  });

  test(`${name}: out of the blue`, async (t) => {
    const rig = await arrange(t);
    const { redis, proxies } = rig;
    const failed = once(redis.node("node1"), "error");
    at(proxies).inject(garbage);
    const [error] = await failed;
    t.regex(String(error), reason);
    await recover(t, rig);
  });
}

test("a server that talks garbage from the start is down, and says why", async (t) => {
  const { proxies, nodes } = await setUp(t, 1, { lazyConnect: true });
  const proxy = at(proxies);
  const redis = newClient(t, nodes, { redisOptions: { retryStrategy: () => 200 } });
  const forged = proxy.forgeReplyAfter(0, "SSH-2.0-OpenSSH_9.2\r\n");
  const outcomes = all([redis.connect(), redis.get("a"), redis.get("b"), redis.mget("a", "b")]);
  await forged;
  for (const { error } of await settled(t, outcomes)) {
    t.like(error, { code: "NODE_DOWN", node: "node1" });
    t.regex(String(error), /"SSH-2\.0.* no type of value begins so/);
  }
  await calm(redis, "node1");
  t.deepEqual(await Promise.all([redis.set("a", "1"), redis.get("a")]), ["OK", "1"]);
});

/** Lengths that servers may claim, and these do not keep to. */
const CLAIMS = ["$536870912\r\nlittle", "*2147483647\r\n:1\r\n", "%1000000000\r\n+x\r\n", "+OK"];

for (const claim of CLAIMS) {
  test(`a reply that begins with ${JSON.stringify(claim)}, and no more of it`, async (t) => {
    const rig = await arrange(t, SHORT);
    const { redis, proxies, keys } = rig;
    const before = process.memoryUsage().rss;
    const forged = at(proxies).forgeReplyAfter(0, claim);
    const outcomes = await settled(t, all([redis.get(at(keys)), redis.mget(...keys)]));
    await forged;
    for (const { error } of outcomes) {
      checkLoss(t, error, { node: "node1", message: /did not answer in time|no reply in/ });
    }
    const grown = process.memoryUsage().rss - before;
    t.true(grown < 2 ** 28, `the process has grown by ${grown} bytes`);
    await recover(t, rig);
  });
}

// --- Helpers ------------------------------------------------------------------------------------

interface Filled extends Rig {
  /** Keys of node1 and of node2, which have their values. */
  readonly keys: readonly string[];
  readonly others: readonly string[];
}

async function arrange(t: ExecutionContext, commandTimeout = LONG): Promise<Filled> {
  const rig = await setUp(t, 2, {
    commandTimeout,
    redisOptions: { retryStrategy: () => 5 },
  });
  const [keys, others] = [keysOn(rig.redis, "node1", 8), keysOn(rig.redis, "node2", 8)];
  await rig.redis.mset([...keys, ...others].flatMap((key) => [key, textOf(key)]));
  return { ...rig, keys, others };
}

function bulk(text: string): Buffer {
  return Buffer.from(`$${Buffer.byteLength(text)}\r\n${text}\r\n`);
}

async function settled(t: ExecutionContext, outcomes: Promise<Outcome[]>): Promise<Outcome[]> {
  await settle(t, [outcomes], LONG);
  return outcomes;
}

/** Asserts that the connection is dropped, and that another does what it should. */
async function recover(t: ExecutionContext, { redis, proxies, keys, others }: Filled) {
  const proxy = at(proxies);
  await proxy.heal();
  await until(() => proxy.open === 1 && redis.node("node1").status === "ready");
  await calm(redis, "node1");
  t.deepEqual(await redis.mget([...keys, ...others]), [...keys, ...others].map(textOf));
  t.is(at(proxies, 1).connections, 1, "the other node's connection is untouched");
  t.is(keyOn(redis, "node1"), at(keys));
}
