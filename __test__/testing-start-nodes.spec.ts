import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import test, { type ExecutionContext } from "ava";
import { Redis } from "ioredis";
import {
  startNodes,
  type TcpTestNode,
  type TestNode,
  TestNodes,
  TestServerError,
  type UnixTestNode,
} from "../src/testing/index.ts";

test("starts servers on ports of their own, that answer at once", async (t) => {
  const servers = await started(t, startNodes(3));
  t.deepEqual(
    servers.nodes.map((node) => node.name),
    ["node1", "node2", "node3"],
  );
  t.is(new Set(servers.nodes.map((node) => node.port)).size, 3);
  for (const node of servers) {
    t.is(node.host, "127.0.0.1");
    t.is(node.url, `redis://127.0.0.1:${node.port}?name=${node.name}`);
    const info = await client(t, node).info("server");
    t.regex(info, new RegExp(`^process_id:${node.pid}\r$`, "m"));
    t.is(await client(t, node.url).ping(), "PONG");
  }
  t.deepEqual(
    servers.urls,
    servers.nodes.map((node) => node.url),
  );
});

test("keeps nothing on disk", async (t) => {
  const servers = await started(t, startNodes(1));
  const redis = client(t, servers.node(0));
  t.deepEqual(await redis.config("GET", "save"), ["save", ""]);
  t.deepEqual(await redis.config("GET", "appendonly"), ["appendonly", "no"]);
});

test("listens on Unix sockets when asked to, and on no port", async (t) => {
  const servers = await started(t, startNodes(2, { unixSocket: true }));
  for (const node of servers) {
    t.true(existsSync(node.path));
    t.is(node.url, `${node.path}?name=${node.name}`);
    t.deepEqual(await client(t, node).config("GET", "port"), ["port", "0"]);
    t.is(await client(t, node.url).set("where", node.name), "OK");
  }
  await servers.stop();
  t.false(existsSync(dirname(servers.node(0).path)), "the directory is removed");
});

test("takes names and more arguments", async (t) => {
  const names = ["left", "right & more"];
  const args = ["--requirepass", "secret", "--databases", "3"];
  const servers = await started(t, startNodes(2, { names, args }));
  const node = servers.node("right & more");
  t.is(new URL(node.url).searchParams.get("name"), "right & more");
  await t.throwsAsync(client(t, node).get("key"), { message: /NOAUTH/ });
  const redis = client(t, node, { password: "secret" });
  t.deepEqual(await redis.config("GET", "databases"), ["databases", "3"]);
});

test("a node stops, and a second stop does nothing", async (t) => {
  const servers = await started(t, startNodes(2));
  const [first, second] = [servers.node("node1"), servers.node("node2")];
  await Promise.all([first.stop(), first.stop()]);
  await first.stop();
  t.is(await knock(first.port), "refused");
  t.is(await knock(second.port), "open");
});

test("a node that is killed is gone when kill() returns", async (t) => {
  const node = (await started(t, startNodes(1))).node(0);
  await node.kill();
  t.is(await knock(node.port), "refused");
  t.throws(() => process.kill(node.pid, 0), { code: "ESRCH" });
});

test("restart keeps the port and loses the data, even data saved to disk", async (t) => {
  const node = (await started(t, startNodes(1))).node(0);
  const { port, pid } = node;
  const before = client(t, node);
  await before.set("key", "value");
  await before.save();
  await node.restart();
  t.is(node.port, port);
  t.not(node.pid, pid);
  t.is(await client(t, node).dbsize(), 0);

  await node.stop();
  await node.restart();
  t.is(await client(t, node).ping(), "PONG");
});

test("restart of a Unix node keeps the path, also after a crash", async (t) => {
  const node = (await started(t, startNodes(1, { unixSocket: true }))).node(0);
  await node.kill();
  await node.restart();
  t.is(await client(t, node).ping(), "PONG");
});

test("a stop during a restart stops what the restart started", async (t) => {
  const servers = await started(t, startNodes(1));
  const node = servers.node(0);
  const restarted = node.restart();
  await node.kill();
  await restarted;
  await servers.stop();
  t.is(await knock(node.port), "refused");
});

