-- Queues a run again whose attempt ended by nobody's fault: no failure is counted.
-- KEYS: run
-- ARGV: attempt, nonce, why
-- Returns: 1 queued, 0 fenced
-- Called by the worker of the attempt, before the delivery goes back to the queue.
-- include: status_held
if not status_held(KEYS[1], ARGV[1], ARGV[2]) then return 0 end
redis.call('HSET', KEYS[1], 'status', 'queued', 'lastWords', ARGV[3])
return 1
