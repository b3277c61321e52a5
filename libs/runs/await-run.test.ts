import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RunStatus } from '@penstock/protocol';
import { RunWaiters } from './await-run.ts';

function waitingFor(status: () => RunStatus) {
  const waiters = new RunWaiters({ progress: async () => [{ status: status(), code: 200 }] });
  let isDone = false;
  const waited = waiters.untilDone('r1', 60_000).then(() => {
    isDone = true;
  });
  return { waiters, waited, isDone: () => isDone };
}
const settle = () => new Promise(resolve => setImmediate(resolve));

test('a waiter is woken when its run ends', async () => {
  const { waiters, waited } = waitingFor(() => 'in_progress');
  waiters.heard('r2');
  waiters.heard('r1');
  await waited;
});

test('the end of a run is noticed though its announcement was lost', async t => {
  t.mock.timers.enable({ apis: ['setTimeout', 'setInterval'] });
  let status: RunStatus = 'in_progress';
  const { isDone } = waitingFor(() => status);
  await settle();
  status = 'completed';
  assert.equal(isDone(), false);
  t.mock.timers.tick(2000);
  await settle();
  assert.equal(isDone(), true);
});
