-- Puts others, or nothing, in the place of an entry.
-- KEYS: the record of the conversation, its entries
-- ARGV: the entry, then those that take its place
-- Returns: 1 if it was there, else 0
-- Called by an ingress when an item is deleted, and when a response that is over becomes its items.
if redis.call('LPOS', KEYS[2], ARGV[1]) == false then return 0 end
local bytes = -#ARGV[1]
for i = 2, #ARGV do
  redis.call('LINSERT', KEYS[2], 'BEFORE', ARGV[1], ARGV[i])
  bytes = bytes + #ARGV[i]
end
redis.call('LREM', KEYS[2], 1, ARGV[1])
redis.call('HINCRBY', KEYS[1], 'bytes', bytes)
return 1
