-- What a project uses of its limits.
-- KEYS: limits of the project, leases of its requests, leases of those for the model
-- ARGV: the limits as include/limit_used.lua has them
-- Returns: what is used of each, in millionths
-- Called for whoever wants to see it. Changes nothing.
-- include: now_ms, limit_used
local now = now_ms()
local used = limit_used(now, 1, function(leases) return redis.call('ZCOUNT', leases, now, '+inf') end)
for n = 1, #used do used[n] = used[n]*1e6 end
return used
