-- Adds a line to the audit log, where it is the one behind the latest; gives up the oldest.
-- KEYS: lines, ends
-- ARGV: seq and hash of the line that it comes behind ('0' and zeros = none), the line, its seq, its hash, most lines, Unix ms before which lines are too old
-- Returns: nothing where it was added, else seq and hash of the latest line
-- Called by each process that does what is audited, before it does it.
local seq, hash = unpack(redis.call('HMGET', KEYS[2], 'seq', 'hash'))
seq = seq or '0'
hash = hash or string.rep('0', 64)
if seq ~= ARGV[1] or hash ~= ARGV[2] then return {seq, hash} end
redis.call('RPUSH', KEYS[1], ARGV[3])
redis.call('HSET', KEYS[2], 'seq', ARGV[4], 'hash', ARGV[5])
-- A few at a time: it is called again.
for _ = 1, 100 do
  local oldest = redis.call('LINDEX', KEYS[1], 0)
  local known, line = pcall(cjson.decode, oldest)
  local isOld = known and line.entry.at < tonumber(ARGV[7])
  if redis.call('LLEN', KEYS[1]) <= tonumber(ARGV[6]) and not isOld then break end
  redis.call('LPOP', KEYS[1])
  if known then redis.call('HSET', KEYS[2], 'firstSeq', line.seq, 'firstHash', line.hash) end
end
return {}
