/** Plain calls to an engine that computes them to their end, whoever has left: made as streams, they end with their client. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chat, post, startStack, waitFor } from '../../testkit/stack.ts';

test('a plain call ends with its client, and is answered as the engine answers it', async t => {
  await using stack = await startStack({
    engines: [{ profile: 'dense-8b-h100', dialect: 'llamacpp', maxNumSeqs: 1 }],
  });
  const [engine] = stack.engines;
  assert.ok(engine);
  await t.test('the same answer', async () => {
    const body = chat('say it plainly', { max_tokens: 5 });
    const read = async (response: Response) => {
      const { choices, usage } = (await response.json()) as {
        choices: Record<string, object>[];
        usage: object;
      };
      const [{ message, finish_reason } = {}] = choices;
      const { content } = message as unknown as { content: string };
      return { content, finish_reason, usage };
    };
    const direct = await fetch(`${engine.url}/v1/chat/completions`, {
      method: 'POST',
      body: JSON.stringify(body),
    });
    assert.deepEqual(await read(await post(stack, '/v1/chat/completions', body)), await read(direct));
  });
  await t.test('the engine stops when the client leaves, and its only slot is free', async () => {
    const leaves = new AbortController();
    const body = chat('a long story', { max_tokens: 50_000 });
    const left = post(stack, '/v1/chat/completions', body, { signal: leaves.signal }).catch(() => null);
    await waitFor(() => engine.stats().running === 1);
    leaves.abort();
    await waitFor(() => engine.stats().aborted === 1);
    assert.equal(await left, null);
    const next = await post(stack, '/v1/chat/completions', chat('next', { max_tokens: 3 }));
    assert.equal(next.status, 200);
  });
});
