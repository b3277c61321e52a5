-- Adds a file, unless its content is being deleted just now, or its tenant has as many files, or bytes of them, as it may.
-- KEYS: file, holders of the content, content going, files, files of the purpose, ends, upload, use of the tenant
-- ARGV: file as JSON, id, end in Unix s ('' = never), ttl s of the upload ('' = not known by its upload), bytes, most files ('' = no bound), most bytes ('' = no bound)
-- Returns: {1 added | 0 the content is being deleted | -1 too many, files before, bytes before}
-- Called once the content is stored. May be repeated.
-- include: now_us, file_use
local files, bytes = file_use(KEYS[4], KEYS[8])
if redis.call('EXISTS', KEYS[3]) == 1 then return {0, files, bytes} end
local before = redis.call('GET', KEYS[1])
if not before then
  if ARGV[6] ~= '' and files+1 > tonumber(ARGV[6]) then return {-1, files, bytes} end
  if ARGV[7] ~= '' and bytes+ARGV[5] > tonumber(ARGV[7]) then return {-1, files, bytes} end
end
local at = now_us()
redis.call('SET', KEYS[1], ARGV[1])
redis.call('SADD', KEYS[2], ARGV[2])
local more = redis.call('ZADD', KEYS[4], 'NX', at, ARGV[2])
redis.call('ZADD', KEYS[5], 'NX', at, ARGV[2])
if ARGV[3] ~= '' then redis.call('ZADD', KEYS[6], ARGV[3], ARGV[2]) end
if ARGV[4] ~= '' then redis.call('SET', KEYS[7], ARGV[2], 'EX', ARGV[4]) end
file_used(KEYS[8], files+more, bytes+ARGV[5]-(before and cjson.decode(before).bytes or 0))
return {1, files, bytes}
