/**
 * The Lua scripts of moves. Each runs on one server and is atomic there; what
 * may happen between two of them is what `move.ts` and `journal.ts` are about.
 *
 * A script writes first what a server out of memory refuses, and takes away
 * only then: so it is refused as a whole.
 */

/**
 * When a key expires, in milliseconds since 1970; -1 for never. PEXPIRETIME came
 * with Redis 7.0. Before, two clocks are read one after the other, so that the
 * same expiry may come out a little differently twice: hence the slack.
 */
const EXPIRY = `
local function expiry(key)
  local at = redis.pcall('PEXPIRETIME', key)
  if type(at) == 'number' then return at, 0 end
  local left = redis.call('PTTL', key)
  if left < 0 then return left, 0 end
  local now = redis.call('TIME')
  return now[1] * 1000 + math.floor(now[2] / 1000) + left, 2
end
`;

/** Whether a key is still what it was, by the hash of its DUMP and by its expiry. */
const SAME = `${EXPIRY}
local function same(key, sha, at)
  local dump = redis.call('DUMP', key)
  if not dump or redis.sha1hex(dump) ~= sha then return false end
  local now, slack = expiry(key)
  return math.abs(now - tonumber(at)) <= slack
end
`;

/** Entries of the journal: KEYS[2] is the entry, KEYS[3] the index of all entries of the node. */
export const JOURNAL = `
local function now()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
local function write(...)
  local since = now()
  redis.call('ZADD', KEYS[3], since, KEYS[2])
  redis.call('HSET', KEYS[2], 'since', since, ...)
end
local function drop()
  redis.call('DEL', KEYS[2])
  redis.call('ZREM', KEYS[3], KEYS[2])
end
`;

/** Puts back what stood at the destination, with its own expiry. */
const PUT_BACK_KEPT = `
local function putBackKept(at)
  if redis.call('EXISTS', KEYS[3]) == 0 then return end
  redis.call('RENAME', KEYS[3], KEYS[1])
  if tonumber(at) < 0 then redis.call('PERSIST', KEYS[1])
  else redis.call('PEXPIREAT', KEYS[1], at) end
end
`;

/** KEYS: key. Returns its payload and expiry; nothing if there is no such key. */
export const READ = `${EXPIRY}
local dump = redis.call('DUMP', KEYS[1])
if not dump then return false end
return { dump, string.format('%.0f', (expiry(KEYS[1]))) }
`;

/**
 * KEYS: source, entry, index, mark of the source. ARGV: owner, node and key of the destination.
 * The same as READ, and notes in the journal what is about to be moved. What has itself only just
 * been written by a move, which may yet be undone, is "pending".
 */
export const READ_TO_MOVE = `${EXPIRY}${JOURNAL}
if redis.call('EXISTS', KEYS[4]) == 1 then return 'pending' end
local owner = redis.call('HGET', KEYS[2], 'owner')
if owner and owner ~= ARGV[1] then return 'taken over' end
local dump = redis.call('DUMP', KEYS[1])
if not dump then return false end
local at = string.format('%.0f', (expiry(KEYS[1])))
write('kind', 'key', 'owner', ARGV[1], 'to', ARGV[2], 'destination', ARGV[3],
  'source', KEYS[1], 'sha', redis.sha1hex(dump), 'at', at)
return { dump, at }
`;

/**
 * KEYS: destination, mark, kept. ARGV: payload, expiry, "nx" or "replace", the life of the mark,
 * and of what is kept; the entry, and its node. What stands at the destination is kept, so that it
 * can be put back. The mark says what was written, and for which entry: for others the destination
 * is "pending". For the same entry a newer payload is written, unless somebody has changed the
 * destination since.
 */
export const WRITE = `${SAME}${PUT_BACK_KEPT}
local mark = redis.call('HMGET', KEYS[2], 'sha', 'at', 'entry')
if mark[3] and mark[3] ~= ARGV[6] then return 'pending' end
local exists = redis.call('EXISTS', KEYS[1]) == 1
if mark[1] then
  if exists and not same(KEYS[1], mark[1], mark[2]) then return 'changed' end
elseif exists and ARGV[3] == 'nx' then
  return 'exists'
end
redis.call('HSET', KEYS[2], 'sha', '', 'at', ARGV[2], 'entry', ARGV[6], 'from', ARGV[7])
redis.call('PEXPIRE', KEYS[2], ARGV[4])
local keptAt = '-1'
if exists and not mark[1] then
  keptAt = string.format('%.0f', (expiry(KEYS[1])))
  redis.call('RENAME', KEYS[1], KEYS[3])
  local left = redis.call('PTTL', KEYS[3])
  if left < 0 or left > tonumber(ARGV[5]) then redis.call('PEXPIRE', KEYS[3], ARGV[5]) end
end
if not mark[1] then redis.call('HSET', KEYS[2], 'kept', keptAt) end
local ttl = ARGV[2]
if ttl == '-1' then ttl = '0' end
local done = redis.pcall('RESTORE', KEYS[1], ttl, ARGV[1], 'ABSTTL', 'REPLACE')
if done.err then
  if mark[1] then redis.call('HSET', KEYS[2], 'sha', mark[1], 'at', mark[2])
  else
    putBackKept(keptAt)
    redis.call('DEL', KEYS[2])
  end
  return done
end
local dump = redis.call('DUMP', KEYS[1])
if dump then
  local at = string.format('%.0f', (expiry(KEYS[1])))
  redis.call('HSET', KEYS[2], 'sha', redis.sha1hex(dump), 'at', at)
end
return 'written'
`;

