/** The clients of others: how each is installed, and the driver that lets us talk to it. */

import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { installDebian } from "./debian.ts";
import { lastWords, run } from "./process.ts";
import type { Answer, Driver, Request } from "./protocol.ts";
import { twemproxy } from "./twemproxy.ts";

const drivers = fileURLToPath(new URL("drivers/", import.meta.url));
/** Ignored by git. Removing it makes the next run install anew. */
const cache = fileURLToPath(new URL("../../build/interop/", import.meta.url));

export interface Client {
  drive: Driver;
  /** Puts the client on this machine. Called only when asking its version failed. */
  install: () => Promise<void>;
}

export type ClientName = keyof typeof clients;

/**
 * A Python client in a virtual environment of its own: each needs another redis-py.
 *
 * @param steps arguments of `pip install`, one call each
 */
function python(name: string, driver: string, steps: readonly (readonly string[])[]): Client {
  const venv = `${cache}${name}`;
  const done = `${venv}/installed.json`;
  const interpreter = `${venv}/bin/python`;
  return {
    drive: program([interpreter, "-B", `${drivers}${driver}`]),
    async install() {
      const wanted = JSON.stringify(steps);
      if ((await readFile(done, "utf8").catch(() => "")) === wanted) return;
      await rm(venv, { recursive: true, force: true });
      await mkdir(cache, { recursive: true });
      await must(["python3", "-m", "venv", venv]);
      const pip = [interpreter, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
      for (const step of steps) await must([...pip, ...step]);
      await writeFile(done, wanted);
    },
  };
}

function debian(driver: Driver, packages: readonly string[]): Client {
  return { drive: driver, install: () => installDebian(packages) };
}

export const clients = {
  "redis-shard": python("redis-shard", "drive_redis_shard.py", [
    ["redis==3.5.3", "redis-shard==0.3.7"],
  ]),
  // The last that knows no hash tags on Python 3.
  "redis-shard 0.3.6": python("redis-shard-0.3.6", "drive_redis_shard.py", [
    ["redis==3.5.3", "redis-shard==0.3.6"],
  ]),
  // Its setup.py imports itself, and so redis-py; redis-py 2.7.2 is turned into Python 3 by 2to3
  // while it is built, which setuptools 58 gave up. Without hiredis, which it only recommends.
  rediscluster: python("rediscluster", "drive_rediscluster.py", [
    ["setuptools==57.5.0", "wheel"],
    ["--no-build-isolation", "redis==2.7.2"],
    ["--no-build-isolation", "--no-deps", "rediscluster==0.5.3"],
  ]),
  mredis: python("mredis", "drive_mredis.py", [["redis==3.5.3"]]),
  phpredis: debian(program(["php", `${drivers}drive_phpredis.php`]), ["php-cli", "php-redis"]),
  "redis-rb": debian(program(["ruby", `${drivers}drive_redis_rb.rb`]), ["ruby", "ruby-redis"]),
  twemproxy: debian(twemproxy, ["nutcracker"]),
} as const satisfies Record<string, Client>;

/** Why a client is not here, or the version that answers. */
export type Presence = { version: string } | { missing: string };

const nothing: Request = { nodes: [], config: {}, action: "version", items: [] };

/** Installs a client unless it is there. */
export async function prepare(name: ClientName): Promise<Presence> {
  const client: Client = clients[name];
  const version = () => client.drive(nothing).then((answer) => answer.version);
  try {
    return { version: await version() };
  } catch {
    try {
      await client.install();
      return { version: await version() };
    } catch (error) {
      return { missing: error instanceof Error ? error.message : String(error) };
    }
  }
}

/** A driver that is a program of another language. */
function program(command: readonly string[]): Driver {
  return async ({ items, ...request }) => {
    const input = {
      ...request,
      items: items.map(({ key, value }) => ({
        key: Buffer.from(key).toString("base64"),
        kind: typeof key === "string" ? "text" : "bytes",
        value: value.toString("base64"),
      })),
    };
    const ended = await run(command, { input: JSON.stringify(input) });
    if (ended.code !== 0) throw new Error(lastWords(ended));
    const answer = JSON.parse(ended.stdout) as Omit<Answer, "values"> & {
      values: (string | null)[];
    };
    const values = answer.values.map((value) =>
      value === null ? null : Buffer.from(value, "base64"),
    );
    return { ...answer, values };
  };
}

async function must(command: readonly string[]): Promise<void> {
  const ended = await run(command);
  if (ended.code !== 0) throw new Error(`${command.join(" ")}: ${lastWords(ended)}`);
}
