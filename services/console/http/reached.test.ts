import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HttpError } from './http-error.ts';
import { reached } from './reached.ts';

test('an answer comes as it is, a failure in words, and what is said already stays', async () => {
  assert.equal(await reached(Promise.resolve(7), 'away'), 7);
  await assert.rejects(reached(Promise.reject(new Error('ECONNRESET')), 'away'), {
    status: 503,
    message: 'away',
  });
  await assert.rejects(reached(Promise.reject(new HttpError(404, 'gone')), 'away'), { status: 404 });
});

test('nobody waits for ever', async t => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const answer = reached(new Promise(() => {}), 'away');
  t.mock.timers.tick(5000);
  await assert.rejects(answer, { status: 503, message: 'away' });
});
