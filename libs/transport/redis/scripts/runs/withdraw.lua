-- Takes back a run that no attempt has begun and nobody else was told of, with its client's key.
-- KEYS: run, idempotency record
-- ARGV: ms for which a message that comes late is told
-- Returns: 1 withdrawn or unknown, 0 begun, final or told of
-- Called by the process that created the run, when the queue refused its message, or replicas did not have it in time.
-- include: names, backlog
local r = redis.call('HMGET', KEYS[1], 'status', 'attempt', 'told')
if r[1] and (r[1] ~= 'queued' or r[2] ~= '0' or r[3]) then return 0 end
local id = string.match(KEYS[1], '[^:]+$')
backlog_remove(KEYS[1])
redis.call('DEL', KEYS[1], RUN_MESSAGE_PREFIX .. id)
redis.call('ZREM', RUN_DEADLINES_KEY, id)
redis.call('SET', RUN_REMOVED_PREFIX .. id, '1', 'PX', ARGV[1])
-- The key may stand for an earlier run.
if KEYS[2] ~= KEYS[1] and redis.call('HGET', KEYS[2], 'thing') == KEYS[1] then redis.call('DEL', KEYS[2]) end
return 1