test("pause makes a server silent, resume lets it answer what has piled up", async (t) => {
  const node = (await started(t, startNodes(1))).node(0);
  const redis = client(t, node);
  t.is(await redis.incr("counter"), 1);
  node.pause();
  const piledUp = redis.incr("counter");
  t.is(await knock(node.port), "open", "the system accepts connections for it");
  const impatient = client(t, node, { commandTimeout: 100 });
  await t.throwsAsync(impatient.ping(), { message: "Command timed out" });
  node.resume();
  t.is(await piledUp, 2);
});

test("a paused server stops like any other", async (t) => {
  const servers = await started(t, startNodes(1));
  servers.node(0).pause();
  await servers.stop();
  t.is(await knock(servers.node(0).port), "refused");
});

test("a server that ignores SIGTERM is killed after two seconds", async (t) => {
  const servers = await started(t, startNodes(1));
  // A busy script: Redis cannot obey SIGTERM while it runs.
  const stuck = client(t, servers.node(0)).eval("while true do end", 0);
  const settled = stuck.catch((error: unknown) => error);
  await eventually(t, async () => {
    const ping = client(t, servers.node(0), { commandTimeout: 100 }).ping();
    return ping.then(
      () => false,
      () => true,
    );
  });
  await servers.stop();
  t.is(await knock(servers.node(0).port), "refused");
  t.true((await settled) instanceof Error);
});

test("stopping a set stops every server and removes its directory, once", async (t) => {
  const servers = await started(t, startNodes(2));
  const directory = String(Object(await client(t, servers.node(0)).config("GET", "dir"))[1]);
  t.true(existsSync(directory));
  t.is(servers.stop(), servers.stop());
  await servers[Symbol.asyncDispose]();
  t.false(existsSync(dirname(directory)));
  for (const node of servers) t.is(await knock(node.port), "refused");
});

test("sets that start at the same time do not disturb each other", async (t) => {
  const sets = await Promise.all([1, 2, 3, 4].map(() => started(t, startNodes(3))));
  const nodes = sets.flatMap((servers) => servers.nodes);
  t.is(new Set(nodes.map((node) => node.port)).size, 12);
  await Promise.all(nodes.map((node) => client(t, node).set("pid", node.pid)));
  for (const node of nodes) t.is(await client(t, node).get("pid"), String(node.pid));
});

for (const unixSocket of [false, true]) {
  const where = unixSocket ? "Unix" : "TCP";
  test(`${where} servers end when the process that started them is killed`, async (t) => {
    const { child, node } = await startInChild(t, unixSocket);
    t.is(await knock(node.address), "open");
    child.kill("SIGKILL");
    await once(child, "exit");
    await eventually(t, async () => ["refused", "missing"].includes(await knock(node.address)));
    await eventually(t, () => !existsSync(node.directory));
  });
}

test("servers end when the process that started them just exits", async (t) => {
  const { child, node } = await startInChild(t, false);
  child.stdin.end(); // The child has nothing else to wait for: servers do not keep it alive.
  t.deepEqual(await once(child, "exit"), [0, null]);
  await eventually(t, async () => (await knock(node.address)) === "refused");
  await eventually(t, () => !existsSync(node.directory));
});

test("a program that does not exist is named in the error", async (t) => {
  const error = await t.throwsAsync(startNodes(1, { binary: "/no/such/redis-server" }), {
    instanceOf: TestServerError,
    code: "TEST_SERVER",
  });
  t.regex(error.message, /^"\/no\/such\/redis-server" is not a program that can be run/);
  await t.throwsAsync(startNodes(1, { binary: "no-such-server" }), {
    message: /^"no-such-server" is not a program/,
  });
});

test("a server that refuses to start is quoted in the error, and the others are stopped", async (t) => {
  const error = await t.throwsAsync(startNodes(2, { args: ["--no-such-option", "1"] }), {
    instanceOf: TestServerError,
  });
  t.regex(error.message, /^The test server ended with exit code 1\. It wrote:\n/);
  t.regex(error.message, /no-such-option/);
});

