import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TrailEvent, WorkMeta } from '@penstock/protocol';
import { RequestTrail } from './request-trail.ts';

const META = {
  ...{ id: 'r1', acceptedAt: 1000, endpoint: 'chat', model: 'm', lane: 'interactive', size: 'short' },
  promptTokens: 5,
} as WorkMeta;
const FAILURE = { code: 'engine_error', message: 'out of memory', retryable: true };

/** What is kept of a request that ends so. */
async function keptOf(
  share: number,
  outcome: string | null,
  before: (trail: RequestTrail) => void = () => {},
  hasWords = true,
) {
  const kept: (readonly TrailEvent[])[] = [];
  const trails = { append: (_id: string, events: readonly TrailEvent[]) => void kept.push(events) };
  const trail = new RequestTrail({ trails, share, hasWords, node: 'in-1', now: () => 2000 }, 't', META);
  before(trail);
  trail.gone(500, () => FAILURE);
  // The outcome is told after the request was forgotten.
  if (outcome !== null) trail.outcome(outcome);
  await new Promise(resolve => setImmediate(resolve));
  return kept;
}

test('what fails is kept, what goes well only in the sample', async () => {
  assert.equal((await keptOf(0, 'done')).length, 0);
  assert.equal((await keptOf(0, null)).length, 0);
  assert.equal((await keptOf(1, 'done')).length, 1);
  const [failed] = await keptOf(0, 'attempts_spent');
  assert.deepEqual(failed?.at(-1), {
    ...{ kind: 'ended', at: 2000, by: 'in-1', reason: 'attempts_spent', ms: 500, message: 'out of memory' },
  });
  assert.deepEqual(failed?.[0], {
    ...{ kind: 'accepted', at: 1000, by: 'in-1', tenant: 't', endpoint: 'chat', model: 'm' },
    ...{ lane: 'interactive', size: 'short', promptTokens: 5 },
  });
});

test('where requests are sealed, what failures say is not kept', async () => {
  const fail = (trail: RequestTrail) => trail.attemptFailed('w-1', FAILURE);
  const [kept] = await keptOf(0, 'attempts_spent', fail, false);
  assert.deepEqual(
    kept?.map(({ kind, reason, message }) => [kind, reason, message]),
    [
      ['accepted', undefined, undefined],
      ['attempt_failed', 'engine_error', undefined],
      ['ended', 'attempts_spent', undefined],
    ],
  );
});

test('what became a job has not ended', async () => {
  const [kept] = await keptOf(0, 'converted');
  assert.deepEqual(
    kept?.map(({ kind }) => kind),
    ['accepted', 'converted'],
  );
});

test('a request that is tried for ever does not fill the memory', async () => {
  const [kept] = await keptOf(1, 'done', trail => {
    for (let i = 0; i < 1000; i++) trail.attemptFailed('w-1', FAILURE);
  });
  assert.equal(kept?.length, 51);
  assert.equal(kept?.at(-1)?.kind, 'ended');
});
