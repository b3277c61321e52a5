/** Errors in every spelling, answers without an end, engines without room: who is told what, how often the engine is asked. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ask, bodyOf, readEvents } from '../../testkit/responses.ts';
import { chunk, DONE, type EngineCall, startScriptedEngine } from '../../testkit/scripted-engine.ts';
import { errorOf, post, startStack, waitFor } from '../../testkit/stack.ts';

const event = (value: object) => `data:${JSON.stringify(value)}\r\n\r\n`;
const words = chunk({ role: 'assistant', content: '' }) + chunk({ content: 'Hello' });
const call = (id: string, name: string) =>
  chunk({ tool_calls: [{ index: 0, id, function: { name, arguments: '{"x":1}' } }] });
const asked = new Map<string, number>();

async function* speak({ body }: EngineCall): AsyncGenerator<string | Buffer> {
  const prompt = body.messages.at(-1)?.content ?? '';
  const times = (asked.get(prompt) ?? 0) + 1;
  asked.set(prompt, times);
  if (prompt === 'too long') yield event({ object: 'error', message: 'seven is too many', code: 400 }) + DONE;
  else if (prompt === 'late') yield words + event({ error: { code: 422, message: 'not that' } }) + DONE;
  else if (prompt === 'broken') yield event({ error: { code: 500, message: 'a loose wire' } }) + DONE;
  else if (prompt === 'busy' && times < 5) yield event({ error: { code: 429, message: 'no room' } }) + DONE;
  else if (prompt === 'calls')
    yield call('call_1', 'f') + call('call_2', 'g') + chunk({}, 'tool_calls') + DONE;
  else if (prompt === 'endless') yield words + DONE;
  else yield words + chunk({}, 'stop');
}

test('what engines say of errors and ends', async t => {
  const engine = await startScriptedEngine(speak);
  t.after(() => engine.close());
  await using stack = await startStack({ engineUrls: [engine.url] });
  const stream = (prompt: string, headers = {}) => {
    const body = { model: 'scripted', stream: true, messages: [{ role: 'user', content: prompt }] };
    return post(stack, '/v1/chat/completions', body, { headers });
  };
  const respond = (input: string, more: object = {}) =>
    ask(stack.url, '/v1/responses', { json: { model: 'scripted', input, stream: true, ...more } });

  await t.test(
    'a refusal before the first token reaches the client at once, with its status and message',
    async () => {
      const answer = await stream('too long');
      assert.equal(answer.status, 400);
      assert.equal((await errorOf(answer)).message, 'seven is too many');
      assert.equal(asked.get('too long'), 1);
    },
  );

  await t.test('a refusal after the first token ends the stream with one error event', async () => {
    const text = await (await stream('late')).text();
    assert.match(text, /Hello[\s\S]*"error":\{"message":"not that"/);
    assert.ok(!text.includes('[DONE]'));
    assert.equal((await readEvents(respond('late'))).at(-1)?.type, 'response.failed');
    assert.equal(asked.get('late'), 2);
  });

  await t.test('a failure is tried three times, then reported with the message of the engine', async () => {
    const answer = await stream('broken');
    assert.equal(answer.status, 502);
    const { code, message } = await errorOf(answer);
    assert.equal(code, 'attempts_exhausted');
    assert.match(message, /a loose wire/);
    assert.equal(asked.get('broken'), 3);
  });

  await t.test('an engine without room is waited for, more often than a request may fail', async () => {
    const answer = await stream('busy');
    assert.equal(answer.headers.get('x-penstock-attempt'), '1');
    assert.match(await answer.text(), /Hello[\s\S]*\[DONE\]\n\n$/);
    asked.delete('busy');
    const job = await stream('busy', { prefer: 'respond-async' });
    const { id } = (await job.json()) as { id: string };
    assert.match(await (await ask(stack.url, `/v1/jobs/${id}`)).text(), /Hello[\s\S]*\[DONE\]\n\n$/);
    assert.equal(asked.get('busy'), 5);
  });

  await t.test('a missing [DONE] is added, and a missing finish reason is an error', async () => {
    const whole = await (await stream('fine')).text();
    assert.equal(whole.split('Hello').length, 2);
    assert.match(whole, /"stop"[\s\S]*data: \[DONE\]\n\n$/);
    const endless = await (await stream('endless')).text();
    assert.equal(endless.split('Hello').length, 2);
    assert.match(endless, /"code":"stream_interrupted"/);
  });

  await t.test('two calls under one index are two, streamed and retrieved', async () => {
    for (const background of [false, true]) {
      const events = await readEvents(respond('calls', { background }));
      const { id = '', output = [] } = events.at(-1)?.response ?? {};
      assert.deepEqual(
        output.map(item => [item.call_id, item.name, item.arguments]),
        [
          ['call_1', 'f', '{"x":1}'],
          ['call_2', 'g', '{"x":1}'],
        ],
      );
      await waitFor(async () => (await bodyOf(ask(stack.url, `/v1/responses/${id}`))).status === 'completed');
      assert.deepEqual((await bodyOf(ask(stack.url, `/v1/responses/${id}`))).output, output);
    }
  });
});
