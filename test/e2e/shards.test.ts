/** One model over two streams: both take their part, and work does not stay in a stream that lost its workers. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { shardOf } from '@penstock/protocol';
import { API_KEY, chat, post, readChat, startStack, waitFor } from '../../testkit/stack.ts';

test('requests go to both streams, and leave the one whose last worker is gone', async () => {
  const env = { PENSTOCK_SHARDS: '2' };
  await using stack = await startStack({
    asRoles: true,
    engines: [{ profile: 'dense-8b-h100' }, { profile: 'dense-8b-h100' }],
    ingressEnv: env,
    workerEnv: env,
  });
  assert.notEqual(shardOf('w-1', 2), shardOf('w-2', 2), 'the two workers are in different shards');
  const ask = (n: number) => readChat(stack, chat(`question ${n}`, { max_tokens: 3 }));
  const started = () => stack.engines.map(engine => engine.stats().started);
  let asked = 0;
  await waitFor(async () => {
    const answers = await Promise.all(Array.from({ length: 20 }, () => ask(asked++)));
    assert.ok(answers.every(answer => answer.status === 200 && answer.done));
    return started().every(count => count > 5);
  });
  stack.workers[0]?.kill('SIGKILL');
  // Until the ingress knows, half of these go to the stream that nobody empties any more.
  const answers = await Promise.all(Array.from({ length: 20 }, () => ask(asked++)));
  assert.ok(answers.every(answer => answer.status === 200 && answer.done && answer.tokens.length === 3));
});

test('stored work leaves the stream whose last worker is gone', async () => {
  const env = { PENSTOCK_SHARDS: '2' };
  await using stack = await startStack({
    asRoles: true,
    engines: [{ profile: 'dense-8b-h100' }, { profile: 'dense-8b-h100' }],
    ...{
      ingressEnv: env,
      workerEnv: { ...env, PENSTOCK_SLOTS: '1', PENSTOCK_ACK_WAIT_MS: '2000' },
      tasksEnv: env,
    },
  });
  const submit = async (n: number) => {
    const body = chat(`job ${n}`, { max_tokens: 150 });
    const answer = await post(stack, '/v1/chat/completions', body, { headers: { prefer: 'respond-async' } });
    assert.equal(answer.status, 202);
    return answer.headers.get('location') ?? '';
  };
  const jobs = await Promise.all(Array.from({ length: 12 }, (_, n) => submit(n)));
  const isLeft = async () => {
    const answers = await Promise.all(
      jobs.map(job => fetch(stack.url + job, { headers: { authorization: `Bearer ${API_KEY}` } })),
    );
    return answers.map(({ status }) => status).filter(status => status !== 200);
  };
  stack.workers[0]?.kill('SIGKILL');
  assert.ok((await isLeft()).length > 4, 'both streams have work');
  await waitFor(async () => (await isLeft()).length === 0);
  assert.ok((stack.engines[1]?.stats().started ?? 0) > 6);
});
