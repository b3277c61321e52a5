-- An ingress has read its log up to a place: what lies before it is dropped, and there is room for more.
-- KEYS: log, meter
-- ARGV: log id behind the last one read, bytes appended up to the last one read
-- Returns: entries dropped
-- Called by an ingress, after so many bytes and now and then. May be repeated. A count, or a place, beyond what was appended
-- is of a log that Redis has lost, or made up by whoever announced it: nothing is dropped that nobody has read.
local tip = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
if not tip then return 0 end
local tip_ms, tip_n = string.match(tip[1], '^(%d+)-(%d+)$')
local ms, n = string.match(ARGV[1], '^(%d+)-(%d+)$')
if tonumber(ms) > tonumber(tip_ms) or (tonumber(ms) == tonumber(tip_ms) and tonumber(n) > tonumber(tip_n) + 1) then return 0 end
local appended = tonumber(redis.call('HGET', KEYS[2], 'appended')) or 0
if appended > 0 and tonumber(ARGV[2]) <= appended then
  redis.call('HSET', KEYS[2], 'read', ARGV[2])
end
return redis.call('XTRIM', KEYS[1], 'MINID', '~', ARGV[1])