test("another program than a Redis server is an error too", async (t) => {
  const directory = await mkdtemp(join(tmpdir(), "shardis-test-"));
  t.teardown(() => rm(directory, { recursive: true }));
  const program = join(directory, "other");
  await writeFile(program, "#!/bin/sh\necho 'I am no server' >&2\nexit 3\n");
  await chmod(program, 0o755);
  await t.throwsAsync(startNodes(1, { binary: program }), {
    message: "The test server ended with exit code 3. It wrote:\nI am no server",
  });
});

test("counts and names that make no sense are refused", async (t) => {
  for (const count of [0, -1, 1.5, Number.NaN]) {
    await t.throwsAsync(startNodes(count), { instanceOf: RangeError, message: /whole number/ });
  }
  await t.throwsAsync(startNodes(2, { names: ["a"] }), { instanceOf: RangeError });
  await t.throwsAsync(startNodes(2, { names: ["a", "a"] }), { message: /must differ/ });
  const servers = await started(t, startNodes(1));
  t.throws(() => servers.node(1), { instanceOf: RangeError });
  t.throws(() => servers.node("b"), { message: 'There is no test node "b", only: node1.' });
});

// --- Helpers ------------------------------------------------------------------------------------

/** The servers, stopped at the end of the test. */
async function started<Node extends TestNode>(
  t: ExecutionContext,
  starting: Promise<TestNodes<Node>>,
): Promise<TestNodes<Node>> {
  const servers = await starting;
  t.true(servers instanceof TestNodes);
  t.teardown(() => servers.stop());
  return servers;
}

/** A plain client of one server, that gives up at once when the server is gone. */
function client(
  t: ExecutionContext,
  node: TcpTestNode | UnixTestNode | string,
  settings: { password?: string; commandTimeout?: number } = {},
): Redis {
  const options = { ...settings, retryStrategy: () => null };
  const redis =
    typeof node === "string" ? new Redis(node, options) : new Redis({ ...node, ...options });
  redis.on("error", () => {});
  t.teardown(() => redis.disconnect());
  return redis;
}

/** What happens to a connection to a port or a socket. */
async function knock(address: number | string): Promise<"open" | "reset" | "refused" | "missing"> {
  const socket =
    typeof address === "number" ? connect(address, "127.0.0.1") : connect({ path: address });
  try {
    await once(socket, "connect");
    return "open";
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code === "ECONNRESET") return "reset";
    if (code === "ECONNREFUSED") return "refused";
    if (code === "ENOENT") return "missing";
    throw error;
  } finally {
    socket.destroy();
  }
}

/** Passes as soon as `check` does; fails when it has not within 5 seconds. */
async function eventually(
  t: ExecutionContext,
  check: () => boolean | Promise<boolean>,
): Promise<void> {
  const end = performance.now() + 5_000;
  while (!(await check())) {
    if (performance.now() > end) return t.fail("It did not happen within 5 seconds.");
    await delay(5);
  }
  t.pass();
}

/** Another process that starts one server, says where, and waits for its standard input to end. */
async function startInChild(t: ExecutionContext, unixSocket: boolean) {
  const program = `
    import { startNodes } from ${JSON.stringify(new URL("../src/testing/index.ts", import.meta.url))};
    import { Redis } from "ioredis";
    const { nodes: [node] } = await startNodes(1, { unixSocket: ${unixSocket} });
    const redis = new Redis(node);
    const [, directory] = await redis.config("GET", "dir");
    redis.disconnect();
    console.log(JSON.stringify({ address: node.port ?? node.path, directory }));
    process.stdin.resume();
  `;
  const child = spawn(
    process.execPath,
    ["--import", "@oxc-node/core/register", "--input-type=module", "--eval", program],
    { stdio: ["pipe", "pipe", "inherit"] },
  );
  t.teardown(() => child.kill("SIGKILL"));
  const [line] = await once(createInterface(child.stdout), "line");
  const node: { address: number | string; directory: string } = JSON.parse(line);
  return { child, node: { ...node, directory: dirname(node.directory) } };
}
