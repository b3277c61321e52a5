-- Creates a queued run, unless it exists, its client's idempotency key stands for something else, or its project, tenant or model has too many.
-- KEYS: run, idempotency record
-- ARGV: ttl ms, digest of the request ('' = no key), id, message ('' = none is kept),
--       now ms, tenant, slug, most messages of the tenant ('' = no bound), bytes of them, the same two of the model and of the limits of the project ('' = no bound, each),
--       then field, value, …
-- Returns: {'created' | 'repeated', id}, {'reused', ''} or {'full', 'project' | 'tenant' | 'model'}; where there are bounds, then what was open of its tenant, and the bytes of that
-- Called by the process that accepts a run, before its message is published. May be repeated.
-- include: names, watch_deadline, take_key, backlog
if redis.call('EXISTS', KEYS[1]) == 1 then return {'repeated', ARGV[3]} end
local bytes = #ARGV[4]
local n, held = 0, 0
if ARGV[8] ~= '' then n, held = backlog_held('t:' .. ARGV[6], ARGV[5]) end
local full = ARGV[12] ~= '' and n+1 > tonumber(ARGV[12]) or ARGV[13] ~= '' and held+bytes > tonumber(ARGV[13])
full = full and 'project'
for i, of in ipairs({'t:' .. ARGV[6], 'm:' .. ARGV[7]}) do
  local most = ARGV[6+2*i]
  if not full and most ~= '' and not backlog_room(of, most, ARGV[7+2*i], bytes, ARGV[5]) then full = i == 1 and 'tenant' or 'model' end
end
if full then
  -- A key that was used before leads to its run, which needs no room.
  local known = ARGV[2] ~= '' and redis.call('HGET', KEYS[2], 'thing')
  if not known or redis.call('EXISTS', known) == 0 then return {'full', full, n, held} end
end
local taken = take_key(KEYS[2], KEYS[1], ARGV[3], ARGV[2], ARGV[1])
if taken then
  -- Its client is told of the run, so it is no longer for whoever made it to take it back.
  if taken[1] == 'repeated' then redis.call('HSET', redis.call('HGET', KEYS[2], 'thing'), 'told', '1') end
  return taken
end
redis.call('HSET', KEYS[1], 'status', 'queued', 'attempt', '0', 'failures', '0', unpack(ARGV, 14))
redis.call('PEXPIRE', KEYS[1], ARGV[1])
if ARGV[4] ~= '' then redis.call('SET', RUN_MESSAGE_PREFIX .. ARGV[3], ARGV[4], 'PX', ARGV[1]) end
watch_deadline(KEYS[1])
backlog_add(KEYS[1], bytes)
if ARGV[8] == '' then return {'created', ARGV[3]} end
return {'created', ARGV[3], n, held}
