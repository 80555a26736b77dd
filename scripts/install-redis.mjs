// How to get a redis-server from the system's package manager, without asking anybody anything and
// without leaving a service running.

import { canRun, run } from "./tools.mjs";

const managers = [
  { name: "apt-get", script: "sh scripts/apt-redis.sh" },
  { name: "apk", script: "apk add --no-cache redis" },
  { name: "dnf", script: "dnf install -y redis || dnf install -y valkey" },
];

/** @returns {Promise<[program: string, args: string[]] | undefined>} undefined: not from here */
export async function redisInstaller() {
  const manager = managers.find(({ name }) => canRun(name));
  if (manager !== undefined) {
    const args = ["-c", manager.script];
    if (process.getuid?.() === 0) return ["sh", args];
    const mayBeRoot = canRun("sudo") && (await run("sudo", ["-n", "true"])).ok;
    return mayBeRoot ? ["sudo", ["-n", "sh", ...args]] : undefined;
  }
  // Homebrew is for users, not for root, and starts no service by itself.
  if (canRun("brew")) return ["brew", ["install", "redis"]];
  return undefined;
}
