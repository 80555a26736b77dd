/** `withSignal`: commands that an AbortSignal calls off. */
import { getEventListeners } from "node:events";
import test, { type ExecutionContext } from "ava";
import { ShardisError } from "../src/index.ts";
import { openTrio, untilAsked } from "./helpers/blocking.ts";
import { nothingIsSent } from "./helpers/sent.ts";
import {
  at,
  callsOf,
  held,
  keyOn,
  keysOn,
  setUp,
  until,
  watchRejections,
} from "./helpers/setup.ts";

watchRejections(test);

/** In milliseconds, there and back: longer than anything else here takes. */
const SLOW = 20_000;

/** Why it was called off. */
const reason = new Error("the user has left");

/** What a promise fails with that is called off now. */
async function calledOff(
  t: ExecutionContext,
  promise: Promise<unknown>,
  controller?: AbortController,
): Promise<ShardisError> {
  const failed = t.throwsAsync<ShardisError>(promise, {
    instanceOf: ShardisError,
    code: "ABORTED",
  });
  controller?.abort(reason);
  const error = await failed;
  t.is(error?.cause, reason);
  return error as ShardisError;
}

test("as long as it is not aborted, commands are what they are without it", async (t) => {
  const { redis, a, b, c } = await openTrio(t);
  const view = redis.withSignal(new AbortController().signal);
  t.is(await view.mset(a, 1, b, 2, c, 3), "OK");
  t.deepEqual(await view.mgetBuffer(a, b, c), [..."123"].map(Buffer.from));
  t.is(await view.incr(a), 2);
  t.is(await view.rename(a, `${b}:new`), "OK");
  t.deepEqual(await view.pipeline().get(b).mget(b, c).exec(), [
    [null, "2"],
    [null, ["2", "3"]],
  ]);
  t.deepEqual(await view.multi().incr(b).incr(b).exec(), [
    [null, 3],
    [null, 4],
  ]);
  await view.rpush(c.concat("list"), "x");
  t.deepEqual(await view.blpop(a, c.concat("list"), b.concat("list"), 1), [c.concat("list"), "x"]);
  await t.throwsAsync(view.call("get", a, b), { message: /^ERR wrong number/ });
});

test("with one that was aborted before, nothing is sent", async (t) => {
  const { redis, a, b } = await openTrio(t);
  const view = redis.withSignal(AbortSignal.abort(reason));
  await nothingIsSent(t, redis, async () => {
    for (const ask of [
      () => view.get(a),
      () => view.mset(a, 1, b, 2),
      () => view.rename(a, b),
      () => view.blpop(a, b, 0),
      () => view.scan(0),
      () => view.call("get", a),
      () => view.multi().incr(a).exec(),
    ]) {
      const error = await calledOff(t, ask());
      t.false(error.sent);
    }
    const results = await view.pipeline().get(a).mget(a, b).exec();
    for (const [error] of results ?? []) {
      t.true(error instanceof ShardisError && error.code === "ABORTED");
    }
    t.is(results?.length, 2);
  });
});

for (const autoBatch of [true, false]) {
  test(`in flight they reject at once, and no reply goes astray, with autoBatch ${autoBatch}`, async (t) => {
    const { redis, proxies } = await setUp(t, 2, { commandTimeout: 2 * SLOW, autoBatch });
    const [a, b] = ["node1", "node2"].map((node) => keyOn(redis, node)) as [string, string];
    await redis.mset(a, "a", b, "b");
    await redis.set(`${a}:other`, "other");
    for (const ask of ["get", "mget", "rename", "pipeline", "multi"] as const) {
      at(proxies).delay = SLOW / 2;
      const controller = new AbortController();
      const view = redis.withSignal(controller.signal);
      if (ask === "pipeline") {
        const results = view.pipeline().get(a).mget(a, b).exec();
        controller.abort(reason);
        for (const [error] of (await results) ?? []) {
          t.true(error instanceof ShardisError && error.code === "ABORTED" && error.sent);
        }
      } else {
        const asked = {
          get: () => view.get(a),
          mget: () => view.mget(a, b),
          rename: () => view.rename(a, b),
          multi: () => view.multi().get(a).get(a).exec(),
        }[ask]();
        // So that it has been sent.
        await new Promise(setImmediate);
        const error = await calledOff(t, asked, controller);
        t.true(error.sent, ask);
      }
      at(proxies).heal();
      const [other] = await Promise.all([redis.get(`${a}:other`), redis.get(b)]);
      t.is(other, "other");
    }
  });
}

