-- Lists a delivery, and forgets the oldest ones of its endpoint beyond the most that are kept.
-- KEYS: deliveries of the endpoint, delivery
-- ARGV: id, record as JSON, ttl ms, most deliveries
-- Returns: nothing
-- Called by a tasks process before the delivery's job is added. May be repeated.
-- include: names, now_us
if redis.call('EXISTS', KEYS[2]) == 0 then redis.call('HSET', KEYS[2], 'record', ARGV[2], 'state', 'pending') end
redis.call('PEXPIRE', KEYS[2], ARGV[3])
redis.call('ZADD', KEYS[1], now_us()/1000, ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
local old = redis.call('ZRANGE', KEYS[1], 0, -1-ARGV[4])
for _, id in ipairs(old) do
  redis.call('DEL', DELIVERY_PREFIX .. id, DELIVERY_ATTEMPTS_PREFIX .. id)
  redis.call('ZREM', KEYS[1], id)
end
