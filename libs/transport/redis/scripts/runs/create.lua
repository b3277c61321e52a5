-- Creates a queued run, unless it exists or its client's idempotency key stands for something else.
-- KEYS: run, idempotency record
-- ARGV: ttl ms, digest of the request ('' = no key), id, message ('' = none is kept), then field, value, …
-- Returns: {'created' | 'repeated', id} or {'reused', ''}
-- Called by the process that accepts a run, before its message is published. May be repeated.
-- include: names, watch_deadline, take_key
if redis.call('EXISTS', KEYS[1]) == 1 then return {'repeated', ARGV[3]} end
local taken = take_key(KEYS[2], KEYS[1], ARGV[3], ARGV[2], ARGV[1])
if taken then
  -- Its client is told of the run, so it is no longer for whoever made it to take it back.
  if taken[1] == 'repeated' then redis.call('HSET', redis.call('HGET', KEYS[2], 'thing'), 'told', '1') end
  return taken
end
redis.call('HSET', KEYS[1], 'status', 'queued', 'attempt', '0', 'failures', '0', unpack(ARGV, 5))
redis.call('PEXPIRE', KEYS[1], ARGV[1])
if ARGV[4] ~= '' then redis.call('SET', RUN_MESSAGE_PREFIX .. ARGV[3], ARGV[4], 'PX', ARGV[1]) end
watch_deadline(KEYS[1])
return {'created', ARGV[3]}