test("what waits for a node is not sent when the node is back", async (t) => {
  const { redis, servers } = await setUp(t, 2, { commandTimeout: SLOW });
  const [a, b] = ["node1", "node2"].map((node) => keyOn(redis, node)) as [string, string];
  await at(servers).kill();
  await until(() => redis.node("node1").status === "reconnecting");
  // What comes while a connection is being made waits for it.
  const controller = new AbortController();
  const view = redis.withSignal(controller.signal);
  const asked = [
    () => view.set(a, "not sent"),
    () => view.mset(a, "not sent", b, "sent"),
    () => view.multi().set(a, "not sent").exec(),
  ];
  const errors = asked.map((ask) => calledOff(t, ask()));
  controller.abort(reason);
  const [set, mset, multi] = await Promise.all(errors);
  t.false(set?.sent);
  t.deepEqual(set?.keys, [a]);
  // Of one of its nodes it cannot be said.
  t.true(mset?.sent);
  t.false(multi?.sent);
  await at(servers).restart();
  await until(() =>
    redis.get(a).then(
      (value) => value === null,
      () => false,
    ),
  );
  t.is(await redis.get(a), null);
});

test("of a command of very many keys, no more is sent", async (t) => {
  const { redis } = await setUp(t, 2);
  const pairs = Array.from({ length: 300_000 }, (_, index) => [`key:${index}`, "v"]).flat();
  const controller = new AbortController();
  const asked = held(redis.withSignal(controller.signal).mset(pairs));
  await until(async () => (await redis.dbsize()) > 0);
  const error = await calledOff(t, asked, controller);
  t.true(error.sent);
  // All that is in flight is there before this is answered.
  const count = await redis.dbsize();
  t.true(count > 0 && count < 300_000, `${count} were set`);
  t.is(await redis.dbsize(), count);
});

test("a command that waits takes nothing any more", async (t) => {
  const { redis, a, b, c } = await openTrio(t);
  const oneNode = new AbortController();
  const lone = held(redis.withSignal(oneNode.signal).blpop(a, 0));
  await until(async () => /blocked_clients:1/.test(await redis.node("node1").info("clients")));
  await calledOff(t, lone, oneNode);
  await until(async () => /blocked_clients:0/.test(await redis.node("node1").info("clients")));

  const many = new AbortController();
  const view = redis.withSignal(many.signal);
  const waiting = [view.blpop(a, b, c, 0), view.blmove(a, b, "LEFT", "RIGHT", 0)];
  // Behind them, in the same line.
  const next = redis.blpop(a, b, c, 10);
  await untilAsked(redis, "node1", { exists: 3 });
  const errors = waiting.map((promise: Promise<unknown>) => calledOff(t, promise));
  many.abort(reason);
  for (const error of await Promise.all(errors)) t.false(error.sent);
  await redis.rpush(c, "for the next");
  t.deepEqual(await next, [c, "for the next"]);
  for (const key of [a, b, c]) {
    await redis.rpush(key, "stays");
    t.is(await redis.llen(key), 1);
  }
});

test("a signal that lives long is not listened to for longer than a command takes", async (t) => {
  const { redis, a, b } = await openTrio(t);
  const { signal } = new AbortController();
  const heard = () => getEventListeners(signal, "abort").length;
  const view = redis.withSignal(signal);
  const asked = Array.from({ length: 100 }, (_, index) => view.set(`${a}:${index}`, "v"));
  t.is(heard(), 1);
  await Promise.all(asked);
  await view.mget(keysOn(redis, "node1", 20));
  await view.mget(a, b);
  await view.rename(`${a}:1`, b);
  await view.blpop("none", "nothing", "nowhere", 0.01);
  await view.pipeline().get(a).mget(a, b).exec();
  await view.multi().get(a).exec();
  await until(() => heard() === 0);
  t.is(heard(), 0);
});

test("what is no signal is refused", async (t) => {
  const { redis } = await setUp(t, 1);
  for (const signal of [undefined, null, 5, {}, "signal"]) {
    const error = t.throws<ShardisError>(() => redis.withSignal(signal as unknown as AbortSignal));
    t.is(error?.code, "BAD_ARGUMENT");
  }
  t.is(await callsOf(redis, "node1", "get"), 0);
});
