-- Reads an endpoint before an attempt. Where it has failed so often that its breaker is open, and no pause runs, a pause begins
-- for everybody but this caller.
-- KEYS: endpoint
-- ARGV: now ms, failures at which the breaker opens, pause ms
-- Returns: the record as it was, as field, value, …
-- Called by a tasks process before each attempt.
local known = redis.call('HGETALL', KEYS[1])
local r = redis.call('HMGET', KEYS[1], 'failures', 'pausedUntil')
if tonumber(r[1] or 0) >= tonumber(ARGV[2]) and tonumber(r[2] or 0) <= tonumber(ARGV[1]) then
  redis.call('HSET', KEYS[1], 'pausedUntil', ARGV[1]+ARGV[3])
end
return known
