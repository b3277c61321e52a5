-- Appends a packet to the log of an ingress and publishes it, in one step, so that the order on the channel is the order in the
-- log. The packet is preceded by its log id, so that a listener knows its place and can read on from there, and by the bytes appended
-- so far, with which the listener says how far it has read. Nothing is dropped that it has not read: what there is no room for is
-- refused. A listener that lags is sent the announcement alone, and reads the log: Redis holds what a subscriber has not taken a second time, and in the end disconnects it.
-- KEYS: log, meter
-- ARGV: channel, packet, most unread bytes with this packet, most unread bytes that are sent along, ttl ms
-- Returns: unread bytes with this packet
-- Called by workers, for every packet. May be repeated: readers drop repeated packets.
local counts = redis.call('HMGET', KEYS[2], 'appended', 'read')
local unread = (tonumber(counts[1]) or 0) - (tonumber(counts[2]) or 0)
if unread > 0 and unread + #ARGV[2] > tonumber(ARGV[3]) then
  return redis.error_reply('FULL the ingress has more to read than there is room for')
end
unread = unread + #ARGV[2]
local appended = string.format('%.0f', redis.call('HINCRBY', KEYS[2], 'appended', #ARGV[2]))
local id = redis.call('XADD', KEYS[1], '*', 'p', ARGV[2], 'appended', appended)
redis.call('PEXPIRE', KEYS[1], ARGV[5])
redis.call('PEXPIRE', KEYS[2], ARGV[5])
local sent = unread > tonumber(ARGV[4]) and '' or ARGV[2]
redis.call('PUBLISH', ARGV[1], id .. '@' .. appended .. ' ' .. sent)
return unread
