/**
 * Lua for scripts that make something under a client's key. The key stands for one thing, of whatever kind, for as long as that
 * thing is kept: another request under it is refused, the same request finds what it made. Runs and batches share the keys.
 *
 * `take_key(record, thing, id, digest, ttl ms)` returns nil where the thing is to be made, else what the script answers. An
 * empty digest means that there is no key.
 */
export const TAKE_KEY = `
local function take_key(record,thing,id,digest,ttl)
  if digest=='' then return nil end
  local old=redis.call('HMGET',record,'id','digest','thing')
  if old[1] and redis.call('EXISTS',old[3] or '')==1 then
    if old[2]~=digest then return {'reused',''} end
    return {'repeated',old[1]}
  end
  redis.call('HSET',record,'id',id,'digest',digest,'thing',thing)
  redis.call('PEXPIRE',record,ttl)
  return nil
end
`;
