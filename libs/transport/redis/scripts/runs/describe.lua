-- Replaces the detail and the labels of a run that is there.
-- KEYS: run
-- ARGV: detail, labels
-- Returns: nothing
-- Called for a client that edits a stored completion, at any time.
if redis.call('EXISTS', KEYS[1]) == 1 then redis.call('HSET', KEYS[1], 'detail', ARGV[1], 'labels', ARGV[2]) end
