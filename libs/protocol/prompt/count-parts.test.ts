import assert from 'node:assert/strict';
import { test } from 'node:test';
import { validateRequest } from '../endpoints/validate-request.ts';
import { elideMedia } from './elided-media.ts';

/** What a chat completion's prompt is made of. */
function counted(body: object) {
  const { prompt } = validateRequest('chat', { model: 'm', ...body });
  return Object.fromEntries(Object.entries(prompt).filter(([, units]) => units > 0));
}

const user = (content: unknown) => ({ role: 'user', content });
const image = (url: string, more = {}) => user([{ type: 'image_url', image_url: { url, ...more } }]);
const data = (length: number) => `data:image/jpeg;base64,${'A'.repeat(length)}`;

test('messages of all roles count, with what is around each', () => {
  const messages = [{ role: 'system', content: 'abc' }, user([{ type: 'text', text: 'de' }]), user('f')];
  assert.deepEqual(counted({ messages }), { messages: 3, letters: 6 });
});

test('tools and calls count as the JSON that they are', () => {
  const tools = [{ type: 'function', function: { name: 'ab', parameters: { type: 'object' } } }];
  const plain = counted({ messages: [user('x')] });
  const { fields = 0, letters = 0 } = counted({ messages: [user('x')], tools });
  // Two lists and objects, and five names with their values.
  assert.equal(fields, 7);
  assert.equal(
    letters - (plain['letters'] ?? 0),
    'type function function name ab parameters type object'.replaceAll(' ', '').length,
  );
  const call = { id: 'c', type: 'function', function: { name: 'ab', arguments: '{"q":"中文"}' } };
  const called = counted({ messages: [user('x'), { role: 'assistant', content: null, tool_calls: [call] }] });
  assert.ok(called['fields'] === 7 && called['cjk'] === 2 && called['symbols'] === 7);
});

test('images count by size, whatever the length of their base64', () => {
  assert.deepEqual(counted({ messages: [image('https://example.org/cat.png')] }), {
    messages: 1,
    mediumImages: 1,
  });
  assert.deepEqual(counted({ messages: [image(data(10_000))] }), { messages: 1, smallImages: 1 });
  assert.deepEqual(counted({ messages: [image(data(200_000))] }), { messages: 1, mediumImages: 1 });
  assert.deepEqual(counted({ messages: [image(data(2_000_000))] }), { messages: 1, largeImages: 1 });
  const low = image(data(2_000_000), { detail: 'low' });
  assert.deepEqual(counted({ messages: [low] }), { messages: 1, smallImages: 1 });
});

test('audio counts by length, a video as one', () => {
  const audio = { type: 'input_audio', input_audio: { data: 'A'.repeat(102_400), format: 'wav' } };
  const video = { type: 'video_url', video_url: { url: 'https://example.org/a.mp4' } };
  assert.deepEqual(counted({ messages: [user([audio, video])] }), { messages: 1, audio: 100, videos: 1 });
  const strange = [
    { type: 'image_url' },
    { type: 'input_audio', input_audio: 7 },
    { type: 'other', x: [null] },
  ];
  assert.deepEqual(counted({ messages: [user(strange)] }), { messages: 1, mediumImages: 1, audio: 500 });
});

test('reasoning counts since the last question: templates drop what is older', () => {
  const answer = { role: 'assistant', content: 'a', reasoning_content: 'bbcc' };
  assert.equal(counted({ messages: [user('q'), answer, user('q')] })['letters'], 3);
  assert.equal(counted({ messages: [user('q'), answer] })['letters'], 6);
});

test('media that were taken out of a large body count as if they were in it', () => {
  const audio = { type: 'input_audio', input_audio: { data: 'A'.repeat(200_000), format: 'wav' } };
  const body = { messages: [image(data(600_000)), image(data(100_000)), user([audio])] };
  const { bytes } = elideMedia(Buffer.from(JSON.stringify(body)));
  assert.ok(bytes.length < 1000);
  const [whole, elided] = [counted(body), counted(JSON.parse(bytes.toString()))];
  assert.deepEqual([elided['largeImages'], elided['mediumImages']], [1, 1]);
  assert.deepEqual(elided, whole);
});
