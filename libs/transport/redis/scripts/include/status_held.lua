-- status_held(run, attempt, nonce): the status of an open run that this attempt has, 'in_progress' or 'queued' again; nil where
-- another has it. Numbers are not enough: a broker that was killed hands out one number twice.
local function status_held(run, attempt, nonce)
  local r = redis.call('HMGET', run, 'status', 'attempt', 'nonce')
  if r[1] ~= 'in_progress' and r[1] ~= 'queued' then return nil end
  if r[2] ~= attempt or (r[3] or '0') ~= nonce then return nil end
  return r[1]
end
