-- Stores the answer of the current attempt. A line of a batch keeps the lifetime it was given: its batch reads it at the end.
-- KEYS: run, log
-- ARGV: attempt, nonce, status, now ms, log ttl ms, channel ('' = no log), code, content type, body, ttl ms,
--       last log entry ('' = none), its index
-- Returns: 1 stored (also where this attempt has stored it already), 0 fenced
-- Called by the process that received the engine's answer. Only after 1 may the message be acked. May be repeated.
-- include: final, status_held
if status_held(KEYS[1], ARGV[1], ARGV[2]) ~= 'in_progress' then
  local r = redis.call('HMGET', KEYS[1], 'status', 'attempt', 'nonce')
  local done = r[1] == ARGV[3] and r[2] == ARGV[1] and r[3] == ARGV[2] and ARGV[2] ~= '0'
  return done and 1 or 0
end
if ARGV[11] ~= '' and redis.call('LLEN', KEYS[2]) == tonumber(ARGV[12]) then redis.call('RPUSH', KEYS[2], ARGV[11]) end
final(KEYS[1], KEYS[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6], ARGV[7], ARGV[8], ARGV[9])
if redis.call('HGET', KEYS[1], 'kind') ~= 'batch_line' then redis.call('PEXPIRE', KEYS[1], ARGV[10]) end
return 1
