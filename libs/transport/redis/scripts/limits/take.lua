-- Takes what a request costs of all limits of its project, or nothing.
-- KEYS: limits of the project, leases of its requests, leases of those for the model
-- ARGV: id, lease ms, then the limits as include/limit_used.lua has them; the last of each is 1 where it is enforced
-- Returns: now, Unix µs, 1 where it was refused, then what is used of each: with the request, or without where it was refused; in millionths
-- Called for each request of a project that has limits, before it is queued.
-- include: now_ms, limit_used
local now = now_ms()
-- Those whose ingress died are looked for only where there is no room.
local used = limit_used(now, 3, function(leases, i)
  local places = redis.call('ZCARD', leases)
  if places < tonumber(ARGV[i+2]) then return places end
  redis.call('ZREMRANGEBYSCORE', leases, '-inf', now)
  return redis.call('ZCARD', leases)
end)
local first = 4+ARGV[3]
local refused = 0
local i = first
for n = 1, #used do
  local room, rounding = tonumber(ARGV[i+2]), 0
  if ARGV[i] == 'r' then
    rounding = 0.01
    if used[n] == 0 then room = tonumber(ARGV[i+3]) end
  elseif ARGV[i] == 'b' then rounding = 1e-9 end
  if used[n]+ARGV[i+1] > room+rounding and ARGV[i+4] == '1' then refused = 1 end
  i = i+5
end
if refused == 0 then
  i = first
  for n = 1, #used do
    used[n] = used[n]+ARGV[i+1]
    if ARGV[i] == 'p' then redis.call('ZADD', KEYS[2], now+ARGV[2], ARGV[1])
    elseif ARGV[i] == 'q' then redis.call('ZADD', KEYS[3], now+ARGV[2], ARGV[1]) end
    i = i+5
  end
  limit_write(now, 3, used)
end
for n = #used, 1, -1 do used[n+2] = used[n]*1e6 end
used[1], used[2] = now*1000, refused
return used
