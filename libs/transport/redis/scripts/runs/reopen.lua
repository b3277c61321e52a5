-- Queues a failed run again. Its attempts go on counting, so that old ones stay fenced; a log that nobody has read goes.
-- KEYS: run, log
-- ARGV: deadline, ttl ms
-- Returns: 1 queued, 0 neither failed nor queued
-- Called for an operator, or for a line of a batch, before its message is published.
-- include: watch_deadline, backlog
local r = redis.call('HMGET', KEYS[1], 'status', 'read')
if r[1] ~= 'failed' and r[1] ~= 'queued' then return 0 end
redis.call('HSET', KEYS[1], 'status', 'queued', 'failures', '0', 'deadlineAt', ARGV[1])
redis.call('HDEL', KEYS[1], 'code', 'type', 'body', 'finishedAt', 'logLength', 'lastWords')
redis.call('PEXPIRE', KEYS[1], ARGV[2])
if r[2] then redis.call('PEXPIRE', KEYS[2], ARGV[2]) else redis.call('DEL', KEYS[2]) end
watch_deadline(KEYS[1])
backlog_add(KEYS[1], 0)
return 1
