-- Puts another wrapping in the place of a data key, unless it was wrapped again or erased meanwhile.
-- KEYS: the data keys of a project
-- ARGV: day, the key as it was wrapped, as it is wrapped now
-- Returns: 1 if it was replaced, else 0
-- Called by the operator's command that wraps data keys again.
if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
return 1
