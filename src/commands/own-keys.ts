/** The keys of our own on the users' servers: copies, and what is about moves. */

/** What their names begin with. */
export const OWN_PREFIX = "shardis:";

/** Their kinds, after that prefix. */
const OWN_KEYS = new RegExp(`^${OWN_PREFIX}(copy|journal|mark|done|kept)(:|$)`);

export function isOwnKey(key: unknown): boolean {
  return OWN_KEYS.test(String(key));
}

/** A list of keys without our own, which `keys`, `scan` and `randomkey` leave out. */
export function withoutOwnKeys(keys: unknown): unknown {
  return Array.isArray(keys) ? keys.filter((key) => !isOwnKey(key)) : keys;
}
