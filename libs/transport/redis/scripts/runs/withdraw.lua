-- Takes back a run that no attempt has begun, with its client's key.
-- KEYS: run, idempotency record
-- ARGV: none
-- Returns: 1 withdrawn or unknown, 0 begun or final
-- Called by the process that created the run, when the queue refused its message.
local r = redis.call('HMGET', KEYS[1], 'status', 'attempt')
if r[1] and (r[1] ~= 'queued' or r[2] ~= '0') then return 0 end
redis.call('DEL', KEYS[1], KEYS[2])
return 1
