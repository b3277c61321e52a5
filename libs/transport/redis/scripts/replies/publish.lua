-- Appends a packet to the log of an ingress and publishes it, in one step, so that the order on the channel is the order in the
-- log. The log id precedes the packet: a listener knows its place and can read on from there.
-- KEYS: log
-- ARGV: channel, packet, window ms, log ttl ms
-- Returns: number of listeners
-- Called by workers, for every packet. May be repeated: readers drop repeated packets.
local t = redis.call('TIME')
local id = redis.call('XADD', KEYS[1], 'MINID', '~', math.max(0, t[1]*1000-ARGV[3]), '*', 'p', ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return redis.call('PUBLISH', ARGV[1], id .. ' ' .. ARGV[2])
