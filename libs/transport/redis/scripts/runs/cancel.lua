-- Cancels a run that is not final.
-- KEYS: run, log
-- ARGV: tenant, now ms, log ttl ms, channel ('' = no log)
-- Returns: 1, or 0 for an unknown run or one of another tenant
-- Called for a client that cancels, at any time.
-- include: final
local r = redis.call('HMGET', KEYS[1], 'status', 'tenant')
if r[2] ~= ARGV[1] then return 0 end
if r[1] == 'queued' or r[1] == 'in_progress' then final(KEYS[1], KEYS[2], 'cancelled', ARGV[2], ARGV[3], ARGV[4]) end
return 1
