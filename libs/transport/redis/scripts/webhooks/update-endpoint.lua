-- Changes an endpoint. A removed one does not come back as half a record.
-- KEYS: endpoint
-- ARGV: field, value, …
-- Returns: 1, or 0 for an unknown endpoint
-- Called for a client, for the operator's configuration, and when an endpoint is disabled.
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
redis.call('HSET', KEYS[1], unpack(ARGV))
return 1
