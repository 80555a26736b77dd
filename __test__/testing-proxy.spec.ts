import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { setImmediate as nextTurn } from "node:timers/promises";
import test, { type ExecutionContext } from "ava";
import { Redis } from "ioredis";
import { startNodes } from "../src/testing/index.ts";
import { type FaultProxy, startProxy } from "./helpers/proxy.ts";

test("forwards to a TCP node and counts", async (t) => {
  const { proxy, redis } = await setUp(t);
  t.is(await redis.set("key", "value"), "OK");
  t.is(proxy.connections, 1);
  t.is(proxy.open, 1);
  const { bytesFromClients, bytesFromServer } = proxy;
  t.is(await redis.get("key"), "value");
  t.is(proxy.bytesFromClients - bytesFromClients, "*2\r\n$3\r\nget\r\n$3\r\nkey\r\n".length);
  t.is(proxy.bytesFromServer - bytesFromServer, "$5\r\nvalue\r\n".length);
});

test("forwards to a Unix node, and large values in both directions", async (t) => {
  const servers = await startNodes(1, { unixSocket: true });
  t.teardown(() => servers.stop());
  const proxy = await startProxy(servers.node(0));
  t.teardown(() => proxy.stop());
  const redis = client(t, proxy);
  const value = Buffer.alloc(5_000_000, "0123456789");
  await redis.set("key", value);
  t.true((await redis.getBuffer("key"))?.equals(value));
});

test("refuses connections, keeps the open ones, and accepts again at the same port", async (t) => {
  const { proxy, redis } = await setUp(t);
  await proxy.refuse();
  await t.throwsAsync(opened(t, proxy), { code: "ECONNREFUSED" });
  t.is(await redis.ping(), "PONG");
  await proxy.accept();
  t.is(await client(t, proxy).ping(), "PONG");
});

test("a blackhole accepts connections and swallows everything", async (t) => {
  const { proxy, redis } = await setUp(t);
  proxy.blackhole();
  const before = proxy.bytesFromClients;
  const lost = redis.incr("counter");
  while (proxy.bytesFromClients === before) await nextTurn();
  const impatient = client(t, proxy, 100);
  await t.throwsAsync(impatient.ping(), { message: "Command timed out" });
  await proxy.heal();
  t.is(await client(t, proxy).get("counter"), null);
  proxy.cut();
  await t.throwsAsync(lost);
});

test("cut closes the connections that are open", async (t) => {
  const { proxy, redis } = await setUp(t);
  const closed = once(redis, "close");
  proxy.cut();
  await closed;
  t.is(proxy.open, 0);
  t.is(await client(t, proxy).ping(), "PONG");
});

test("reset is seen as a reset", async (t) => {
  const { proxy } = await setUp(t);
  const socket = await opened(t, proxy);
  socket.write("PING\r\n");
  t.is(String(await once(socket, "data")), "+PONG\r\n");
  const failed = t.throwsAsync(once(socket, "end"), { code: "ECONNRESET" });
  proxy.reset();
  await failed;
});

test("bytes arrive in pieces as short as asked", async (t) => {
  const { proxy } = await setUp(t);
  const socket = await opened(t, proxy);
  proxy.bytesPerPiece = 2;
  socket.write("PING\r\n");
  const pieces: number[] = [];
  for await (const piece of socket) {
    pieces.push(piece.length);
    if (pieces.reduce((sum, length) => sum + length) === "+PONG\r\n".length) break;
  }
  t.true(pieces.length > 1, `${pieces}`);
});

test("a reply is forged from a byte on, and nothing follows it", async (t) => {
  const { proxy } = await setUp(t);
  const socket = await opened(t, proxy);
  const forged = proxy.forgeReplyAfter(3, "$$$");
  socket.write("PING\r\nPING\r\n");
  await forged;
  while (socket.bytesRead < 6) await nextTurn();
  t.is(String(socket.read()), "+PO$$$");
  socket.write("PING\r\n");
  const honest = await opened(t, proxy);
  honest.write("PING\r\n");
  t.is(String(await once(honest, "data")), "+PONG\r\n");
  t.is(socket.bytesRead, 6);
});

test("cutReplies lets a command be done and its reply be lost, once", async (t) => {
  const { proxy, redis } = await setUp(t);
  const cut = proxy.cutReplies();
  await t.throwsAsync(redis.incr("counter"));
  await cut;
  t.is(await client(t, proxy).get("counter"), "1");
});

