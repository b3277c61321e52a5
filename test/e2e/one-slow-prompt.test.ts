/** A prompt that an engine computes for very long keeps no other request from that engine. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { chunk, DONE, gate, startScriptedEngine } from '../../testkit/scripted-engine.ts';
import { chat, post, startStack, waitFor } from '../../testkit/stack.ts';

const SLOW = 'take your time';
/** Far above what any of these answers takes, and below what the slow one does: it ends when the test says so. */
const LIMIT_MS = 20_000;

test('one slow prompt does not block its model', async t => {
  const slow = gate();
  const engine = await startScriptedEngine(async function* ({ body }) {
    if (body.messages.at(-1)?.content === SLOW) await slow.opened;
    yield chunk({ role: 'assistant', content: 'yes' }) + chunk({}, 'stop') + DONE;
  });
  await using stack = await startStack({ engineUrls: [engine.url] });
  try {
    const ask = async (content: string, signal?: AbortSignal) => {
      const body = chat(content, { model: 'scripted', stream: true });
      const response = await post(stack, '/v1/chat/completions', body, signal ? { signal } : {});
      assert.equal(response.status, 200);
      return response.text();
    };
    assert.match(await ask('before'), /yes/);
    const held = ask(SLOW);
    await waitFor(() => engine.calls.length === 2);
    // Long enough for it to be overdue many times: the whole model stood still from then on.
    await sleep(1000);
    for (let n = 0; n < 4; n++)
      assert.match(await ask(`meanwhile ${n}`, AbortSignal.timeout(LIMIT_MS)), /yes/);
    await t.test('nor its lower lanes', async () => {
      const body = chat('later', { model: 'scripted', stream: true });
      const headers = { prefer: 'respond-async' };
      const accepted = await post(stack, '/v1/chat/completions', body, { headers });
      assert.equal(accepted.status, 202);
      await waitFor(() => engine.calls.some(call => call.body.messages[0]?.content === 'later'), LIMIT_MS);
    });
    slow.open();
    assert.match(await held, /yes/);
  } finally {
    slow.open();
    await engine.close();
  }
});
