-- What is open, of each tenant and each model: how many runs, and the bytes of their messages. Lines of batches are not counted: they are
-- fed a few at a time. What ended without a word, since its record expired, is forgotten an hour after its deadline.
-- backlog_held(of, now ms): how many there are, and their bytes. of: 't:' .. tenant or 'm:' .. slug.
-- backlog_room(of, most messages, most bytes, bytes, now ms): whether one more of so many bytes fits.
-- backlog_add(run, bytes), backlog_remove(run) (of 0 bytes, too: Redis takes no -0): counts the run under the key, and no more. A run is removed before its message is.
-- include: names
local function backlog_held(of, now)
  local key = BACKLOG_PREFIX .. of
  redis.call('ZREMRANGEBYSCORE', key, '-inf', now-3600000)
  local n = redis.call('ZCARD', key)
  if n == 0 then redis.call('HDEL', BACKLOG_BYTES_KEY, of) end
  return n, tonumber(redis.call('HGET', BACKLOG_BYTES_KEY, of) or '0')
end
local function backlog_room(of, messages, most, bytes, now)
  local n, held = backlog_held(of, now)
  return n+1 <= tonumber(messages) and held+bytes <= tonumber(most)
end
local function backlog_names(run)
  local r = redis.call('HMGET', run, 'kind', 'tenant', 'slug', 'deadlineAt')
  if r[1] ~= 'job' and r[1] ~= 'response' and r[1] ~= 'completion' then return {} end
  return {'t:' .. r[2], 'm:' .. r[3]}, r[4]
end
local function backlog_add(run, bytes)
  local names, deadline = backlog_names(run)
  for _, of in ipairs(names) do
    if redis.call('ZADD', BACKLOG_PREFIX .. of, deadline, string.match(run, '[^:]+$')) == 1 then
      redis.call('HINCRBY', BACKLOG_BYTES_KEY, of, bytes)
    end
  end
end
local function backlog_remove(run)
  local id = string.match(run, '[^:]+$')
  local bytes = redis.call('STRLEN', RUN_MESSAGE_PREFIX .. id)
  for _, of in ipairs((backlog_names(run))) do
    if redis.call('ZREM', BACKLOG_PREFIX .. of, id) == 1 and redis.call('HINCRBY', BACKLOG_BYTES_KEY, of, 0-bytes) <= 0 then
      redis.call('HDEL', BACKLOG_BYTES_KEY, of)
    end
  end
end
