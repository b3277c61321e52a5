-- Stores an attempt of a delivery, and the state the delivery is in now. Does nothing for a forgotten delivery.
-- KEYS: delivery, attempts
-- ARGV: state, attempt as JSON ('' = only the state changes), ttl ms, most attempts
-- Returns: nothing
-- Called by a tasks process after each attempt.
if redis.call('EXISTS', KEYS[1]) == 0 then return end
redis.call('HSET', KEYS[1], 'state', ARGV[1])
if ARGV[2] == '' then return end
redis.call('RPUSH', KEYS[2], ARGV[2])
redis.call('LTRIM', KEYS[2], -ARGV[4], -1)
redis.call('PEXPIRE', KEYS[2], ARGV[3])
