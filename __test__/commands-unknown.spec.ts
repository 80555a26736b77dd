/** Commands that the metadata does not know: a server is asked where their keys are, once. */
import test from "ava";
import { LearnedCommands } from "../src/commands/learn.ts";
import { ShardedRedis, ShardisError } from "../src/index.ts";
import { startNodes } from "../src/testing/index.ts";

/** What a server says of SUBSTR's, ZUNION's and PING's keys stands for commands yet unknown. */
test("the positions of keys are those that a real server tells", async (t) => {
  await using servers = await startNodes(1);
  await using redis = new ShardedRedis(servers.nodes);
  let asked = 0;
  const learned = new LearnedCommands((args) => {
    asked++;
    return redis.node("node1").callBuffer("command", args.map(String));
  });
  t.deepEqual(await learned.positions("substr", ["key", "0", "1"]), [0]);
  t.deepEqual(await learned.positions("substr", ["other", "0", "1"]), [0]);
  t.is(asked, 1, "asked once");
  t.deepEqual(await learned.positions("mset", ["a", "1", "b", "2"]), [0, 2]);
  t.deepEqual(await learned.positions("blpop", ["a", "b", "0"]), [0, 1]);
  t.deepEqual(await learned.positions("object|encoding", ["a"]), [1]);
  t.deepEqual(await learned.positions("zunion", ["2", "a", "b", "weights", "1", "2"]), [1, 2]);
  // The key "2" reads like the count: no guess is made.
  const error = await t.throwsAsync(learned.positions("zunion", ["2", "2", "b"]));
  t.like(error, { code: "UNSUPPORTED" });
  t.deepEqual(await learned.positions("ping", []), []);
});

test("a command that no server knows is refused, with its name", async (t) => {
  await using servers = await startNodes(2);
  await using redis = new ShardedRedis(servers.nodes);
  const error = await t.throwsAsync(redis.call("shard.nothing", "key"), {
    instanceOf: ShardisError,
  });
  t.like(error, { code: "UNSUPPORTED", command: "shard.nothing" });
});

test("a node that is down is no reason not to ask another", async (t) => {
  await using servers = await startNodes(2);
  await using redis = new ShardedRedis(servers.nodes, { commandTimeout: 500 });
  await redis.connect();
  await servers.node("node1").kill();
  const error = await t.throwsAsync(redis.call("shard.nothing", "key"));
  t.like(error, { code: "UNSUPPORTED" });
});
