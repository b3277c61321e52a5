-- Pauses an endpoint. Never shortens a pause.
-- KEYS: endpoint
-- ARGV: now ms, end of the pause ms
-- Returns: 1, or 0 for an unknown endpoint
-- Called by a tasks process when an endpoint asks for a pause, or fails too often.
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
redis.call('HSET', KEYS[1], 'pausedAt', ARGV[1])
if tonumber(redis.call('HGET', KEYS[1], 'pausedUntil') or 0)<tonumber(ARGV[2]) then
  redis.call('HSET', KEYS[1], 'pausedUntil', ARGV[2])
end
return 1
