/** Scripts that declare to write nothing run over keys of several nodes, on copies. */
import test from "ava";
import { ShardisError } from "../src/index.ts";
import { failure, keyOn, setUp } from "./helpers/setup.ts";

const LUA = "return {redis.call('GET', KEYS[1]), redis.call('GET', KEYS[2]), ARGV[1]}";

test("eval_ro, evalsha_ro and fcall_ro read keys of several nodes", async (t) => {
  const { redis } = await setUp(t, 3);
  const [one, two] = [keyOn(redis, "node1"), keyOn(redis, "node2")];
  await redis.mset(one, "first", two, "second");
  const expected = ["first", "second", "argument"];
  t.deepEqual(await redis.call("eval_ro", LUA, 2, one, two, "argument"), expected);
  const sha = String(await redis.script("LOAD", LUA));
  t.deepEqual(await redis.call("evalsha_ro", sha, 2, one, two, "argument"), expected);
  const body = LUA.replaceAll("KEYS", "keys").replaceAll("ARGV", "args");
  await redis.function(
    "LOAD",
    `#!lua name=reading\nredis.register_function{function_name='read', callback=function(keys, args) ${body} end, flags={'no-writes'}}`,
  );
  t.deepEqual(await redis.call("fcall_ro", "read", 2, one, two, "argument"), expected);
  t.deepEqual(await redis.call("eval_ro", LUA, 2, two, keyOn(redis, "node3"), "argument"), [
    "second",
    null,
    "argument",
  ]);
  t.deepEqual(await redis.keys("shardis:*"), []);
});

test("a script that writes all the same is refused by the server, and leaves no copy", async (t) => {
  const { redis } = await setUp(t, 2);
  const [one, two] = [keyOn(redis, "node1"), keyOn(redis, "node2")];
  await redis.mset(one, "first", two, "second");
  const lua = "return redis.call('SET', KEYS[2], 'other')";
  await t.throwsAsync(redis.call("eval_ro", lua, 2, one, two), {
    message: /Write commands are not allowed/,
  });
  t.deepEqual(await redis.mget(one, two), ["first", "second"]);
  for (const node of redis.nodes()) t.deepEqual(await node.keys("shardis:*"), []);
});

test("a script that may write stays on one node", async (t) => {
  const { redis } = await setUp(t, 2);
  const [one, two] = [keyOn(redis, "node1"), keyOn(redis, "node2")];
  const error = await failure(t, redis.eval(LUA, 2, one, two, "argument"), 5000);
  t.true(error instanceof ShardisError);
  t.is(error.code, "CROSS_NODE");
});
