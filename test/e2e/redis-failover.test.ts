/** Redis that fails over under load: what was accepted is answered, and the ingress serves again. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startReplica, startReplicatedRedis } from '../../testkit/redis.ts';
import { readChat, startStack, waitFor } from '../../testkit/stack.ts';
import { checkJob, longChat, submitJob, tokensFor } from './jobs.fixture.ts';

test('the primary is killed under load: streams go on, and what was accepted is answered', async () => {
  await using redis = await startReplicatedRedis();
  const env = { PENSTOCK_REDIS_REPLICAS: '1' };
  await using stack = await startStack({
    ...{ engines: [{}, {}], ingressEnv: env, workerEnv: env, tasksEnv: env },
    redis: { url: redis.url, server: redis.primary },
  });
  const streams = Array.from({ length: 5 }, (_, i) => `stream ${i}`).map(prompt =>
    readChat(stack, longChat(prompt)),
  );
  const prompts = Array.from({ length: 12 }, (_, i) => `job ${i}`);
  const jobs: { id: string; prompt: string }[] = [];
  const submitting = Promise.all(
    prompts.map(async (prompt, i) => {
      await new Promise(resolve => setTimeout(resolve, 40 * i));
      const answer = await submitJob(stack, prompt).catch(() => null);
      // Some come while there is no primary, or no replica: they are refused, and may be sent again.
      if (answer?.status === 202) jobs.push({ id: ((await answer.json()) as { id: string }).id, prompt });
      else assert.ok(answer === null || answer.status === 503, `${answer?.status}`);
    }),
  );
  await waitFor(() => jobs.length >= 4);
  await redis.primary.kill();
  // It has a replica of its own by the time that it is the primary, as an operator sees to it.
  const next = await startReplica(redis.replica.port);
  try {
    await submitting;
    for (const [i, read] of (await Promise.all(streams)).entries())
      assert.deepEqual([read.tokens, read.error], [tokensFor(`stream ${i}`), null]);
    for (const { id, prompt } of jobs) await checkJob(stack, id, prompt);
    await waitFor(async () => (await fetch(`${stack.url}/readyz`)).ok);
    await waitFor(async () => (await submitJob(stack, 'after')).status === 202);
  } finally {
    await next.stop();
  }
});
