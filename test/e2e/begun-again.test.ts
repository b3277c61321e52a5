/** An engine that cannot go on with an answer, after another attempt at it was interrupted. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chunk, DONE, type EngineCall, startScriptedEngine } from '../../testkit/scripted-engine.ts';
import { post, startStack } from '../../testkit/stack.ts';

const role = chunk({ role: 'assistant', content: '' });
const whole = { choices: [{ message: { content: 'One two three' }, finish_reason: 'stop' }] };
const asked: { prompt: string; flag: unknown }[] = [];

/** Breaks off after two words, then says everything again, or something else, whatever it is told of the answer so far. */
async function* speak({ body }: EngineCall): AsyncGenerator<string | Buffer> {
  const prompt = body.messages.find(({ role }) => role === 'user')?.content ?? '';
  if (!body['stream']) return yield JSON.stringify(whole);
  asked.push({ prompt, flag: body['continue_final_message'] });
  const isFirst = asked.filter(call => call.prompt === prompt).length === 1;
  yield role + chunk({ content: 'One' }) + chunk({ content: isFirst || prompt === 'same' ? ' two' : ' day' });
  if (!isFirst) yield chunk({ content: ' three' }) + chunk({}, 'stop') + DONE;
}

test('an engine that begins again is never read twice', async t => {
  const engine = await startScriptedEngine(speak);
  t.after(() => engine.close());
  await using stack = await startStack({
    engineUrls: [engine.url],
    workerEnv: { PENSTOCK_CONTINUES: 'auto' },
  });
  const read = async (prompt: string) => {
    const body = { model: 'scripted', stream: true, messages: [{ role: 'user', content: prompt }] };
    const text = await (await post(stack, '/v1/chat/completions', body)).text();
    const words = [...text.matchAll(/"content":"([^"]*)"/g)].map(([, word]) => word).join('');
    return { words, end: /\[DONE\]|"code":"\w+"/.exec(text)?.[0] };
  };
  assert.deepEqual(await read('same'), { words: 'One two three', end: '[DONE]' });
  assert.deepEqual(await read('other'), { words: 'One two', end: '"code":"stream_interrupted"' });
  assert.ok(
    asked.every(({ flag }) => flag === undefined),
    'it is asked as the client asked',
  );
});
