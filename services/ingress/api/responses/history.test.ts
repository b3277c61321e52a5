import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ElidedMedia } from '@penstock/protocol';
import type { RunFinder } from '@penstock/runs';
import { ResponseHistory } from './history.ts';

test('a chain of too many responses is refused as that, not as one that is not known', async () => {
  const run = {
    detail: JSON.stringify({ input: [], previousId: 'resp_r1', params: {} }),
    result: { status: 200, body: Buffer.from('{}') },
  };
  const runs = { find: async () => run } as unknown as RunFinder;
  await assert.rejects(new ResponseHistory(runs, 1e6).read('resp_r1', 't', new ElidedMedia()), {
    code: 'invalid_request',
    param: 'previous_response_id',
    message: /at most 200 responses/,
  });
});
