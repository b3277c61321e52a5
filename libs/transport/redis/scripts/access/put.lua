-- Keeps a project or a key, unless somebody else has changed it since it was read.
-- KEYS: records, version of all of them, list of ids
-- ARGV: id, revision of what was read (0: nothing), the new record, 1 where the id joins the list
-- Returns: 1 kept, 0 changed meanwhile
-- Called for operators: the admin API, the command line, the file of projects.
local kept = redis.call('HGET', KEYS[1], ARGV[1])
local revision = kept and cjson.decode(kept).revision or 0
if revision ~= tonumber(ARGV[2]) then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
if ARGV[4] == '1' then redis.call('SADD', KEYS[3], ARGV[1]) end
redis.call('INCR', KEYS[2])
return 1
