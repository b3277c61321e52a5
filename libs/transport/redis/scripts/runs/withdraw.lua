-- Takes back a run that no attempt has begun, with its client's key.
-- KEYS: run, idempotency record
-- ARGV: none
-- Returns: 1 withdrawn or unknown, 0 begun or final
-- Called by the process that created the run, when the queue refused its message, or replicas did not have it in time.
local r = redis.call('HMGET', KEYS[1], 'status', 'attempt')
if r[1] and (r[1] ~= 'queued' or r[2] ~= '0') then return 0 end
redis.call('DEL', KEYS[1])
-- The key may stand for an earlier run.
if KEYS[2] ~= KEYS[1] and redis.call('HGET', KEYS[2], 'thing') == KEYS[1] then redis.call('DEL', KEYS[2]) end
return 1
