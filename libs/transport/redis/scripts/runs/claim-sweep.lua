-- Makes a process the one that looks after open runs, if nobody is, or it is already.
-- KEYS: sweep
-- ARGV: process, for how many ms
-- Returns: 1, or 0 where it is another
-- Called by each tasks process, before each round.
local owner = redis.call('GET', KEYS[1])
if owner and owner ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
