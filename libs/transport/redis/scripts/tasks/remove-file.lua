-- Removes a file, and remembers its place in the lists for clients that page.
-- KEYS: file, files, files of the purpose, ends, places of deleted files
-- ARGV: id, ttl s of the place
-- Returns: 1
-- Called after the content was released. May be repeated.
local at = redis.call('ZSCORE', KEYS[2], ARGV[1])
redis.call('DEL', KEYS[1])
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('ZREM', KEYS[3], ARGV[1])
redis.call('ZREM', KEYS[4], ARGV[1])
if at then
  redis.call('ZADD', KEYS[5], at, ARGV[1])
  redis.call('EXPIRE', KEYS[5], ARGV[2])
end
return 1
