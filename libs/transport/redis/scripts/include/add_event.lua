-- add_event(tenant, type, resource): appends an event to the outbox, and returns its place. Does nothing for a tenant without webhook endpoints.
-- include: names
local function add_event(tenant, type, resource)
  if redis.call('EXISTS', WEBHOOK_LIST_PREFIX .. tenant) == 0 then return end
  return redis.call('XADD', EVENT_OUTBOX_KEY, '*', 'tenant', tenant, 'type', type, 'resource', resource)
end
