import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeEnvelope } from '@penstock/protocol';
import { startMemoryIngress } from '../ingress.fixture.ts';

const MODEL_TOKENS = 9000;
const chinese = { model: 'm', messages: [{ role: 'user', content: '请把这段话翻译成英文。'.repeat(500) }] };
const usage = `"usage":{"prompt_tokens":${MODEL_TOKENS},"completion_tokens":1}}`;

test('what engines count corrects the estimates of the same model and kind of text, and shows in the metrics', async () => {
  await using ingress = await startMemoryIngress({ boundaries: { short: 20_000, medium: 40_000 } });
  const ask = async (body: object, events: string) => {
    const called = ingress.call('POST', '/v1/chat/completions', body);
    const delivery = await ingress.take('interactive');
    await ingress.reply(delivery, [
      ['accepted'],
      events.startsWith('{') ? ['result', events] : ['end', events],
    ]);
    assert.equal((await called).statusCode, 200);
    return decodeEnvelope(delivery.data).meta.promptTokens;
  };
  const english = { model: 'm', messages: [{ role: 'user', content: 'Translate this. '.repeat(500) }] };
  const first = await ask(chinese, `{"choices":[],${usage}`);
  assert.ok(first > 3500 && first < 5000, `${first}`);
  const before = await ask(english, '{"choices":[],"usage":null}');
  const stream = `data: {"choices":[],${usage}\n\ndata: [DONE]\n\n`;
  for (let i = 0; i < 3; i++) await ask({ ...chinese, stream: true }, stream);
  const last = await ask(chinese, '{"choices":[]}');
  assert.ok(Math.abs(last / MODEL_TOKENS - 1) < 0.1, `${last}`);
  assert.equal(await ask(english, '{"choices":[],"usage":{"prompt_tokens":0}}'), before);
  const { body } = await ingress.call('GET', '/metrics');
  assert.match(body, /^penstock_prompt_token_estimate_ratio_count\{model="m"\} 4$/m);
  assert.match(body, /^penstock_prompt_token_estimate_ratio_bucket\{le="0.25",model="m"\} 0$/m);
});

test('jobs and background responses teach the node that accepted them, and what others accepted does not', async () => {
  await using ingress = await startMemoryIngress({ boundaries: { short: 20_000, medium: 40_000 } });
  const ask = async (path: string, body: object, headers: Record<string, string> = {}) => {
    const { statusCode } = await ingress.call('POST', path, body, headers);
    const delivery = await ingress.take('background');
    ingress.queue.settle(delivery.ackSubject, 'ack');
    const { id, promptTokens } = decodeEnvelope(delivery.data).meta;
    return { statusCode, id, promptTokens };
  };
  const job = () => ask('/v1/chat/completions', chinese, { prefer: 'respond-async' });
  const ended = (payload: string) =>
    ingress.queue.send({ kind: 'run_ended', region: 'eu' }, Buffer.from(payload));
  const { promptTokens: first } = await job();
  ended(`stranger ${MODEL_TOKENS}`);
  for (const word of ['', 'x', '-5', '1e9', '9'.repeat(10)]) ended(`${(await job()).id} ${word}`);
  assert.equal((await job()).promptTokens, first);
  for (let i = 0; i < 3; i++) {
    const { id } = await job();
    ended(`${id} ${MODEL_TOKENS}`);
    ended(`${id} 1`);
  }
  const asked = { model: 'm', input: chinese.messages[0]?.content, background: true };
  const response = await ask('/v1/responses', asked);
  ended(`${response.id} ${MODEL_TOKENS}`);
  const { promptTokens: last } = await job();
  assert.ok(Math.abs(last / MODEL_TOKENS - 1) < 0.1, `${last}`);
  const { body } = await ingress.call('GET', '/metrics');
  assert.match(body, /^penstock_prompt_token_estimate_ratio_count\{model="m"\} 4$/m);
});
