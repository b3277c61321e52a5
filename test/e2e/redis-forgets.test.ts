/** A replica of Redis that is promoted before it has heard everything: what it does not know of is done again. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Redis } from 'ioredis';
import { startFaultyProxy } from '../../testkit/network/faulty-proxy.ts';
import { startRedis, startReplica } from '../../testkit/redis.ts';
import { startStack, waitFor } from '../../testkit/stack.ts';
import { acceptedJob, checkJob, lookAtJob } from './jobs.fixture.ts';

test('what a promoted replica has forgotten is run again: answers, and jobs that it never heard of', async t => {
  const primary = await startRedis('--repl-diskless-sync-delay', '0');
  t.after(() => primary.stop());
  await using link = await startFaultyProxy(primary.url);
  const replica = await startReplica(Number(new URL(link.url).port));
  t.after(() => replica.stop());
  await using endpoint = await startFaultyProxy(primary.url);
  const env = { PENSTOCK_ACK_WAIT_MS: '2000' };
  await using stack = await startStack({
    ...{ engines: [{ slowdown: 3 }], ingressEnv: env, workerEnv: env, tasksEnv: {} },
    redis: { url: endpoint.url, server: primary },
  });
  const admin = new Redis(replica.url);
  t.after(() => admin.disconnect());
  const answered = await acceptedJob(stack, 'answered');
  const isAt = async (status: string) => (await admin.hget(`penstock:run:${answered}`, 'status')) === status;
  await waitFor(() => isAt('in_progress'));
  link.silence();
  await waitFor(async () => (await lookAtJob(stack, answered)).status === 200);
  const unheard = await acceptedJob(stack, 'unheard');
  assert.equal(await admin.exists(`penstock:run:${unheard}`), 0);
  assert.ok(await isAt('in_progress'));
  await primary.kill();
  await admin.replicaof('NO', 'ONE');
  endpoint.moveTo(replica.port);
  await checkJob(stack, unheard, 'unheard');
  await checkJob(stack, answered, 'answered');
});
