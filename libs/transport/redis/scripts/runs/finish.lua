-- Stores the answer of the current attempt. A line of a batch keeps the lifetime it was given: its batch reads it at the end.
-- KEYS: run, log
-- ARGV: attempt, status, now ms, log ttl ms, channel ('' = no log), code, content type, body, ttl ms,
--       last log entry ('' = none), its index
-- Returns: 1 stored, 0 fenced
-- Called by the process that received the engine's answer. Only after 1 may the message be acked.
-- include: final
local r = redis.call('HMGET', KEYS[1], 'status', 'attempt')
if r[1] ~= 'in_progress' or r[2] ~= ARGV[1] then return 0 end
if ARGV[10] ~= '' and redis.call('LLEN', KEYS[2]) == tonumber(ARGV[11]) then redis.call('RPUSH', KEYS[2], ARGV[10]) end
final(KEYS[1], KEYS[2], ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6], ARGV[7], ARGV[8])
if redis.call('HGET', KEYS[1], 'kind') ~= 'batch_line' then redis.call('PEXPIRE', KEYS[1], ARGV[9]) end
return 1
