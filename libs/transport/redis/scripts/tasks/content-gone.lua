-- Takes one mark off a content that was deleted.
-- KEYS: content going
-- ARGV: none
-- Returns: 1
-- Called after release-content returned 1 and the content was deleted.
if redis.call('DECR', KEYS[1]) <= 0 then redis.call('DEL', KEYS[1]) end
return 1
