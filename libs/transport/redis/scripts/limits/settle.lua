-- Corrects what a request took by what it turned out to cost, and ends its place among the parallel ones.
-- KEYS: limits of the project, leases of its requests, leases of those for the model
-- ARGV: id, when it was taken (Unix ms), then the limits as include/limit_used.lua has them, but by how much more they take
-- Returns: nothing
-- Called once for each request that took something, when it is over.
-- include: now_ms, limit_used
local now = now_ms()
local taken = tonumber(ARGV[2])
local after = limit_used(now, 3, function(leases) return redis.call('ZREM', leases, ARGV[1]) end)
local i = 4+ARGV[3]
for n = 1, #after do
  local more, period = tonumber(ARGV[i+1]), tonumber(ARGV[i+3])
  -- What was taken of a rate a period ago has come back by itself; a window that is over has no use for it.
  local late = ARGV[i] == 'r' and now-taken > period or ARGV[i] == 'b' and period > 0 and now-now%period > taken
  after[n] = more ~= 0 and not (more < 0 and late) and math.max(0, after[n]+more)
  i = i+5
end
limit_write(now, 3, after)
