/**
 * Loading ioredis 6 slows loops over strings down five times in the whole
 * process: its `class VerbatimString extends String` leaves `String.prototype`
 * in dictionary mode, in which V8 does not inline `charCodeAt`. Reading the
 * property often brings the fast mode back (seen on Node 20 to 26); whoever
 * loads shardis shall not pay for what it is built on.
 */
import "ioredis";

const READS = 1000;

let method: unknown;
for (let read = 0; read < READS; read++) method = String.prototype.charCodeAt;

/** Keeps the loop from being optimised away. */
export const cured = typeof method === "function";
