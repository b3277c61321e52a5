-- announce_run(key, status, code): adds the event that the run under the key became final, and returns its place.
-- Answers that are errors count as failed. Lines of a batch are reported by their batch.
-- include: names, add_event
local function announce_run(key, status, code)
  local r = redis.call('HMGET', key, 'kind', 'tenant')
  if not r[2] or (r[1] ~= 'job' and r[1] ~= 'response' and r[1] ~= 'completion') then return end
  local id = string.match(key, '[^:]+$')
  local resource = 'resp_' .. id
  if status == 'completed' and tonumber(code) >= FIRST_ERROR_STATUS then status = 'failed' end
  if r[1] ~= 'response' then
    if status == 'incomplete' then status = 'completed' end
    resource = r[1] == 'completion' and 'chatcmpl-' .. id or id
  end
  return add_event(r[2], (r[1] == 'response' and 'response.' or 'job.') .. status, resource)
end
