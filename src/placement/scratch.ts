/**
 * Memory in which strings become bytes on their way to the native side, used
 * again and again. Natives read it before they return, so nothing is shared.
 */

/** Larger batches get memory of their own, so that one of them is not kept for good. */
const MOST_KEPT = 1 << 20;

let kept = Buffer.allocUnsafeSlow(1 << 16);

/** Memory for at least `length` bytes, valid until the next call. */
export function scratch(length: number): Buffer {
  if (length > MOST_KEPT) return Buffer.allocUnsafeSlow(length);
  if (length > kept.length) kept = Buffer.allocUnsafeSlow(Math.min(2 * length, MOST_KEPT));
  return kept;
}
