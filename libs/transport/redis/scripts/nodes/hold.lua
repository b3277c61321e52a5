-- Takes a name for a process, or renews its hold.
-- KEYS: name
-- ARGV: nonce of the process, holder as JSON, ttl ms, nonce of a holder that is dead ('' = none)
-- Returns: '' held now, else the holder as JSON
-- Called by a process when it starts, and every second.
local held = redis.call('GET', KEYS[1])
if held then
  local nonce = cjson.decode(held)['nonce']
  if nonce ~= ARGV[1] and nonce ~= ARGV[4] then return held end
end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return ''
