/** Makes a sequence of steps that fails short, by leaving out what it fails without. */
import type { Arena } from "./model-arena.ts";
import type { Step } from "./model-steps.ts";

/** Where a sequence failed, and how. */
export interface Failure {
  readonly steps: readonly Step[];
  readonly message: string;
}

/** Sequences up to this have their data checked after every step. */
const SHORT = 64;

/**
 * Does steps to servers that have been emptied.
 *
 * @returns the steps up to the one that failed, and how it did; undefined if none did
 */
export async function replay(arena: Arena, steps: readonly Step[]): Promise<Failure | undefined> {
  await arena.reset();
  for (const [index, step] of steps.entries()) {
    const isChecked = steps.length <= SHORT || index === steps.length - 1;
    const message = (await arena.run(step)) ?? (isChecked ? await arena.checkData() : undefined);
    if (message !== undefined) return { steps: steps.slice(0, index + 1), message };
  }
  return undefined;
}

/**
 * Looks for a shorter sequence that fails, in whatever way.
 *
 * @param limit how long it may take, in milliseconds
 */
export async function shrink(arena: Arena, failure: Failure, limit: number): Promise<Failure> {
  const end = Date.now() + limit;
  let best = failure;
  const attempt = async (steps: readonly Step[]): Promise<boolean> => {
    if (Date.now() > end) return false;
    const found = await replay(arena, steps);
    if (found !== undefined) best = found;
    return found !== undefined;
  };
  // Mostly the last few steps will do.
  for (let count = 1; count < failure.steps.length; count *= 4) {
    if (await attempt(failure.steps.slice(-count))) break;
  }
  for (let size = Math.ceil(best.steps.length / 2); size >= 1; ) {
    const isShorter = await leaveOut(() => best.steps, size, attempt);
    if (!isShorter || size > 1) size = size === 1 ? 0 : Math.floor(size / 2);
    if (Date.now() > end) break;
  }
  await thinOut(() => best.steps, attempt);
  return best;
}

/** Leaves out runs of so many steps, one after another from the end. */
async function leaveOut(
  steps: () => readonly Step[],
  size: number,
  attempt: (steps: readonly Step[]) => Promise<boolean>,
): Promise<boolean> {
  let isShorter = false;
  for (let at = steps().length - size; at > -size; at -= size) {
    const start = Math.max(at, 0);
    const rest = steps().filter((_, index) => index < start || index >= at + size);
    if (rest.length > 0 && rest.length < steps().length && (await attempt(rest))) isShorter = true;
  }
  return isShorter;
}

/** Leaves out calls of pipelines and transactions. */
async function thinOut(
  steps: () => readonly Step[],
  attempt: (steps: readonly Step[]) => Promise<boolean>,
): Promise<void> {
  for (let at = steps().length - 1; at >= 0; at--) {
    for (let call = (steps()[at]?.calls.length ?? 0) - 1; call >= 0; call--) {
      const step = steps()[at];
      if (step === undefined || step.calls.length < 2) break;
      const calls = step.calls.filter((_, index) => index !== call);
      await attempt(steps().with(at, { ...step, calls }));
    }
  }
}
