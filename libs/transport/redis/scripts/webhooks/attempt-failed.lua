-- Counts a failed attempt.
-- KEYS: endpoint
-- ARGV: none
-- Returns: failures in a row, 0 for an unknown endpoint
-- Called by a tasks process after the attempt.
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
return redis.call('HINCRBY', KEYS[1], 'failures', 1)
