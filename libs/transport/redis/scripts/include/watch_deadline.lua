-- watch_deadline(key): lists the run under the key, which has just been queued, among the open ones, by its deadline. An expiry has an
-- event too, although nobody asks for the run, and what lost its message is queued again. Batches look after their own lines.
-- include: names
local function watch_deadline(key)
  local r = redis.call('HMGET', key, 'kind', 'deadlineAt')
  if r[1] ~= 'job' and r[1] ~= 'response' and r[1] ~= 'completion' then return end
  redis.call('ZADD', RUN_DEADLINES_KEY, r[2], string.match(key, '[^:]+$'))
end
