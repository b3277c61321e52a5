-- Queues an open run again whose message is in no queue, and which nobody runs, unless something happened to it meanwhile. Its attempts go
-- on counting, so that old ones stay fenced.
-- KEYS: run
-- ARGV: attempt, worker ('' = none has begun it)
-- Returns: 1 queued, 0 final, unknown or begun by another attempt
-- Called by a tasks process that looks after open runs, before it publishes the message. May be repeated.
local r = redis.call('HMGET', KEYS[1], 'status', 'attempt', 'worker')
if r[1] ~= 'queued' and r[1] ~= 'in_progress' then return 0 end
if r[2] ~= ARGV[1] or (r[3] or '') ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[1], 'status', 'queued')
return 1
