-- Appends an entry and tells followers, in one step with the check of the attempt. The index makes a command harmless that
-- a reconnect sends twice.
-- KEYS: run, log
-- ARGV: attempt, entries before this one, entry, channel
-- Returns: number of followers, -1 fenced, -2 the log has another length
-- Called by the worker that runs the attempt.
local r = redis.call('HMGET', KEYS[1], 'status', 'attempt')
if r[1] ~= 'in_progress' or r[2] ~= ARGV[1] then return -1 end
local n = redis.call('LLEN', KEYS[2])
local at = tonumber(ARGV[2])
if n == at+1 then return 0 end
if n ~= at then return -2 end
redis.call('RPUSH', KEYS[2], ARGV[3])
if n == 0 then redis.call('PEXPIRE', KEYS[2], redis.call('PTTL', KEYS[1])) end
return redis.call('PUBLISH', ARGV[4], (n+1) .. ' ' .. ARGV[3])
