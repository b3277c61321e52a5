-- Adds a batch, unless its client's idempotency key stands for something else. It holds the content of its input.
-- KEYS: batch, holders of the input, batches, open batches, idempotency record
-- ARGV: id, ttl s, digest of the request ('' = no key), ttl ms of the key, then field, JSON, …
-- Returns: {'created' | 'repeated', id} or {'reused', ''}
-- Called by the ingress that accepts the batch.
-- include: take_key, now_us
local taken = take_key(KEYS[5], KEYS[1], ARGV[1], ARGV[3], ARGV[4])
if taken then return taken end
local at = now_us()
redis.call('HSET', KEYS[1], unpack(ARGV, 5))
redis.call('EXPIRE', KEYS[1], ARGV[2])
redis.call('SADD', KEYS[2], ARGV[1])
redis.call('ZADD', KEYS[3], at, ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', string.format('%.0f', at-ARGV[2]*1000000))
redis.call('SADD', KEYS[4], ARGV[1])
return {'created', ARGV[1]}
