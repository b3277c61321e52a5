-- final(run, log, status, now ms, log ttl ms, channel, code, content type, body): makes a run final. Every way to a final state
-- ends here, so whatever has to happen with it is added here. The log is kept for a while, and its followers are told; its message goes.
-- channel: '' for a run without a log · code, content type, body: nil where there is no answer.
-- include: names, announce_run, with_event, backlog
local function final(run, log, status, now, logttl, channel, code, ctype, body)
  with_event(announce_run(run, status, code or 0), function()
    if code then redis.call('HSET', run, 'code', code, 'type', ctype, 'body', body) end
    redis.call('HSET', run, 'status', status, 'finishedAt', now, 'logLength', redis.call('LLEN', log))
  end)
  local id = string.match(run, '[^:]+$')
  redis.call('ZREM', RUN_DEADLINES_KEY, id)
  backlog_remove(run)
  redis.call('DEL', RUN_MESSAGE_PREFIX .. id)
  if channel ~= '' then
    redis.call('PEXPIRE', log, logttl)
    redis.call('PUBLISH', channel, '0 ')
  end
end
