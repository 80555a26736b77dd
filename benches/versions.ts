/** What takes part, in which version. */
import { readFileSync } from "node:fs";
import { Redis } from "ioredis";
import { startNodes } from "shardis/testing";

/** Names, and where the packages of that name are; seen from this file. */
const PACKAGES = {
  shardis: "..",
  ioredis: "../node_modules/ioredis",
  "node-redis (@redis/client)": "rivals/node_modules/@redis/client",
  "valkey-glide": "rivals/node_modules/@valkey/valkey-glide",
};

export async function versions(): Promise<string> {
  const packages = Object.entries(PACKAGES).map(([name, path]) => `${name} ${versionIn(path)}`);
  return [await serverVersion(), ...packages].join(", ");
}

function versionIn(path: string): string {
  try {
    const file = readFileSync(new URL(`${path}/package.json`, import.meta.url), "utf8");
    return JSON.parse(file).version;
  } catch {
    return "not installed";
  }
}

async function serverVersion(): Promise<string> {
  const servers = await startNodes(1);
  const redis = new Redis(servers.node(0).url);
  const info = await redis.info("server");
  redis.disconnect();
  await servers.stop();
  // Valkey says for the sake of old clients which Redis it is like, too.
  const valkey = /^valkey_version:(\S+)/m.exec(info)?.[1];
  return valkey ? `Valkey ${valkey}` : `Redis ${/^redis_version:(\S+)/m.exec(info)?.[1]}`;
}
