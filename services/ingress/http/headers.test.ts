import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DispatchError } from '@penstock/protocol';
import { errorHeaders } from './headers.ts';

test('clients refused together get different pauses, never shorter than that of the error', () => {
  const error = new DispatchError('queue_full', { retryAfterMs: 400 });
  assert.deepEqual(errorHeaders(error, 0), { 'retry-after': '1', 'retry-after-ms': '400' });
  assert.deepEqual(errorHeaders(error, 0.5), { 'retry-after': '1', 'retry-after-ms': '600' });
  const long = new DispatchError('queue_full', { retryAfterMs: 50_000 });
  assert.deepEqual(errorHeaders(long, 0.9), { 'retry-after': '60', 'retry-after-ms': '60000' });
});

test('an error that a retry cannot help says so', () => {
  assert.deepEqual(errorHeaders(new DispatchError('attempts_exhausted')), { 'x-should-retry': 'false' });
  assert.deepEqual(errorHeaders(new DispatchError('invalid_request')), {});
});
