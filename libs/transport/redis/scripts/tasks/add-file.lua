-- Adds a file, unless its content is being deleted just now.
-- KEYS: file, holders of the content, content going, files, files of the purpose, ends, upload
-- ARGV: file as JSON, id, end in Unix s ('' = never), ttl s of the upload ('' = not known by its upload)
-- Returns: 1 added, 0 the content is being deleted
-- Called once the content is stored.
-- include: now_us
if redis.call('EXISTS', KEYS[3]) == 1 then return 0 end
local at = now_us()
redis.call('SET', KEYS[1], ARGV[1])
redis.call('SADD', KEYS[2], ARGV[2])
redis.call('ZADD', KEYS[4], 'NX', at, ARGV[2])
redis.call('ZADD', KEYS[5], 'NX', at, ARGV[2])
if ARGV[3] ~= '' then redis.call('ZADD', KEYS[6], ARGV[3], ARGV[2]) end
if ARGV[4] ~= '' then redis.call('SET', KEYS[7], ARGV[2], 'EX', ARGV[4]) end
return 1
