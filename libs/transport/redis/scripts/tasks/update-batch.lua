-- Sets fields of a batch that is not final, and when it first entered a status. Statuses only go forward, and cancelling
-- gives way to final ones only.
-- KEYS: batch
-- ARGV: status to enter ('' = none), now s, then field, JSON, …
-- Returns: 1, or 0 where the batch is final, unknown or past that status
-- Called by ingress (cancel) and tasks (progress), at any time.
-- include: announce_batch, with_event, open_batches
local status = redis.call('HGET', KEYS[1], 'status')
if not status or status == '"failed"' or status == '"completed"' or status == '"expired"' or status == '"cancelled"' then return 0 end
local to = ARGV[1]
if status == '"cancelling"' and (to == 'in_progress' or to == 'finalizing') then return 0 end
if status == '"finalizing"' and to == 'in_progress' then return 0 end
local isfinal = to == 'failed' or to == 'completed' or to == 'expired' or to == 'cancelled'
with_event(isfinal and announce_batch(KEYS[1], to), function()
  if to ~= '' then redis.call('HSETNX', KEYS[1], 'at:' .. to, ARGV[2]) end
  if ARGV[3] then redis.call('HSET', KEYS[1], unpack(ARGV, 3)) end
end)
if isfinal then batch_over(KEYS[1]) end
return 1
