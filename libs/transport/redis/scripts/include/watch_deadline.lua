-- watch_deadline(key): lists the deadline of the run under the key, which has just been queued, if its tenant has webhook
-- endpoints: an expiry has an event too, although nobody asks for the run.
-- include: names
local function watch_deadline(key)
  local r = redis.call('HMGET', key, 'kind', 'tenant', 'deadlineAt')
  if not r[2] or (r[1] ~= 'job' and r[1] ~= 'response' and r[1] ~= 'completion') then return end
  if redis.call('EXISTS', WEBHOOK_LIST_PREFIX .. r[2]) == 0 then return end
  redis.call('ZADD', RUN_DEADLINES_KEY, r[3], string.match(key, '[^:]+$'))
end
