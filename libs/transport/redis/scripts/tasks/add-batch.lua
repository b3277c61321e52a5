-- Adds a batch, unless its client's idempotency key stands for something else, or its tenant has as many open ones as it may. It holds the content of its input.
-- KEYS: batch, holders of the input, batches, open batches, idempotency record, open batches of the tenant
-- ARGV: id, ttl s, digest of the request ('' = no key), ttl ms of the key, when its time is over (Unix s), most open ('' = no bound), then field, JSON, …
-- Returns: {'created' | 'repeated', id, open before}, {'reused', ''} or {'full', '', open before}
-- Called by the ingress that accepts the batch. May be repeated.
-- include: take_key, now_us, open_batches
local at = now_us()
local open = open_batches(KEYS[6], math.floor(at/1000000))
if ARGV[6] ~= '' and open+1 > tonumber(ARGV[6]) and not redis.call('ZSCORE', KEYS[6], ARGV[1]) then
  -- A key that was used before leads to its batch, which needs no room.
  local known = ARGV[3] ~= '' and redis.call('HGET', KEYS[5], 'thing')
  if not known or redis.call('EXISTS', known) == 0 then return {'full', '', open} end
end
local taken = take_key(KEYS[5], KEYS[1], ARGV[1], ARGV[3], ARGV[4])
if taken then return {taken[1], taken[2], open} end
redis.call('HSET', KEYS[1], unpack(ARGV, 7))
redis.call('EXPIRE', KEYS[1], ARGV[2])
redis.call('SADD', KEYS[2], ARGV[1])
redis.call('ZADD', KEYS[3], at, ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', string.format('%.0f', at-ARGV[2]*1000000))
redis.call('SADD', KEYS[4], ARGV[1])
redis.call('ZADD', KEYS[6], ARGV[5], ARGV[1])
return {'created', ARGV[1], open}
