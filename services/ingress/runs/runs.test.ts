import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RunStatus } from '@penstock/protocol';
import type { RunStore } from '@penstock/transport';
import { Runs, type RunsOptions } from './runs.ts';

function waitingFor(status: () => RunStatus) {
  const progress = async () => [{ status: status(), code: 200 }];
  const runs = new Runs({ store: { progress } as unknown as RunStore } as RunsOptions);
  let isDone = false;
  const waited = runs.untilDone('r1', 60_000).then(() => {
    isDone = true;
  });
  return { runs, waited, isDone: () => isDone };
}
const settle = () => new Promise(resolve => setImmediate(resolve));

test('a run that is waited for is heard of', async () => {
  const { runs, waited } = waitingFor(() => 'in_progress');
  runs.heard('r2');
  runs.heard('r1');
  await waited;
});

test('the end of a run is noticed though whoever should have told it has died', async t => {
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
