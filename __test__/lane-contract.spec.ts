/**
 * What the lane relies on in ioredis, piece by piece: where a new version of
 * ioredis differs, the sentence of the test that fails says what has changed.
 */
import { once } from "node:events";
import { Socket } from "node:net";
import test, { type ExecutionContext } from "ava";
import { Command, Pipeline, Redis, type RedisOptions, ReplyError } from "ioredis";
import { at, start, until } from "./helpers/setup.ts";

type ReplyContext = Parameters<Command["setReplyContext"]>[0];

/** A command that writes what it is told, as a batch does. */
class Written extends Command {
  readonly seen: string[] = [];
  context: ReplyContext;
  readonly #bytes: string | Buffer;

  constructor(bytes: string | Buffer) {
    super("batch");
    this.#bytes = bytes;
  }

  override setReplyContext(context: ReplyContext): void {
    super.setReplyContext(context);
    this.context = context;
    this.seen.push("setReplyContext");
  }

  override toWritable(): string | Buffer {
    this.seen.push("toWritable");
    return this.#bytes;
  }
}

const GET = "*2\r\n$3\r\nget\r\n$3\r\nkey\r\n";

test("sendCommand writes what toWritable of a subclass of Command returns", async (t) => {
  const { redis } = await connected(t);
  await redis.set("key", "value");
  for (const bytes of [GET, Buffer.from(GET)]) {
    const command = new Written(bytes);
    redis.sendCommand(command);
    t.deepEqual(await command.promise, Buffer.from("value"), "its bytes are not what is written");
    t.deepEqual(
      command.seen,
      ["setReplyContext", "toWritable"],
      "setReplyContext and toWritable are not called once each, in this order",
    );
  }
});

test("setReplyContext is told the protocol and the mapping of the connection", async (t) => {
  for (const options of [{ protocol: 2 }, { protocol: 3 }] as const) {
    const { redis } = await connected(t, options);
    const command = new Written(GET);
    redis.sendCommand(command);
    await command.promise;
    const { protocol, replyMapping } = command.context ?? {};
    t.deepEqual({ protocol, replyMapping }, { ...options, replyMapping: "legacy" });
  }
});

test("the head of commandQueue is the command whose reply comes next", async (t) => {
  const { redis } = await connected(t);
  const heads: unknown[] = [];
  class Observed extends Command {
    override transformReply(result: Buffer | Buffer[]) {
      heads.push(redis.commandQueue.peekFront()?.command);
      return super.transformReply(result);
    }
  }
  const commands = ["a", "b", "c"].map((key) => new Observed("get", [key]));
  for (const command of commands) redis.sendCommand(command);
  t.is(
    redis.commandQueue.peekFront()?.command,
    commands[0],
    "commandQueue.peekFront().command is not the command that was sent first",
  );
  await Promise.all(commands.map(({ promise }) => promise));
  t.deepEqual(
    heads.map((head) => commands.indexOf(head as Observed)),
    [1, 2, -1],
    "once a command has its reply, commandQueue.peekFront().command is not the next one",
  );
});

test("a command taken off commandQueue and resolved has had its reply", async (t) => {
  const { redis } = await connected(t);
  const [first, second] = [new Command("ping"), new Command("get", ["a"])];
  const { stream } = redis;
  const write = stream.write.bind(stream);
  // It is never sent, so no reply to it comes: as if one had been taken out of what came.
  stream.write = () => true;
  redis.sendCommand(first);
  stream.write = write;
  redis.sendCommand(second);
  redis.commandQueue.shift()?.command.resolve("taken");
  t.is(await first.promise, "taken" as never, "resolve() does not settle a command");
  t.is(await second.promise, null, "the next reply is not the next command's");
  t.is(redis.commandQueue.length, 0);
});

test("a command of a pipeline is in commandQueue as any other", async (t) => {
  const { redis } = await connected(t);
  const commands = [new Command("get", ["a"]), new Command("get", ["b"])];
  const pipeline = new Pipeline(redis);
  for (const command of commands) pipeline.sendCommand(command);
  t.is(redis.commandQueue.length, 0, "a pipeline sends before it is executed");
  const executed = pipeline.exec();
  t.is(redis.commandQueue.length, 2, "exec() does not send at once");
  t.is(redis.commandQueue.peekFront()?.command, commands[0]);
  await executed;
});

test("ioredis listens to its socket when it tells that it is connected, and nothing has come", async (t) => {
  for (const protocol of [2, 3] as const) {
    const { redis } = await unconnected(t, { protocol });
    redis.connect().catch(() => {});
    await once(redis, "connect");
    t.is(redis.status, "connect", 'the status is not "connect" at the event of that name');
    const { stream } = redis;
    t.true(stream instanceof Socket, "redis.stream is not the socket");
    t.is(stream.rawListeners("data").length, 1, 'it is not one listener to "data" that it adds');
    t.is(stream.bytesRead, 0, "bytes have come before the event");
    await once(redis, "ready");
    t.is(redis.stream, stream);
  }
});

