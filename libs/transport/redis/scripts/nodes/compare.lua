-- Compares settings of a process with what others said a moment ago: what nobody has said otherwise counts from now on.
-- KEYS: settings
-- ARGV: name of the process, ttl ms, then setting, value, …
-- Returns: settings that another has otherwise, each as JSON
-- Called by each process when it starts, and every few seconds.
-- include: now_us
local now = now_us() / 1000
local others = {}
for i = 3, #ARGV, 2 do
  local said = redis.call('HGET', KEYS[1], ARGV[i])
  local other = said and cjson.decode(said)
  if other and other['until'] > now and other['value'] ~= ARGV[i+1] then
    table.insert(others, said)
  else
    local own = {setting = ARGV[i], value = ARGV[i+1], by = ARGV[1], ['until'] = now + tonumber(ARGV[2])}
    redis.call('HSET', KEYS[1], ARGV[i], cjson.encode(own))
  end
end
redis.call('PEXPIRE', KEYS[1], 2 * ARGV[2])
return others
