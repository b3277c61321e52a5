-- Adds entries to a conversation, if it is there and has room, and extends its life.
-- KEYS: its record, its entries
-- ARGV: the time it is kept from now (ms), most entries, most bytes, then the entries
-- Returns: 1 if they were added, 0 if there is no such conversation, -1 if it has no room
-- Called by an ingress when a client adds items, and when a response in the conversation was accepted or answered.
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
local bytes = 0
for i = 4, #ARGV do bytes = bytes + #ARGV[i] end
local before = tonumber(redis.call('HGET', KEYS[1], 'bytes') or '0')
if redis.call('LLEN', KEYS[2]) + #ARGV - 3 > tonumber(ARGV[2]) or before + bytes > tonumber(ARGV[3]) then
  return -1
end
for i = 4, #ARGV do redis.call('RPUSH', KEYS[2], ARGV[i]) end
redis.call('HINCRBY', KEYS[1], 'bytes', bytes)
redis.call('PEXPIRE', KEYS[1], ARGV[1])
redis.call('PEXPIRE', KEYS[2], ARGV[1])
return 1
