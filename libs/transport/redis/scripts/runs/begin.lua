-- Begins an attempt, which fences all earlier ones.
-- KEYS: run
-- ARGV: attempt, worker
-- Returns: 'begun' | 'fenced' (a later attempt has begun) | 'gone' (final or unknown)
-- Called by the worker that was delivered the message, before it asks its engine.
local r = redis.call('HMGET', KEYS[1], 'status', 'attempt')
if r[1] ~= 'queued' and r[1] ~= 'in_progress' then return 'gone' end
if tonumber(r[2]) >= tonumber(ARGV[1]) then return 'fenced' end
redis.call('HSET', KEYS[1], 'status', 'in_progress', 'attempt', ARGV[1], 'worker', ARGV[2])
return 'begun'
