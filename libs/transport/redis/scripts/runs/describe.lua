-- Replaces the detail of a run that is there.
-- KEYS: run
-- ARGV: detail
-- Returns: nothing
-- Called for a client that edits a stored completion, at any time.
if redis.call('EXISTS', KEYS[1]) == 1 then redis.call('HSET', KEYS[1], 'detail', ARGV[1]) end
