-- Reads entries for a client. From then on an unfinished log is not restarted.
-- KEYS: run, log
-- ARGV: index of the first entry, most entries
-- Returns: {status, attempt, entry, …}, or nil for an unknown run
-- Called by an ingress whose client follows the run, at any time.
local r = redis.call('HMGET', KEYS[1], 'status', 'attempt', 'read')
if not r[1] then return false end
if not r[3] and (r[1] == 'queued' or r[1] == 'in_progress') then redis.call('HSET', KEYS[1], 'read', '1') end
local e = redis.call('LRANGE', KEYS[2], ARGV[1], ARGV[1]+ARGV[2]-1)
table.insert(e, 1, r[2])
table.insert(e, 1, r[1])
return e
