/** Slow engines: which silence is a failure, and which is not. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { chunk, DONE, type EngineCall, startScriptedEngine } from '../../testkit/scripted-engine.ts';
import { errorOf, post, startStack } from '../../testkit/stack.ts';

const FIRST_TOKEN_MS = 400;
const completion = { choices: [{ message: { content: 'Hello' }, finish_reason: 'stop' }] };
const role = chunk({ role: 'assistant', content: '' });

async function* speak({ body }: EngineCall): AsyncGenerator<string | Buffer> {
  const prompt = body.messages.at(-1)?.content ?? '';
  if (!body['stream']) {
    await sleep(2 * FIRST_TOKEN_MS);
    yield JSON.stringify(completion);
  } else if (prompt === 'gap') {
    yield role + chunk({ content: 'One' });
    await sleep(2 * FIRST_TOKEN_MS);
    yield chunk({ content: ' two' }) + chunk({}, 'stop') + DONE;
  } else {
    yield role;
    for (let i = 0; i < 40; i++) {
      await sleep(FIRST_TOKEN_MS / 4);
      yield ': ping\n\n';
    }
  }
}

test('the time to the first token limits streams that have said nothing, and nothing else', async t => {
  const engine = await startScriptedEngine(speak);
  t.after(() => engine.close());
  await using stack = await startStack({
    engineUrls: [engine.url],
    ingressEnv: { PENSTOCK_KEEPALIVE_MS: '120000' },
    workerEnv: { PENSTOCK_FIRST_TOKEN_TIMEOUT_MS: `60000,scripted=${FIRST_TOKEN_MS}` },
  });
  const ask = (prompt: string, stream: boolean) =>
    post(stack, '/v1/chat/completions', {
      ...{ model: 'scripted', stream },
      messages: [{ role: 'user', content: prompt }],
    });
  const [plain, gap, pings] = await Promise.all([ask('plain', false), ask('gap', true), ask('pings', true)]);
  assert.deepEqual(await plain.json(), completion);
  const text = await gap.text();
  assert.deepEqual([text.split('One').length, text.split(' two').length], [2, 2]);
  assert.match(text, /\[DONE\]\n\n$/);
  const { code, message } = await errorOf(pings);
  assert.equal(code, 'attempts_exhausted');
  assert.match(message, /did not begin to answer within 0.4 s/);
});
