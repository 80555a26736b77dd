/** Commands that ask several nodes step by step: LMPOP, ZMPOP and XREAD answer as one Redis does. */
import test, { type ExecutionContext } from "ava";
import { Redis } from "ioredis";
import { ShardedRedis } from "../src/index.ts";
import { startNodes } from "../src/testing/index.ts";

type Commands = Pick<ShardedRedis, "call" | "callBuffer">;

/** Three nodes with the face of one, and one plain Redis, which must agree. */
async function started(t: ExecutionContext) {
  const servers = await startNodes(4);
  const sharded = new ShardedRedis(servers.nodes.slice(0, 3));
  const plain = new Redis(servers.node(3).url, { lazyConnect: true });
  t.teardown(async () => {
    sharded.disconnect();
    plain.disconnect();
    await servers.stop();
  });
  const agree = async (...[name, ...args]: [string, ...(string | number | Buffer)[]]) => {
    const ask = (client: Commands | Redis) =>
      Promise.all([client.callBuffer(name, args).then(bare, (error: Error) => error.message)]);
    t.deepEqual(await ask(sharded), await ask(plain), `${name} ${args.join(" ")}`);
  };
  return { sharded, agree };
}

/** Bytes as text of one letter a byte, which a failure shows well. */
function bare(reply: unknown): unknown {
  if (Buffer.isBuffer(reply)) return reply.toString("latin1");
  return Array.isArray(reply) ? reply.map(bare) : reply;
}

test("LMPOP and ZMPOP take from the first key that has something", async (t) => {
  const { agree } = await started(t);
  const keys = ["a", "b", "c", "d", "e"];
  for (const key of keys.slice(1)) await agree("rpush", key, `${key}1`, `${key}2`, `${key}3`);
  for (let pop = 0; pop < 8; pop++) {
    await agree("lmpop", keys.length, ...keys, pop % 2 ? "LEFT" : "RIGHT", "COUNT", 2);
  }
  await agree("lmpop", 2, "a", "none", "LEFT");
  for (const key of keys) await agree("zadd", `z${key}`, 1, "x", 2, Buffer.from([0xff, 0x00]));
  for (let pop = 0; pop < 11; pop++) {
    await agree("zmpop", 5, ...keys.map((key) => `z${key}`), pop % 2 ? "MIN" : "MAX");
  }
});

test("a key of the wrong type is an error where it comes first, and not behind", async (t) => {
  const { agree } = await started(t);
  await agree("set", "b", "text");
  await agree("rpush", "c", "c1", "c2");
  await agree("lmpop", 3, "a", "c", "b", "LEFT");
  await agree("lmpop", 3, "a", "b", "c", "LEFT");
});

test("XREAD reads streams of several nodes, in the order of the call", async (t) => {
  const { sharded, agree } = await started(t);
  const binary = Buffer.from([0x73, 0xff, 0xfe]);
  for (const stream of ["s1", "s2", "s3", "s4", binary]) {
    for (let id = 1; id < 4; id++) await agree("xadd", stream, `${id}-0`, "field", `value ${id}`);
  }
  await agree("xread", "STREAMS", "s4", "s2", "none", "s1", binary, "0", "1-0", "0", "3-0", "2-0");
  await agree("xread", "COUNT", 1, "STREAMS", "s1", "s2", "s3", "0", "0", "0");
  await agree("xread", "STREAMS", "s1", "s2", "3-0", "3-0");
  await agree("set", "text", "text");
  await agree("xread", "STREAMS", "s1", "s2", "s3", "text", "0", "0", "0", "0");
  const [first] = (await sharded.xread("STREAMS", "s1", "s2", "0", "0")) ?? [];
  t.deepEqual(first, [
    "s1",
    [1, 2, 3].map((id): [string, string[]] => [`${id}-0`, ["field", `value ${id}`]]),
  ]);
});
