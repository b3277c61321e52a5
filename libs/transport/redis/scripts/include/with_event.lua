-- with_event(place, write): writes what an event says has happened. place: of the event in the outbox; nil or false where there is none.
-- Redis undoes nothing of a script that it refuses half-way. So the event comes first: where it is refused, nothing has happened. Where
-- the write is refused, the event is taken back, and the script fails.
-- include: names
local function with_event(place, write)
  local written, refusal = pcall(write)
  if written then return end
  if place then redis.call('XDEL', EVENT_OUTBOX_KEY, place) end
  error(refusal)
end
