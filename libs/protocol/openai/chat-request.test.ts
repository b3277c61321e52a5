import assert from 'node:assert/strict';
import { test } from 'node:test';
import { validateChat } from './chat-request.ts';
import { parseJson } from './json-guard.ts';

const user = { role: 'user', content: 'hi' };
const call = { id: 'a', type: 'function', function: { name: 'f', arguments: '{"constructor":"Ferrari"}' } };
const valid = (extra: object) =>
  validateChat(parseJson(Buffer.from(JSON.stringify({ model: 'm', messages: [user], ...extra }))));
const turn = (assistant: object, tool: object) => ({
  messages: [user, { role: 'assistant', ...assistant, tool_calls: [call] }, { role: 'tool', ...tool }],
});

test('what engines take beyond the API is left to them', () => {
  for (const extra of [
    { temperature: 2.5, n: 16, stop: ['a', 'b', 'c', 'd', 'e'] },
    { stop: [], tools: [], user: 12_345, service_tier: 'of_next_year' },
    { stop: '', top_k: 3, min_p: 0.1, guided_json: {}, chat_template_kwargs: { enable_thinking: false } },
    { metadata: { trace_id: 'x', n: 1, tags: ['a'], constructor: 'Ferrari' } },
    { tools: Array.from({ length: 400 }, (_, i) => ({ type: 'function', function: { name: `f${i}` } })) },
    { messages: Array(3000).fill(user) },
    {
      messages: [{ role: 'user', content: Array(300).fill({ type: 'image_url', image_url: { url: 'x' } }) }],
    },
    { messages: [user, { role: 'ipython', content: 'x' }] },
    turn({ content: '' }, { content: null }),
    turn({ content: [] }, { content: [{ type: 'text', text: 'x' }] }),
  ])
    assert.equal(valid(extra).model, 'm', JSON.stringify(extra).slice(0, 80));
});

test('numbers of 64 bits are numbers, and no limit is none', () => {
  const body = '{"model":"m","messages":[{"role":"user","content":"x"}],"seed":9223372036854775807}';
  assert.equal(validateChat(parseJson(Buffer.from(body))).model, 'm');
  assert.equal(valid({ max_tokens: -1 }).maxTokens, null);
  assert.equal(valid({ max_tokens: 0 }).maxTokens, 0);
  assert.equal(valid({ max_tokens: 7, max_completion_tokens: null }).maxTokens, 7);
  assert.equal(valid({ user: 12_345 }).endUser, '12345');
});

test('what no engine takes is refused by name', () => {
  for (const [extra, param] of [
    [{ n: 0 }, 'n'],
    [{ max_tokens: -2 }, 'max_tokens'],
    [{ seed: 'x' }, 'seed'],
    [{ temperature: -1 }, 'temperature'],
    [{ stop: Array(500).fill('a') }, 'stop'],
    [{ messages: [{ role: '', content: 'x' }] }, 'messages[0].role'],
    [{ messages: [{ role: 'user', content: null }] }, 'messages[0].content'],
    [{ store: true, metadata: { n: 1 } }, 'metadata.n'],
  ] as const)
    assert.throws(() => valid(extra), { code: 'invalid_request', param });
});
