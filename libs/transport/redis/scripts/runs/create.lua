-- Creates a queued run, unless it exists, its client's idempotency key stands for something else, or its tenant or model has too many.
-- KEYS: run, idempotency record
-- ARGV: ttl ms, digest of the request ('' = no key), id, message ('' = none is kept),
--       now ms, tenant, slug, most messages of the tenant ('' = no bound), bytes of them, the same two of the model, then field, value, …
-- Returns: {'created' | 'repeated', id}, {'reused', ''} or {'full', 'tenant' | 'model'}
-- Called by the process that accepts a run, before its message is published. May be repeated.
-- include: names, watch_deadline, take_key, backlog
if redis.call('EXISTS', KEYS[1]) == 1 then return {'repeated', ARGV[3]} end
local bytes = #ARGV[4]
for i, of in ipairs({'t:' .. ARGV[6], 'm:' .. ARGV[7]}) do
  local most = ARGV[6+2*i]
  if most ~= '' and not backlog_room(of, most, ARGV[7+2*i], bytes, ARGV[5]) then
    -- A key that was used before leads to its run, which needs no room.
    local known = ARGV[2] ~= '' and redis.call('HGET', KEYS[2], 'thing')
    if not known or redis.call('EXISTS', known) == 0 then return {'full', i == 1 and 'tenant' or 'model'} end
  end
end
local taken = take_key(KEYS[2], KEYS[1], ARGV[3], ARGV[2], ARGV[1])
if taken then
  -- Its client is told of the run, so it is no longer for whoever made it to take it back.
  if taken[1] == 'repeated' then redis.call('HSET', redis.call('HGET', KEYS[2], 'thing'), 'told', '1') end
  return taken
end
redis.call('HSET', KEYS[1], 'status', 'queued', 'attempt', '0', 'failures', '0', unpack(ARGV, 12))
redis.call('PEXPIRE', KEYS[1], ARGV[1])
if ARGV[4] ~= '' then redis.call('SET', RUN_MESSAGE_PREFIX .. ARGV[3], ARGV[4], 'PX', ARGV[1]) end
watch_deadline(KEYS[1])
backlog_add(KEYS[1], bytes)
return {'created', ARGV[3]}
