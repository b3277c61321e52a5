-- Reads entries for a client, no more than fit into some bytes, but one at least. From then on an unfinished log is not restarted.
-- KEYS: run, log
-- ARGV: index of the first entry, most entries, most bytes
-- Returns: {status, attempt, 1 if there are no more else 0, entry, …}, or nil for an unknown run
-- Called by an ingress whose client follows the run, at any time.
local r = redis.call('HMGET', KEYS[1], 'status', 'attempt', 'read')
if not r[1] then return false end
if not r[3] and (r[1] == 'queued' or r[1] == 'in_progress') then redis.call('HSET', KEYS[1], 'read', '1') end
local found, bytes, at = {r[1], r[2], 0}, 0, tonumber(ARGV[1])
local last = math.min(at+ARGV[2], redis.call('LLEN', KEYS[2]))
while at < last do
  -- Long entries are few at a time, and short ones many.
  local e = redis.call('LRANGE', KEYS[2], at, math.min(at+7, last-1))
  for _, entry in ipairs(e) do
    if bytes > 0 and bytes+#entry > tonumber(ARGV[3]) then return found end
    bytes = bytes+#entry
    found[#found+1] = entry
  end
  at = at+#e
end
if at >= redis.call('LLEN', KEYS[2]) then found[3] = 1 end
return found
