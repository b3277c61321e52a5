-- Adds an endpoint, unless its tenant has as many as it may.
-- KEYS: endpoints of the tenant, endpoint
-- ARGV: most endpoints, creation time, id, then field, value, …
-- Returns: {1 added | 0 too many, endpoints before}
-- Called for a client, and for the operator's configuration.
local before = redis.call('ZCARD', KEYS[1])
if before >= tonumber(ARGV[1]) then return {0, before} end
redis.call('ZADD', KEYS[1], ARGV[2], ARGV[3])
redis.call('HSET', KEYS[2], unpack(ARGV, 4))
return {1, before}
