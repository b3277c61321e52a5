/** Processes whose wall clock is three minutes ahead: nobody's time runs out because of it, and nobody is told a wrong one. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { wallClockAhead } from '../../testkit/clock/wrong-clock-env.ts';
import { API_KEY, chat, post, startStack, waitFor } from '../../testkit/stack.ts';

const AHEAD_MS = 180_000;
/** Far more than the test takes, and far less than the clocks are apart. */
const TIMEOUT = { 'x-request-timeout-ms': '60000' };

test('wall clocks three minutes ahead at an ingress and at the workers end no work', async () => {
  await using stack = await startStack({
    engines: [{ maxNumSeqs: 1 }],
    workerEnv: { ...wallClockAhead(AHEAD_MS), PENSTOCK_SLOTS: '1' },
  });
  const ahead = await stack.addIngress('in-2', undefined, wallClockAhead(AHEAD_MS));
  const submit = async ({ url }: { url: string }, tokens: number) => {
    const headers = { ...TIMEOUT, prefer: 'respond-async' };
    const answer = await post({ ...stack, url }, '/v1/chat/completions', chat('hi', { max_tokens: tokens }), {
      headers,
    });
    assert.equal(answer.status, 202);
    return answer.headers.get('location') ?? '';
  };
  const look = ({ url }: { url: string }, path: string) =>
    fetch(url + path, { headers: { authorization: `Bearer ${API_KEY}` } });

  const jobs = [await submit(stack, 150), await submit(stack, 5), await submit(ahead, 5)];
  for (const node of [ahead, stack])
    for (const job of jobs.slice(1)) {
      const { status } = await look(node, job);
      assert.ok(status === 202 || status === 200, `${status} for ${job}`);
    }
  for (const node of [stack, ahead]) {
    const answer = await post(
      { ...stack, url: node.url },
      '/v1/chat/completions',
      chat('now', { max_tokens: 3 }),
      { headers: TIMEOUT },
    );
    const { created } = (await answer.json()) as { created: number };
    assert.equal(answer.status, 200);
    assert.ok(Math.abs(Date.now() / 1000 - created) < AHEAD_MS / 2000);
    assert.ok(Number(answer.headers.get('openai-processing-ms')) < AHEAD_MS / 2);
  }
  for (const job of jobs) await waitFor(async () => (await look(ahead, job)).status === 200);
  const response = await post({ ...stack, url: ahead.url }, '/v1/responses', {
    ...{ model: 'sim-chat', input: 'hi', background: true, max_output_tokens: 2 },
  });
  const { created_at } = (await response.json()) as { created_at: number };
  assert.ok(
    Math.abs(Date.now() / 1000 - created_at) < AHEAD_MS / 2000,
    'what is shown is the time of the region',
  );
});
