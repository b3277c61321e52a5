-- Closes the breaker, and ends a pause that began before the attempt did.
-- KEYS: endpoint
-- ARGV: now ms, begin of the attempt ms
-- Returns: 1, or 0 for an unknown endpoint
-- Called by a tasks process after the attempt.
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
redis.call('HSET', KEYS[1], 'failures', 0, 'cameThroughAt', ARGV[1])
if tonumber(redis.call('HGET', KEYS[1], 'pausedAt') or 0)<tonumber(ARGV[2]) then
  redis.call('HSET', KEYS[1], 'pausedUntil', 0)
end
return 1
