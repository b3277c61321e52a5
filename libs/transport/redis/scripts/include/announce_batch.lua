-- announce_batch(key, status): adds the event that the batch under the key became final, and returns its place.
-- include: add_event
local function announce_batch(key, status)
  local tenant = redis.call('HGET', key, 'tenant')
  if tenant then return add_event(cjson.decode(tenant), 'batch.' .. status, string.match(key, '[^:]+$')) end
end
