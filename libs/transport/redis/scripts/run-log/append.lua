-- Appends an entry and tells followers, in one step with the check of the attempt. The index makes a command harmless that
-- a reconnect sends twice.
-- KEYS: run, log
-- ARGV: attempt, nonce, entries before this one, entry, channel
-- Returns: number of followers, -1 fenced, -2 the log has another length
-- Called by the worker that runs the attempt.
-- include: status_held
if status_held(KEYS[1], ARGV[1], ARGV[2]) ~= 'in_progress' then return -1 end
local n = redis.call('LLEN', KEYS[2])
local at = tonumber(ARGV[3])
if n == at+1 then return 0 end
if n ~= at then return -2 end
redis.call('RPUSH', KEYS[2], ARGV[4])
if n == 0 then redis.call('PEXPIRE', KEYS[2], redis.call('PTTL', KEYS[1])) end
return redis.call('PUBLISH', ARGV[5], (n+1) .. ' ' .. ARGV[4])
