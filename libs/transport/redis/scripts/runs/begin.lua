-- Begins an attempt, which fences all others. While another runs it takes a higher number; a queued run takes any, since a
-- broker that was killed counts its deliveries anew.
-- KEYS: run
-- ARGV: attempt, nonce, worker
-- Returns: 'begun' (also for an attempt that has begun already) | 'fenced' (another attempt has it) | 'gone' (final, or removed)
--          | 'unknown' (there is no record, and none was removed)
-- Called by the worker that was delivered the message, before it asks its engine. May be repeated.
-- include: names
local r = redis.call('HMGET', KEYS[1], 'status', 'attempt', 'nonce')
if not r[1] and redis.call('EXISTS', RUN_REMOVED_PREFIX .. string.match(KEYS[1], '[^:]+$')) == 0 then return 'unknown' end
if r[1] ~= 'queued' and r[1] ~= 'in_progress' then return 'gone' end
if r[1] == 'in_progress' then
  if r[2] == ARGV[1] and r[3] == ARGV[2] and ARGV[2] ~= '0' then return 'begun' end
  if tonumber(r[2]) >= tonumber(ARGV[1]) then return 'fenced' end
end
redis.call('HSET', KEYS[1], 'status', 'in_progress', 'attempt', ARGV[1], 'nonce', ARGV[2], 'worker', ARGV[3])
return 'begun'