test('its listener to "data" can be called in place of the socket', async (t) => {
  for (const protocol of [2, 3] as const) {
    const { redis } = await unconnected(t, { protocol });
    redis.connect().catch(() => {});
    await once(redis, "connect");
    const { stream } = redis;
    const [listener] = stream.rawListeners("data");
    if (listener === undefined) return t.fail("there is no listener");
    stream.removeListener("data", listener as () => void);
    // All that it gets comes a byte at a time, and in memory that it must not keep.
    stream.on("data", (bytes: Buffer) => {
      for (const byte of bytes) Reflect.apply(listener, stream, [Buffer.of(byte)]);
    });
    stream.resume();
    await once(redis, "ready");
    t.is(await redis.set("key", "value"), "OK");
    t.is(await redis.get("key"), "value", "what the listener is given is not taken for replies");
    // It settles one command for each integer, whoever says it.
    const commands = [new Command("one"), new Command("two")];
    const write = stream.write.bind(stream);
    stream.write = () => true;
    for (const command of commands) redis.sendCommand(command);
    stream.write = write;
    Reflect.apply(listener, stream, [Buffer.from(":1\r\n")]);
    t.is(await at(commands).promise, 1, "an integer does not resolve the command at the head");
    t.false(at(commands, 1).isSettled, "an integer resolves more than one command");
    Reflect.apply(listener, stream, [Buffer.from(":1\r\n")]);
    t.is(await at(commands, 1).promise, 1);
    t.is(await redis.get("key"), "value");
  }
});

test("a message is no reply to a command, in any protocol", async (t) => {
  for (const protocol of [2, 3] as const) {
    const { redis } = await connected(t, { protocol });
    await redis.subscribe("channel");
    t.is(redis.mode, protocol === 2 ? "subscriber" : "normal", "mode has another meaning");
    const [listener] = redis.stream.rawListeners("data");
    if (listener === undefined) return t.fail("there is no listener");
    // Not sent, as a server would refuse it; PING may be sent in any mode.
    const command = new Command("ping");
    const { stream } = redis;
    const write = stream.write.bind(stream);
    stream.write = () => true;
    redis.sendCommand(command);
    stream.write = write;
    const heard = once(redis, "message");
    const kind = protocol === 2 ? "*" : ">";
    const message = `${kind}3\r\n$7\r\nmessage\r\n$7\r\nchannel\r\n$5\r\nhello\r\n`;
    Reflect.apply(listener, stream, [Buffer.from(message)]);
    t.deepEqual(await heard, ["channel", "hello"], "a message is not told as such");
    t.false(command.isSettled, "a message is taken for a reply");
    redis.commandQueue.shift()?.command.resolve(null);
    await command.promise;
    await redis.unsubscribe("channel");
    t.is(redis.mode, "normal");
  }
});

test("those who listen to the socket once are told from the parser by their wrappers", async (t) => {
  const { redis } = await unconnected(t, { socketTimeout: 5000 });
  redis.connect().catch(() => {});
  await once(redis, "connect");
  const listeners = redis.stream.rawListeners("data");
  const wrapped = listeners.map((listener) => "listener" in listener);
  t.deepEqual(
    wrapped,
    [false, true],
    "the parser, and behind it one that listens once for socketTimeout, are not what listens",
  );
});

test("a new connection is a new socket, with an empty queue", async (t) => {
  const { redis } = await connected(t, { retryStrategy: () => 5, maxRetriesPerRequest: 0 });
  const { stream, commandQueue } = redis;
  const lost = new Command("get", ["key"]);
  redis.sendCommand(lost);
  stream.destroy();
  const error = await t.throwsAsync(lost.promise);
  t.is(error?.name, "MaxRetriesPerRequestError", "with maxRetriesPerRequest: 0 it is not rejected");
  await until(() => redis.status === "ready");
  t.not(redis.stream, stream, "the socket of the last connection is used again");
  t.not(redis.commandQueue, commandQueue);
});

test("an error with which its socket is destroyed is told, and the connection made anew", async (t) => {
  const { redis } = await connected(t, { retryStrategy: () => 5 });
  const told = once(redis, "error");
  const fault = new Error("nobody can tell whose it is");
  redis.stream.destroy(fault);
  t.deepEqual(await told, [fault], "it is not the error that it was destroyed with");
  await once(redis, "ready");
  t.is(await redis.ping(), "PONG");
});

test("a command settles once, and says so", async (t) => {
  const { redis } = await connected(t);
  const command = new Command("get", ["key"]);
  t.false(command.isSettled);
  command.setTimeout(10);
  await t.throwsAsync(command.promise, { message: "Command timed out" }, "setTimeout has changed");
  t.true(command.isSettled, "isSettled does not hold after a rejection");
  // It may be sent all the same, and its reply is taken by nobody.
  redis.sendCommand(command);
  t.is(await redis.ping(), "PONG");
  const resolved = new Command("ping");
  redis.sendCommand(resolved);
  await resolved.promise;
  t.true(resolved.isSettled && resolved.isResolved, "isResolved does not hold after a reply");
});

