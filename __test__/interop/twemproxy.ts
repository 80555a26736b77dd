/** The driver of twemproxy: the real proxy with a config file of its own, and ioredis through it. */

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Redis } from "ioredis";
import { lastWords, run } from "./process.ts";
import type { Answer, Request } from "./protocol.ts";

const program = "nutcracker";

export async function twemproxy(request: Request): Promise<Answer> {
  const version = await askVersion();
  if (request.action === "version") return { version, values: [], refused: [] };

  const directory = await mkdtemp(join(tmpdir(), "shardis-twemproxy-"));
  const port = await freePort();
  const statsPort = await freePort();
  const file = join(directory, "nutcracker.yml");
  await writeFile(file, configure(request, port));
  const log = join(directory, "log");
  const proxy = spawn(program, ["-c", file, "-s", String(statsPort), "-o", log]);
  try {
    const redis = await connect(port, proxy);
    try {
      return { version, ...(await converse(redis, request)) };
    } finally {
      redis.disconnect();
    }
  } finally {
    if (proxy.exitCode === null && proxy.kill()) await once(proxy, "exit");
    await rm(directory, { recursive: true, force: true });
  }
}

function configure({ nodes, config }: Request, listen: number): string {
  const pool = { listen: `127.0.0.1:${listen}`, redis: true, ...config };
  const lines = ["shardis:"];
  for (const [name, value] of Object.entries(pool)) {
    // Its parser takes braces for YAML's own unless quoted, and true only unquoted.
    lines.push(`  ${name}: ${name === "hash_tag" ? JSON.stringify(value) : value}`);
  }
  lines.push("  servers:");
  for (const { name, host, port, weight } of nodes) {
    const address = `${host}:${port}`;
    lines.push(`   - ${address}:${weight}${name === address ? "" : ` ${name}`}`);
  }
  return `${lines.join("\n")}\n`;
}

async function converse(redis: Redis, request: Request): Promise<Omit<Answer, "version">> {
  const answer: Omit<Answer, "version"> = { values: [], refused: [] };
  const pipeline = redis.pipeline();
  for (const { key, value } of request.items) {
    if (request.action === "write") pipeline.set(key, value);
    else pipeline.getBuffer(key);
  }
  const replies = (await pipeline.exec()) ?? [];
  for (const [index, [error, value]] of replies.entries()) {
    if (error !== null) answer.refused.push({ index, error: error.message });
    answer.values.push(Buffer.isBuffer(value) ? value : null);
  }
  return answer;
}

/** The proxy hangs up on what it does not know: HELLO, CLIENT and INFO, with which ioredis starts. */
async function connect(port: number, proxy: ChildProcess): Promise<Redis> {
  for (let attempt = 0; ; attempt++) {
    const redis = new Redis({
      port,
      protocol: 2,
      enableReadyCheck: false,
      lazyConnect: true,
      retryStrategy: null,
      maxRetriesPerRequest: 0,
      disableClientInfo: true,
    });
    redis.on("error", () => {});
    try {
      await redis.connect();
      return redis;
    } catch (error) {
      redis.disconnect();
      if (attempt === 50 || proxy.exitCode !== null) throw error;
      await sleep(50);
    }
  }
}

async function askVersion(): Promise<string> {
  const ended = await run([program, "--version"]);
  const version = /nutcracker-[\d.]+/.exec(ended.stdout + ended.stderr)?.[0];
  if (version === undefined) throw new Error(`${program}: ${lastWords(ended)}`);
  return `twemproxy ${version}`;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  await once(server.close(), "close");
  if (address === null || typeof address === "string") throw new Error("no port was given");
  return address.port;
}
