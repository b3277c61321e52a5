-- limit_used(now ms, from, places): what is used of each limit, as libs/policy/limits/limit.ts means it. places(leases, i): how many parallel requests there are.
-- ARGV[from] is how many fields of the hash the limits have; they follow, then of each limit: kind, what it takes, room, period ms, one more.
-- Kinds: r, a rate (one field); b, a budget (two: what is spent, and in which window); p and q, parallel requests of the project and of the model (none).
-- limit_write(now ms, from, used): keeps what is used of each rate and budget; false: as it is.
local function limit_used(now, from, places)
  local fields = tonumber(ARGV[from])
  local kept = fields > 0 and redis.call('HMGET', KEYS[1], unpack(ARGV, from+1, from+fields))
  local used, n, at = {}, 0, 0
  for i = from+fields+1, #ARGV, 5 do
    local kind = ARGV[i]
    n = n+1
    if kind == 'r' then
      at = at+1
      local full = tonumber(kept[at] or 0)
      used[n] = full > now and full-now or 0
    elseif kind == 'b' then
      at = at+2
      local period = tonumber(ARGV[i+3])
      local window = period > 0 and now-now%period or 0
      used[n] = tonumber(kept[at] or -1) == window and tonumber(kept[at-1]) or 0
    else
      used[n] = places(kind == 'p' and KEYS[2] or KEYS[3], i)
    end
  end
  return used
end
local function limit_write(now, from, used)
  local changed, size, field, i = {}, 0, from+1, from+ARGV[from]+1
  for n = 1, #used do
    local kind, one = ARGV[i], used[n]
    if kind == 'r' then
      if one then
        changed[size+1], changed[size+2] = ARGV[field], now+one
        size = size+2
      end
      field = field+1
    elseif kind == 'b' then
      if one then
        local period = tonumber(ARGV[i+3])
        changed[size+1], changed[size+2] = ARGV[field], one
        changed[size+3], changed[size+4] = ARGV[field+1], period > 0 and now-now%period or 0
        size = size+4
      end
      field = field+2
    end
    i = i+5
  end
  if size > 0 then redis.call('HSET', KEYS[1], unpack(changed)) end
end
