-- open_batches(key, now s): how many batches of a tenant are not final. What ended without a word, since its record expired, is forgotten a day after its time.
-- batch_over(batch): takes one off the list of its tenant.
-- include: names
local function open_batches(key, now)
  redis.call('ZREMRANGEBYSCORE', key, '-inf', now-86400)
  return redis.call('ZCARD', key)
end
local function batch_over(batch)
  local tenant = cjson.decode(redis.call('HGET', batch, 'tenant'))
  redis.call('ZREM', OPEN_BATCHES_PREFIX .. tenant, string.match(batch, '[^:]+$'))
end
