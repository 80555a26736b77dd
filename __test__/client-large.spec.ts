/** Commands of more keys than are sent at once: they are cut into pieces. */
import test from "ava";
import { nothingIsSent } from "./helpers/sent.ts";
import { at, failure, newClient, partialFailure, setUp, watchRejections } from "./helpers/setup.ts";

watchRejections(test);

/** Three pieces, the last of them smaller. */
const keys = Array.from({ length: 25_001 }, (_, index) => `key:${index}`);

/** In milliseconds. */
const LONG = 30_000;

test("what they answer is that of the whole", async (t) => {
  const { redis } = await setUp(t, 3);
  t.is(await redis.mset(keys.flatMap((key) => [key, `value of ${key}`])), "OK");
  const asked = [...keys, "nothing", at(keys, 5)];
  t.deepEqual(await redis.mget(asked), [
    ...keys.map((key) => `value of ${key}`),
    null,
    `value of ${at(keys, 5)}`,
  ]);
  t.is(await redis.exists(asked), keys.length + 1);
  t.is(await redis.del(asked), keys.length);
  t.is(await redis.dbsize(), 0);
});

test("if a node is down, its keys of all pieces are in one error, and the others' values", async (t) => {
  const { redis, servers } = await setUp(t, 3);
  await redis.mset(keys.flatMap((key) => [key, key]));
  await at(servers, 1).kill();
  const error = await partialFailure(t, redis.mget(keys), LONG);
  const isLost = (key: string) => redis.nodeFor(key).name === "node2";
  t.deepEqual([...error.failures.keys()], ["node2"]);
  t.deepEqual(error.failures.get("node2")?.keys.toSorted(), keys.filter(isLost).toSorted());
  t.deepEqual(
    error.results,
    keys.map((key) => (isLost(key) ? undefined : key)),
  );
  t.is(error.applied.length, keys.filter((key) => !isLost(key)).length);
});

test("if all servers refuse them alike, that is their error", async (t) => {
  const { redis } = await setUp(t, 2);
  await redis.each.config("SET", "maxmemory", "1");
  await t.throwsAsync(redis.mset(keys.flatMap((key) => [key, key])), { message: /^OOM/ });
});

for (const [what, placement, bad] of [
  ["that is none", undefined, Number.NaN],
  ["of half a character", undefined, "\ud800"],
  ["that a scheme refuses", { scheme: "rediscluster", client: "python3" } as const, "{tag}"],
  [
    "that a function places nowhere",
    (key: Buffer) => (key.length > 9 ? "x" : "node_1"),
    "0123456789",
  ],
] as const) {
  test(`a key ${what}, among the last, has nothing sent`, async (t) => {
    const { servers } = await setUp(t, 2);
    const nodes = servers.map(({ host, port }, index) => ({
      name: `node_${index + 1}`,
      host,
      port,
    }));
    const redis = newClient(t, nodes, placement === undefined ? {} : { placement });
    await redis.connect();
    await nothingIsSent(t, redis, async () => {
      for (const command of ["mget", "del"] as const) {
        const error = await failure(t, redis[command]([...keys, bad as string]), LONG);
        t.regex(error.code, /^BAD_(KEY|PLACEMENT)$/);
      }
      // In several pieces.
      const many = keys.map((key, index) => (index % 5000 === 0 ? (bad as string) : key));
      const error = await failure(t, redis.mget(many), LONG);
      t.regex(error.code, /^BAD_(KEY|PLACEMENT)$/);
    });
  });
}