test("transformReply gives a reply its encoding and its shape", (t) => {
  const reply = () => [Buffer.from("field"), Buffer.from("value")];
  const apply = (command: Command) =>
    Reflect.apply(command.transformReply, command, [reply()]) as unknown;
  const text = new Command("hgetall", [], { replyEncoding: "utf8" });
  t.deepEqual(apply(text), { field: "value" }, "HGETALL is no object");
  const bytes = new Command("hgetall", [], { replyEncoding: null });
  t.deepEqual(apply(bytes), { field: Buffer.from("value") }, "without an encoding it is no Buffer");
  t.deepEqual(apply(new Command("HGETALL", [], { replyEncoding: null })), reply(), "case matters");
  const before = new Command("getdel");
  Command.setReplyTransformer("getdel", (value: unknown) => `<${value}>`);
  const done: unknown = Reflect.apply(before.transformReply, before, ["value"]);
  t.is(done, "<value>", "setReplyTransformer is not seen by commands that are made before it");
});

test("checkFlag knows what blocks, in any case", (t) => {
  for (const name of ["blpop", "BLMOVE", "xread", "bzmpop"]) {
    t.true(Command.checkFlag("BLOCKING_COMMANDS", name), name);
  }
  for (const name of ["get", "lpop", "batch"]) {
    t.false(Command.checkFlag("BLOCKING_COMMANDS", name), name);
  }
});

test("a command of no known name is nothing special", async (t) => {
  for (const flag of [
    "VALID_IN_SUBSCRIBER_MODE",
    "ENTER_SUBSCRIBER_MODE",
    "EXIT_SUBSCRIBER_MODE",
    "WILL_DISCONNECT",
    "HANDSHAKE_COMMANDS",
    "IGNORE_RECONNECT_ON_ERROR",
  ] as const) {
    t.false(Command.checkFlag(flag, "batch"), `"batch" is special to ioredis: ${flag}`);
  }
  t.deepEqual(new Command("batch").getKeys(), []);
});

test("errors of servers are ReplyErrors, which others can make", async (t) => {
  const { redis } = await connected(t);
  await redis.set("key", "value");
  const error = await t.throwsAsync(redis.lpush("key", 1));
  t.true(error instanceof ReplyError, "what a server answers is no ReplyError");
  const made: Error = Reflect.construct(ReplyError, ["WRONGTYPE …"]);
  t.is(made.name, error?.name);
  t.is(made.message, "WRONGTYPE …");
  t.like(error, { command: { name: "lpush", args: ["key", "1"] } } as never);
});

test("options that say how replies look like are kept in the client's", async (t) => {
  const reconnectOnError = () => false;
  const { redis } = await unconnected(t, {
    stringNumbers: true,
    replyMapping: "resp3",
    autoResendUnfulfilledCommands: true,
    reconnectOnError,
  } as RedisOptions);
  t.like(redis.options, {
    stringNumbers: true,
    replyMapping: "resp3",
    autoResendUnfulfilledCommands: true,
    reconnectOnError,
  });
});

test("whatever a client sends goes through sendCommand, which may be overridden", async (t) => {
  const seen: string[] = [];
  class Client extends Redis {
    override sendCommand(...args: Parameters<Redis["sendCommand"]>): unknown {
      seen.push(args[0].name);
      return super.sendCommand(...args);
    }
  }
  const servers = await start(t, 1);
  const client = new Client({ port: servers.node(0).port, lazyConnect: true });
  t.teardown(() => client.disconnect());
  await client.connect();
  seen.length = 0;
  await client.set("key", "value");
  await client.call("get", "key");
  await client.pipeline().strlen("key").exec();
  await client.multi().ttl("key").exec();
  t.deepEqual(seen, ["set", "get", "strlen", "multi", "ttl", "exec"]);
  t.true(client.duplicate({ lazyConnect: true }) instanceof Redis);
});

test("the socket gathers what is written while it is corked", async (t) => {
  const { redis } = await connected(t);
  const { stream } = redis;
  const before = stream.bytesWritten;
  stream.cork();
  const pings = [redis.ping(), redis.ping()];
  t.is(stream.writableLength, 2 * "*1\r\n$4\r\nping\r\n".length, "ioredis writes elsewhere");
  stream.uncork();
  t.deepEqual(await Promise.all(pings), ["PONG", "PONG"]);
  t.is(stream.bytesWritten - before, 2 * "*1\r\n$4\r\nping\r\n".length);
});

// --- Helpers ------------------------------------------------------------------------------------

async function unconnected(t: ExecutionContext, options: RedisOptions = {}) {
  const servers = await start(t, 1);
  const redis = new Redis({ ...options, port: servers.node(0).port, lazyConnect: true });
  redis.on("error", () => {});
  t.teardown(() => redis.disconnect());
  return { redis, servers };
}

async function connected(t: ExecutionContext, options: RedisOptions = {}) {
  const { redis, servers } = await unconnected(t, options);
  await redis.connect();
  return { redis, servers };
}
