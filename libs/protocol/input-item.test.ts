import assert from 'node:assert/strict';
import { test } from 'node:test';
import { toInputItem } from './input-item.ts';

const text = { type: 'input_text', text: 'hi' };

test('a message comes back whole, however short it was sent', () => {
  const whole = { id: 'i', type: 'message', role: 'user', status: 'completed', content: [text] };
  assert.deepEqual(toInputItem({ role: 'user', content: 'hi' }, 'i'), whole);
  assert.deepEqual(toInputItem({ role: 'user', content: [{ type: 'text', text: 'hi' }] }, 'i'), whole);
  const image = { type: 'input_image', image_url: 'data:,' };
  const [shown] = toInputItem({ role: 'user', content: [image] }, 'i')['content'] as object[];
  assert.deepEqual(shown, { ...image, detail: 'auto' });
});

test('what the assistant said is output', () => {
  const item = toInputItem({ id: 'msg_1', role: 'assistant', content: 'yes' }, 'i');
  assert.equal(item['id'], 'msg_1');
  assert.deepEqual(item['content'], [{ type: 'output_text', text: 'yes', annotations: [], logprobs: [] }]);
});

test('calls, their outputs and reasoning get the fields that are never missing', () => {
  const call = { type: 'function_call', call_id: 'c', name: 'f', arguments: '{}' };
  assert.deepEqual(toInputItem(call, 'i'), { ...call, id: 'i', status: 'completed' });
  assert.deepEqual(toInputItem({ type: 'reasoning', id: null }, 'i'), {
    type: 'reasoning',
    id: 'i',
    summary: [],
  });
});
