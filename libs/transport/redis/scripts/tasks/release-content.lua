-- Ends one claim on a content. Several processes may be deleting it at once: the mark counts them.
-- KEYS: holders of the content, content going
-- ARGV: holder, ttl s of the mark
-- Returns: 1 where nobody holds it any more: the caller has to delete it and then to call content-gone; else 0
-- Called when a file is deleted, a batch is over, or an upload came to nothing.
redis.call('SREM', KEYS[1], ARGV[1])
if redis.call('SCARD', KEYS[1])>0 then return 0 end
redis.call('INCR', KEYS[2])
redis.call('EXPIRE', KEYS[2], ARGV[2])
return 1
