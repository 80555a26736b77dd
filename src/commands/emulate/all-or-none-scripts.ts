/** The Lua scripts of MSETNX over several nodes. Each runs on one server and is atomic there. */
import { JOURNAL } from "./move-scripts.ts";

/**
 * KEYS: note, entry, index, and keys. ARGV: the life of the note, owner, the names of all nodes
 * concerned if this is the first of them (else nothing), and values. Sets all of the keys and
 * returns 1; or none, and returns 0, if any of them exists. The note lists the keys, each with the
 * hash of what is set. Where there is a note already, others have been faster.
 *
 * The keys come last: if the server refuses one of the commands, none is set.
 */
export const SET_PART = `${JOURNAL}
if redis.call('EXISTS', KEYS[1]) == 1 then return 'taken over' end
for at = 4, #KEYS do
  if redis.call('EXISTS', KEYS[at]) == 1 then return 0 end
end
for at = 4, #KEYS do
  redis.call('RPUSH', KEYS[1], KEYS[at], redis.sha1hex(ARGV[at]))
end
redis.call('PEXPIRE', KEYS[1], ARGV[1])
if ARGV[3] ~= '' then write('kind', 'keys', 'owner', ARGV[2], 'to', ARGV[3]) end
for at = 4, #KEYS do
  local done = redis.pcall('SET', KEYS[at], ARGV[at])
  if done.err then
    redis.call('DEL', KEYS[1])
    drop()
    return done
  end
end
return 1
`;

/**
 * KEYS: note, and keys. ARGV: for how long nobody shall set them for this note any more, or
 * nothing. Deletes the keys that are still what was set. If the note lists others, says so.
 */
export const UNSET_PART = `
local function same(key, sha)
  local value = redis.pcall('GET', key)
  return type(value) == 'string' and redis.sha1hex(value) == sha
    and redis.call('PTTL', key) == -1
end
local set = redis.call('LRANGE', KEYS[1], 0, -1)
if #set > 1 and #set ~= 2 * (#KEYS - 1) then return 'others' end
for at = 2, #set, 2 do
  local key = KEYS[at / 2 + 1]
  if same(key, set[at]) then redis.call('UNLINK', key) end
end
redis.call('DEL', KEYS[1])
if ARGV[1] ~= '' then
  redis.call('RPUSH', KEYS[1], 'undone')
  redis.call('PEXPIRE', KEYS[1], ARGV[1])
end
return 'undone'
`;
