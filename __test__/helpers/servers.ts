/** Servers of other kinds than `startNodes` starts: with TLS, and Sentinels. */
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import type { ExecutionContext } from "ava";
import { Redis } from "ioredis";
import { startNodes } from "../../src/testing/index.ts";
import { until } from "./setup.ts";

const run = promisify(execFile);

/** A server that speaks TLS at a port of localhost, and the certificate by which it is known. */
export interface TlsServer {
  readonly port: number;
  readonly ca: Buffer;
}

/**
 * Starts a server with TLS.
 *
 * @returns where it is; or why there is none, as openssl or such a server is missing
 */
export async function startTls(t: ExecutionContext): Promise<TlsServer | Error> {
  const directory = await temporary(t);
  const [key, cert] = [join(directory, "key.pem"), join(directory, "cert.pem")];
  const port = await freePort();
  try {
    await run("openssl", [
      ...["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"],
      ...["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", key, "-out", cert],
    ]);
    const args = ["--tls-port", String(port), "--tls-cert-file", cert, "--tls-key-file", key];
    const servers = await startNodes(1, {
      args: [...args, "--tls-ca-cert-file", cert, "--tls-auth-clients", "no"],
    });
    t.teardown(() => servers.stop());
    return { port, ca: await readFile(cert) };
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}

/**
 * Starts a Sentinel that watches a primary by the name "mymaster".
 *
 * @returns its port, once it answers
 */
export async function startSentinel(
  t: ExecutionContext,
  primary: { readonly host: string; readonly port: number },
): Promise<number> {
  // Its configuration is the first argument of a server, which startNodes does not let us give.
  const config = join(await temporary(t), "sentinel.conf");
  const lines = [
    `sentinel monitor mymaster ${primary.host} ${primary.port} 1`,
    "sentinel down-after-milliseconds mymaster 300",
    "sentinel failover-timeout mymaster 3000",
  ];
  await writeFile(config, lines.join("\n"));
  const port = await freePort();
  const process = execFile("redis-server", [config, "--sentinel", "--port", String(port)]);
  const client = new Redis(port);
  client.on("error", () => {});
  t.teardown(() => {
    client.disconnect();
    process.kill("SIGKILL");
  });
  await until(async () => (await client.ping()) === "PONG", "a Sentinel");
  return port;
}

async function temporary(t: ExecutionContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "shardis-test-"));
  t.teardown(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

/** A port below those that systems hand out, on which nobody listens. */
async function freePort(): Promise<number> {
  for (;;) {
    const port = 10_000 + Math.floor(Math.random() * 20_000);
    const isFree = await new Promise<boolean>((resolve) => {
      const socket = connect(port, "127.0.0.1");
      socket.once("connect", () => resolve(false)).once("error", () => resolve(true));
      socket.once("connect", () => socket.destroy());
    });
    if (isFree) return port;
  }
}