test("truncateReplyAfter passes so many bytes and no more", async (t) => {
  for (const bytes of [0, 1, 6, 10]) {
    const { proxy, redis } = await setUp(t);
    await redis.set("key", "value");
    const socket = await opened(t, proxy);
    const truncated = proxy.truncateReplyAfter(bytes);
    socket.write("GET key\r\n");
    let seen = "";
    socket.setEncoding("utf8").on("data", (text: string) => {
      seen += text;
    });
    await once(socket, "end");
    t.is(seen, "$5\r\nvalue\r\n".slice(0, bytes));
    await truncated;
    t.is(await redis.get("key"), "value", "other connections go on");
  }
});

test("truncateReplyAfter counts over several replies", async (t) => {
  const { proxy } = await setUp(t);
  const socket = await opened(t, proxy);
  void proxy.truncateReplyAfter(10);
  socket.write("PING\r\n");
  t.is(String(await once(socket, "data")), "+PONG\r\n");
  socket.write("PING\r\n");
  t.is(String(await once(socket, "data")), "+PO");
  await once(socket, "end");
  t.pass();
});

test("delay makes everything late and keeps its order", async (t) => {
  const { proxy, redis } = await setUp(t);
  proxy.delay = 50;
  const start = performance.now();
  const answers = await Promise.all(["a", "b", "c"].map((text) => redis.echo(text)));
  t.true(performance.now() - start >= 99, "once for the request, once for the reply");
  t.deepEqual(answers, ["a", "b", "c"]);
});

test("a throttle lets so many bytes pass in a second", async (t) => {
  const { proxy, redis } = await setUp(t);
  await redis.set("key", "x".repeat(20_000));
  proxy.bytesPerSecond = 100_000;
  const start = performance.now();
  t.is((await redis.get("key"))?.length, 20_000);
  t.true(performance.now() - start >= 180, "20,000 bytes take about 200 ms");
});

test("injected bytes reach the client as if the server had sent them", async (t) => {
  const { proxy } = await setUp(t);
  const socket = await opened(t, proxy);
  socket.write("PING\r\n");
  await once(socket, "data");
  proxy.inject("?garbage\r\n");
  t.is(String(await once(socket, "data")), "?garbage\r\n");
});

test("a client that leaves closes the connection to the server, and the other way round", async (t) => {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.teardown(() => server.close());
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  const proxy = await startProxy({ host: "127.0.0.1", port: address.port });
  t.teardown(() => proxy.stop());
  for (const leaver of ["client", "server"]) {
    const arrived = once(server, "connection");
    const near = await opened(t, proxy);
    const [far]: Socket[] = await arrived;
    if (far === undefined) throw new Error("no connection");
    const [first, second] = leaver === "client" ? [near, far] : [far, near];
    second.resume();
    const closed = once(second, "close");
    first.end("bye");
    first.resume();
    await closed;
    t.is(second.bytesRead, 3);
  }
});

test("stop closes the listener and every connection, twice if need be", async (t) => {
  const { proxy, redis } = await setUp(t);
  const closed = once(redis, "close");
  await proxy.stop();
  await closed;
  await t.throwsAsync(opened(t, proxy), { code: "ECONNREFUSED" });
  await t.notThrowsAsync(proxy.stop());
});

// --- Helpers ------------------------------------------------------------------------------------

/** A server, a proxy in front of it and a client that is connected through it. */
async function setUp(t: ExecutionContext): Promise<{ proxy: FaultProxy; redis: Redis }> {
  const servers = await startNodes(1);
  t.teardown(() => servers.stop());
  const proxy = await startProxy(servers.node(0));
  t.teardown(() => proxy.stop());
  const redis = client(t, proxy);
  await redis.ping();
  return { proxy, redis };
}

/** A client that does not reconnect, speaks RESP2 and says nothing by itself. */
function client(t: ExecutionContext, proxy: FaultProxy, commandTimeout?: number): Redis {
  const redis = new Redis(proxy.port, proxy.host, {
    ...(commandTimeout === undefined ? {} : { commandTimeout }),
    retryStrategy: () => null,
    disableClientInfo: true,
    enableReadyCheck: false,
    protocol: 2,
  });
  redis.on("error", () => {});
  t.teardown(() => redis.disconnect());
  return redis;
}

async function opened(t: ExecutionContext, proxy: FaultProxy): Promise<Socket> {
  const socket = connect(proxy.port, proxy.host);
  t.teardown(() => socket.destroy());
  await once(socket, "connect");
  return socket;
}
