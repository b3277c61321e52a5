-- Frees a name that a process holds.
-- KEYS: name
-- ARGV: nonce of the process
-- Returns: nothing
-- Called by a process when it ends.
local held = redis.call('GET', KEYS[1])
if held and cjson.decode(held)['nonce'] == ARGV[1] then redis.call('DEL', KEYS[1]) end
