import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DispatchError, RESOURCE_LIMITS, type ResourceLimit, UNLIMITED } from '@penstock/protocol';
import type { LimitRefused } from './project-limiter.ts';
import { type Addition, ResourceLimits } from './resource-limits.ts';

function start(
  own: Record<string, number>,
  settings: Partial<ConstructorParameters<typeof ResourceLimits>[0]> = {},
) {
  const refused: LimitRefused[] = [];
  const uses: [string, number][] = [];
  const observer = {
    refused: (each: LimitRefused) => void refused.push(each),
    used: (_: string, limit: string, part: number) => void uses.push([limit, part]),
  };
  const limits = new ResourceLimits({ defaults: {}, isShadow: false, ...settings }, observer);
  const allowance = limits.of({ project: 'proj_a', limits: { '*': own } }, 'files');
  const outcome = (limit: ResourceLimit, ...addition: Addition): DispatchError | null => {
    try {
      allowance.check({ [limit]: addition });
      return null;
    } catch (err) {
      assert.ok(err instanceof DispatchError);
      return err;
    }
  };
  return { allowance, outcome, refused, uses };
}

test('each limit says its name, whose it is, what is used, and what can be done', () => {
  const wanted: Record<ResourceLimit, RegExp> = {
    max_files:
      /^Limit reached for project proj_a on files \(max_files\)\. Limit 5, used 4, requested 2\. Delete files .*operator/,
    max_stored_bytes: /on bytes of files \(max_stored_bytes\)\..* Delete files/,
    max_open_batches: /on open batches \(max_open_batches\)\..* when a batch has ended, or cancel one/,
    max_queued_requests:
      /on queued requests \(max_queued_requests\)\..* jobs or background responses have ended/,
    max_queued_bytes: /on bytes of queued requests \(max_queued_bytes\)\./,
    max_webhook_endpoints: /on webhook endpoints \(max_webhook_endpoints\)\..* Delete one/,
  };
  for (const limit of RESOURCE_LIMITS) {
    const { outcome, refused } = start({ [limit]: 5 });
    assert.equal(outcome(limit, 4, 1), null, limit);
    assert.match(outcome(limit, 4, 2)?.message ?? '', wanted[limit]);
    assert.deepEqual(refused, [{ project: 'proj_a', limit, endpoint: 'files', isShadow: false }]);
  }
});

test('what ends by itself is worth another try, what has to be deleted is not', () => {
  const files = start({ max_files: 1 }).outcome('max_files', 1, 1);
  assert.deepEqual([files?.status, files?.shouldRetry, files?.retryAfterMs], [400, false, undefined]);
  const batches = start({ max_open_batches: 1 }).outcome('max_open_batches', 1, 1);
  assert.deepEqual([batches?.status, batches?.shouldRetry, batches?.retryAfterMs], [429, undefined, 15_000]);
  const large = start({ max_queued_bytes: 10 }).outcome('max_queued_bytes', 0, 11);
  assert.deepEqual([large?.status, large?.shouldRetry, large?.retryAfterMs], [429, false, undefined]);
  assert.match(large?.message ?? '', /^Request too large for project proj_a/);
});

test('a limit of the project takes the place of the default, and may lift it', () => {
  const defaults = { max_files: 1, max_open_batches: 1 };
  const { allowance, outcome } = start({ max_files: UNLIMITED, max_open_batches: 3 }, { defaults });
  assert.deepEqual(
    [allowance.most('max_files'), allowance.most('max_open_batches'), allowance.most('max_stored_bytes')],
    [undefined, 3, undefined],
  );
  assert.equal(outcome('max_files', 1_000_000, 1), null);
  assert.equal(start({}, { defaults }).outcome('max_files', 1, 1)?.code, 'resource_limit_exceeded');
});

test('in shadow nobody is asked to refuse anything, and what would have been is told', () => {
  for (const shadow of [start({ max_files: 1, shadow: 1 }), start({ max_files: 1 }, { isShadow: true })]) {
    assert.equal(shadow.allowance.most('max_files'), undefined);
    assert.equal(shadow.outcome('max_files', 3, 1), null);
    assert.deepEqual(shadow.refused, [
      { project: 'proj_a', limit: 'max_files', endpoint: 'files', isShadow: true },
    ]);
    assert.deepEqual(shadow.uses, [['max_files', 4]]);
  }
});
