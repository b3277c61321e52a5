/** One model over two streams: both take their part, and work does not stay in a stream that lost its workers. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { shardOf } from '@penstock/protocol';
import { chat, readChat, startStack, waitFor } from '../../testkit/stack.ts';

test('requests go to both streams, and leave the one whose last worker is gone', async () => {
  const env = { PENSTOCK_SHARDS: '2' };
  await using stack = await startStack({
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
