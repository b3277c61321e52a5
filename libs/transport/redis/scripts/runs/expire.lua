-- Fails a run whose deadline has passed: a queued one at once, a running one only after some slack.
-- KEYS: run, log
-- ARGV: now ms, slack ms, log ttl ms, channel ('' = no log), code, content type, body
-- Returns: 1 failed, 0 not yet, final or unknown
-- Called by any process, at any time.
-- include: final
local r = redis.call('HMGET', KEYS[1], 'status', 'deadlineAt')
if r[1] ~= 'queued' and r[1] ~= 'in_progress' then return 0 end
local slack = r[1] == 'queued' and 0 or tonumber(ARGV[2])
if tonumber(ARGV[1]) <= tonumber(r[2])+slack then return 0 end
final(KEYS[1], KEYS[2], 'failed', ARGV[1], ARGV[3], ARGV[4], ARGV[5], ARGV[6], ARGV[7])
return 1
