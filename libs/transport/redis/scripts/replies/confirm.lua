-- An ingress has read its log up to a place: what lies before it is dropped, and there is room for more.
-- KEYS: log, meter
-- ARGV: log id behind the last one read, bytes appended up to the last one read
-- Returns: entries dropped
-- Called by an ingress, after so many bytes and now and then. May be repeated. A count beyond what was appended is of a log that Redis has lost.
local appended = tonumber(redis.call('HGET', KEYS[2], 'appended')) or 0
if appended > 0 and tonumber(ARGV[2]) <= appended then
  redis.call('HSET', KEYS[2], 'read', ARGV[2])
end
return redis.call('XTRIM', KEYS[1], 'MINID', '~', ARGV[1])
