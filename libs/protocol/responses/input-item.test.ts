import assert from 'node:assert/strict';
import { test } from 'node:test';
import { toInputItem, toInputItems } from './input-item.ts';

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

test('no two items are listed under one id, whatever the client called them', () => {
  const said = (id?: string) => ({ ...(id ? { id } : {}), role: 'user', content: 'hi' });
  const ids = toInputItems([said('a'), said(), said('a'), said('b')], 'i').map(item => item.id);
  assert.deepEqual(ids, ['a', 'i_1', 'i_2', 'b']);
});
