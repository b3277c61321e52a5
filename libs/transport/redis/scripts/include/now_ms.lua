-- now_ms(): the server's time, Unix ms, with microseconds.
local function now_ms()
  local t = redis.call('TIME')
  return t[1]*1000+t[2]/1000
end
