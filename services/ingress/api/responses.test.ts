import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RunLog } from '@penstock/transport';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { SubmitDeps } from '../dispatch/submit.ts';
import type { Runs } from '../runs/runs.ts';
import { Responses } from './responses.ts';

test('a chain of too many responses is refused as that, not as one that is not known', async () => {
  const run = {
    detail: JSON.stringify({ input: [], previousId: 'resp_r1', params: {} }),
    result: { status: 200, body: Buffer.from('{}') },
  };
  const runs = { find: async () => run } as unknown as Runs;
  const responses = new Responses(runs, {} as RunLog, 1e6);
  const body = Buffer.from(JSON.stringify({ model: 'm', input: 'x', previous_response_id: 'resp_r1' }));
  const deps = { clock: { now: () => 0 } } as SubmitDeps;
  await assert.rejects(responses.create(deps, { body, tenant: 't' } as FastifyRequest, {} as FastifyReply), {
    code: 'invalid_request',
    param: 'previous_response_id',
    message: /follow 200 others/,
  });
});
