-- Empties the log for an attempt that starts over, unless a client has read it.
-- KEYS: run, log
-- ARGV: attempt, nonce
-- Returns: 1 emptied, 0 read or fenced
-- Called by the worker that has begun the attempt, before it appends.
-- include: status_held
if status_held(KEYS[1], ARGV[1], ARGV[2]) ~= 'in_progress' or redis.call('HGET', KEYS[1], 'read') then return 0 end
redis.call('DEL', KEYS[2])
return 1