/**
 * KEYS: destination, mark, kept. ARGV: entry. Takes away what WRITE has written, and puts back
 * what stood there; if somebody else has changed it since, it stays.
 */
export const UNWRITE = `${SAME}${PUT_BACK_KEPT}
local mark = redis.call('HMGET', KEYS[2], 'sha', 'at', 'kept', 'entry')
if mark[4] ~= ARGV[1] then return 'nothing' end
local expired = redis.call('EXISTS', KEYS[1]) == 0 and tonumber(mark[2]) >= 0
local result = 'changed'
if expired or same(KEYS[1], mark[1], mark[2]) then
  redis.call('DEL', KEYS[1])
  putBackKept(mark[3])
  result = 'undone'
end
redis.call('UNLINK', KEYS[2], KEYS[3])
return result
`;

/**
 * KEYS: source, entry, index, mark of the source. ARGV: owner. Deletes the source and the entry,
 * if the source is still what the entry says, and has not been put there by a move since.
 */
export const DELETE_MOVED = `${SAME}${JOURNAL}
local entry = redis.call('HMGET', KEYS[2], 'owner', 'sha', 'at')
if entry[1] ~= ARGV[1] then return 'taken over' end
if redis.call('EXISTS', KEYS[1]) == 0 then return 'gone' end
if redis.call('EXISTS', KEYS[4]) == 1 or not same(KEYS[1], entry[2], entry[3]) then return 'changed' end
redis.call('UNLINK', KEYS[1])
drop()
return 'deleted'
`;

/**
 * KEYS: destination, mark. ARGV: entry. Says whether the destination is still
 * what WRITE has written for it.
 */
export const HAS_ARRIVED = `${SAME}
local mark = redis.call('HMGET', KEYS[2], 'sha', 'at', 'entry')
return mark[3] == ARGV[1] and same(KEYS[1], mark[1], mark[2]) and 1 or 0
`;

/** KEYS: mark, kept. ARGV: entry. Removes what WRITE has left behind. */
export const UNMARK = `
if redis.call('HGET', KEYS[1], 'entry') == ARGV[1] then redis.call('DEL', KEYS[1]) end
redis.call('UNLINK', KEYS[2])
`;

/**
 * KEYS: source, entry, index. ARGV: owner, node and key of the destination, kind
 * ("list" or "set"), from and into which end of a list, member of a set. Takes
 * an element from the source into the journal, and returns it; nothing if there
 * is none.
 */
export const TAKE = `${JOURNAL}
local kind, element = ARGV[4], ARGV[7]
if kind == 'set' then
  local found = redis.pcall('SISMEMBER', KEYS[1], element)
  if type(found) == 'table' then return found end
  if found == 0 then return false end
else
  element = redis.pcall('LINDEX', KEYS[1], ARGV[5] == 'left' and 0 or -1)
  if type(element) ~= 'string' then return element end
end
write('kind', kind, 'owner', ARGV[1], 'to', ARGV[2], 'destination', ARGV[3],
  'source', KEYS[1], 'from', ARGV[5], 'into', ARGV[6], 'element', element)
if kind == 'set' then redis.call('SREM', KEYS[1], element)
elseif ARGV[5] == 'left' then redis.call('LPOP', KEYS[1])
else redis.call('RPOP', KEYS[1]) end
return element
`;

const ADD = `
local function add(key, kind, into, element)
  if kind == 'set' then return redis.pcall('SADD', key, element) end
  return redis.pcall(into == 'left' and 'LPUSH' or 'RPUSH', key, element)
end
local function failed(reply) return type(reply) == 'table' and reply.err end
`;

/**
 * KEYS: destination, done. ARGV: kind, end, element, the life of the note that it is done. Adds
 * the element once, however often it is run while there is that note.
 */
export const PUT = `${ADD}
if redis.call('EXISTS', KEYS[2]) == 1 then return 0 end
redis.call('SET', KEYS[2], '', 'PX', ARGV[4])
local done = add(KEYS[1], ARGV[1], ARGV[2], ARGV[3])
if failed(done) then
  redis.call('DEL', KEYS[2])
  return done
end
return 1
`;

/** KEYS: source, entry, index. ARGV: owner. Returns an element from the journal to its source. */
export const PUT_BACK = `${ADD}${JOURNAL}
local entry = redis.call('HMGET', KEYS[2], 'owner', 'kind', 'from', 'element')
if entry[1] ~= ARGV[1] then return 0 end
local done = add(KEYS[1], entry[2], entry[3], entry[4])
if failed(done) then return done end
drop()
return 1
`;

/** KEYS: source, entry, index. ARGV: owner. Says whether there was such an entry of the owner. */
export const DROP = `${JOURNAL}
if redis.call('HGET', KEYS[2], 'owner') ~= ARGV[1] then return 0 end
drop()
return 1
`;

/**
 * KEYS: index, entry, index. ARGV: new owner, lease. Returns an entry that
 * nobody has touched for as long as the lease, and makes it the new owner's; 0
 * if it is too young, nothing if there is none.
 */
export const CLAIM = `${JOURNAL}
local since = tonumber(redis.call('HGET', KEYS[2], 'since') or '')
if not since then
  drop()
  return false
end
if now() - since < tonumber(ARGV[2]) then return 0 end
write('owner', ARGV[1])
return redis.call('HGETALL', KEYS[2])
`;
