-- Empties the log for an attempt that starts over, unless a client has read it.
-- KEYS: run, log
-- ARGV: attempt
-- Returns: 1 emptied, 0 read or fenced
-- Called by the worker that has begun the attempt, before it appends.
local r = redis.call('HMGET', KEYS[1], 'status', 'attempt', 'read')
if r[1] ~= 'in_progress' or r[2] ~= ARGV[1] or r[3] then return 0 end
redis.call('DEL', KEYS[2])
return 1
