/** Installs Debian packages without starting a service of theirs. */

import { access, rm, writeFile } from "node:fs/promises";
import { lastWords, run } from "./process.ts";

/** The file by which Debian asks whether a service may start; 101 means no. */
const policy = "/usr/sbin/policy-rc.d";
const refuse = "#!/bin/sh\nexit 101\n";
let updated = false;

export async function installDebian(packages: readonly string[]): Promise<void> {
  const command = `apt-get install -y --no-install-recommends ${packages.join(" ")}`;
  if (process.getuid?.() !== 0) throw new Error(`needs root for: ${command}`);
  const restore = await forbidServices();
  try {
    if (!updated) await apt(["update"]);
    updated = true;
    await apt(["install", "-y", "--no-install-recommends", ...packages]);
  } finally {
    await restore();
  }
}

/** A policy that is there already stays as it is, and has to refuse by itself. */
async function forbidServices(): Promise<() => Promise<void>> {
  const present = await access(policy).then(
    () => true,
    () => false,
  );
  if (!present) {
    await writeFile(policy, refuse, { mode: 0o755, flag: "wx" });
    return () => rm(policy);
  }
  const { code } = await run([policy, "nutcracker", "start"]);
  if (code !== 101) throw new Error(`${policy} lets services start, so nothing is installed`);
  return async () => {};
}

async function apt(args: readonly string[]): Promise<void> {
  // Somebody else may be installing: wait for the lock.
  const ended = await run(["apt-get", "-o", "DPkg::Lock::Timeout=300", ...args], {
    env: { DEBIAN_FRONTEND: "noninteractive" },
  });
  if (ended.code !== 0) throw new Error(`apt-get ${args.join(" ")}: ${lastWords(ended)}`);
}
