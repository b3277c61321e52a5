-- Notes where the message of a run is now.
-- KEYS: run
-- ARGV: stream, subject
-- Returns: 1 noted, 0 final or unknown
-- Called by the process that queued the message there, before it acks the one that it replaces. May be repeated.
local status = redis.call('HGET', KEYS[1], 'status')
if status ~= 'queued' and status ~= 'in_progress' then return 0 end
redis.call('HSET', KEYS[1], 'stream', ARGV[1], 'subject', ARGV[2])
return 1
