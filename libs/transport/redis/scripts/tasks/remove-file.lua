-- Removes a file, and remembers its place in the lists for clients that page.
-- KEYS: file, files, files of the purpose, ends, places of deleted files, use of the tenant
-- ARGV: id, ttl s of the place
-- Returns: 1
-- Called after the content was released. May be repeated.
-- include: file_use
local at = redis.call('ZSCORE', KEYS[2], ARGV[1])
local files, bytes = file_use(KEYS[2], KEYS[6])
local record = redis.call('GET', KEYS[1])
redis.call('DEL', KEYS[1])
local gone = redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('ZREM', KEYS[3], ARGV[1])
redis.call('ZREM', KEYS[4], ARGV[1])
if at then
  redis.call('ZADD', KEYS[5], at, ARGV[1])
  redis.call('EXPIRE', KEYS[5], ARGV[2])
end
file_used(KEYS[6], files-gone, bytes-(record and cjson.decode(record).bytes or 0))
return 1
