-- final(run, log, status, now ms, log ttl ms, channel, code, content type, body): makes a run final. Every way to a final state
-- ends here, so whatever has to happen with it is added here. The log is kept for a while, and its followers are told; its message goes.
-- channel: '' for a run without a log · code, content type, body: nil where there is no answer.
-- include: names, announce_run
local function final(run, log, status, now, logttl, channel, code, ctype, body)
  -- First: where Redis refuses the event, what was written before it would not be undone, and nobody would ever be told.
  announce_run(run, status, code or 0)
  redis.call('HSET', run, 'status', status, 'finishedAt', now, 'logLength', redis.call('LLEN', log))
  if code then redis.call('HSET', run, 'code', code, 'type', ctype, 'body', body) end
  redis.call('DEL', RUN_MESSAGE_PREFIX .. string.match(run, '[^:]+$'))
  if channel ~= '' then
    redis.call('PEXPIRE', log, logttl)
    redis.call('PUBLISH', channel, '0 ')
  end
end
