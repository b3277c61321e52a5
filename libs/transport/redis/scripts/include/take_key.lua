-- take_key(record, thing, id, digest, ttl ms): binds a client's idempotency key to the thing that a script is about to make.
-- The key stands for one thing, of whatever kind, as long as that thing is kept. Runs and batches share the keys.
-- record: key of the idempotency record · thing: key of what is made · digest: of the request; '' = the client gave no key.
-- Returns nil where the thing is to be made, else what the script has to return: {'reused', ''} or {'repeated', id}.
local function take_key(record, thing, id, digest, ttl)
  if digest == '' then return nil end
  local old = redis.call('HMGET', record, 'id', 'digest', 'thing')
  if old[1] and redis.call('EXISTS', old[3] or '') == 1 then
    if old[2] ~= digest then return {'reused', ''} end
    return {'repeated', old[1]}
  end
  redis.call('HSET', record, 'id', id, 'digest', digest, 'thing', thing)
  redis.call('PEXPIRE', record, ttl)
  return nil
end
