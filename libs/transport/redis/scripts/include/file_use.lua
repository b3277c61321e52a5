-- file_use(list, use): how many files a tenant has, and the bytes of them all. Versions before did not keep count: where the count is of another number of
-- files than the list has, it is made anew from their records. Writes nothing.
-- file_used(use, files, bytes): keeps the count.
-- include: names
local function file_use(list, use)
  local files = redis.call('ZCARD', list)
  local kept = redis.call('HMGET', use, 'files', 'bytes')
  if files == tonumber(kept[1] or 0) then return files, tonumber(kept[2] or 0) end
  local bytes = 0
  for _, id in ipairs(redis.call('ZRANGE', list, 0, -1)) do
    local record = redis.call('GET', FILE_PREFIX .. id)
    if record then bytes = bytes+cjson.decode(record).bytes end
  end
  return files, bytes
end
local function file_used(use, files, bytes)
  if files <= 0 then return redis.call('DEL', use) end
  redis.call('HSET', use, 'files', files, 'bytes', string.format('%.0f', math.max(0, bytes)))
end
