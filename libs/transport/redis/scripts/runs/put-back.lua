-- Queues a run again whose attempt ended by nobody's fault: no failure is counted.
-- KEYS: run
-- ARGV: attempt, why
-- Returns: 1 queued, 0 fenced
-- Called by the worker of the attempt, before the delivery goes back to the queue.
local r = redis.call('HMGET', KEYS[1], 'status', 'attempt')
if (r[1] ~= 'in_progress' and r[1] ~= 'queued') or r[2] ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'status', 'queued', 'lastWords', ARGV[2])
return 1
