-- now_us(): the server's time, Unix microseconds, as a decimal string.
local function now_us()
  local t = redis.call('TIME')
  return string.format('%.0f', t[1]*1000000+t[2])
end
