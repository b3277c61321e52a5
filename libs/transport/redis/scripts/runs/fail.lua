-- Counts a failed attempt: the run is queued again, or failed for good after so many failures.
-- KEYS: run, log
-- ARGV: attempt, nonce, most failures, now ms, log ttl ms, channel ('' = no log), code, content type, body, why
-- Returns: 'again' | 'final' | 'fenced'
-- Called by the worker whose attempt failed.
-- include: final, status_held
if not status_held(KEYS[1], ARGV[1], ARGV[2]) then return 'fenced' end
if redis.call('HINCRBY', KEYS[1], 'failures', 1)<tonumber(ARGV[3]) then
  redis.call('HSET', KEYS[1], 'status', 'queued', 'lastWords', ARGV[10])
  return 'again'
end
final(KEYS[1], KEYS[2], 'failed', ARGV[4], ARGV[5], ARGV[6], ARGV[7], ARGV[8], ARGV[9])
return 'final'
