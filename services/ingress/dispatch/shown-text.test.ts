import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ShownText } from './shown-text.ts';

function chunk(content: string): string {
  const choices = [{ index: 0, delta: { content }, finish_reason: null }];
  return `data: ${JSON.stringify({ id: 'chatcmpl-1', created: 7, choices })}\n\n`;
}

test('collects the text of all deltas, escapes and all', () => {
  const shown = new ShownText('chat', true);
  const parts = ['', 'He said "hi"\\', '\n\t', 'é日𝄞', '"content":"x"', ' end'];
  shown.add(Buffer.from(chunk(parts[0] ?? '') + chunk(parts[1] ?? '')));
  for (const part of parts.slice(2)) shown.add(Buffer.from(chunk(part)));
  assert.deepEqual(shown.read(), {
    ...{ text: parts.join(''), chunks: 5, chunkId: 'chatcmpl-1', created: 7 },
    ...{ tokens: null, promptTokens: null, finish: null },
  });
});

test('also reads JSON with blanks, and completions', () => {
  const chat = new ShownText('chat', true);
  chat.add(Buffer.from('data: {"id": "a", "created": 1, "choices": [{"delta": {"content": "x y"}}]}\n\n'));
  assert.equal(chat.read()?.text, 'x y');
  const completion = new ShownText('completions', true);
  completion.add(Buffer.from('data: {"id":"a","created":1,"choices":[{"text":"abc"}]}\n\n'));
  assert.equal(completion.read()?.text, 'abc');
});

test('tool calls, reasoning and excluded requests are not continued', () => {
  for (const delta of ['"tool_calls":[{"index":0}]', '"reasoning_content":"hm"', '"refusal":"no"']) {
    const shown = new ShownText('chat', true);
    shown.add(Buffer.from(`data: {"id":"a","created":1,"choices":[{"delta":{${delta}}}]}\n\n`));
    assert.equal(shown.continuable, false);
    assert.equal(shown.read(), null);
  }
  assert.equal(new ShownText('chat', false).continuable, false);
  assert.equal(new ShownText('embeddings', true).continuable, false);
});

test('a comment before the first event does not hide whose stream it is', () => {
  const shown = new ShownText('chat', true);
  shown.add(Buffer.from(`: ping\n\n${chunk('x')}`));
  assert.deepEqual(shown.read(), {
    ...{ text: 'x', chunks: 1, chunkId: 'chatcmpl-1', created: 7 },
    ...{ tokens: null, promptTokens: null, finish: null },
  });
});

const event = (value: object) => Buffer.from(`data: ${JSON.stringify(value)}\n\n`);
const about = { id: 'm', created: 7, model: 'm' };
const say = (delta: object, more: object = {}) =>
  event({ ...about, choices: [{ index: 0, delta, finish_reason: null, ...more }] });

test('what an event means is what its JSON says, whatever the events before it looked like', () => {
  const events: [said: Buffer, text: string][] = [
    [say({ role: 'assistant', content: '' }), ''],
    [say({ content: 'm' }), 'm'],
    [say({ content: 'One' }), 'One'],
    [say({ content: ' \\' }), ' \\'],
    [say({ content: '"' }), '"'],
    [say({ content: ' "content":"no" ' }), ' "content":"no" '],
    [say({ content: 'two' }, { matched: { content: 'no', text: 'no' } }), 'two'],
    [say({ content: 'three', tool_calls: [], refusal: null, reasoning_content: '' }), 'three'],
    [say({ content: '\ud83d' }), '\ud83d'],
    [say({ content: '\ude80' }), '\ude80'],
    [event({ content: 'no', ...about, choices: [] }), ''],
    [
      Buffer.from('data: {"choices" : [ {"delta" :{"content"\n\n'.replace('\n\n', ' : "four"}}]}\n\n')),
      'four',
    ],
    [Buffer.from(': {"choices":[{"delta":{"content":"no"}}]}\n\n'), ''],
  ];
  for (const joined of [false, true]) {
    const shown = new ShownText('chat', true);
    if (joined) shown.add(Buffer.concat(events.map(([said]) => said)));
    else for (const [said] of events) shown.add(said);
    assert.equal(shown.read()?.text, events.map(([, text]) => text).join(''));
    assert.equal(shown.read()?.chunks, events.filter(([, text]) => text !== '').length);
  }
});

test('what stands around the text of an event before it is no text', () => {
  const shown = new ShownText('chat', true);
  shown.add(say({ content: 'One' }));
  shown.add(say({ content: ' two', reasoning_content: '' }));
  shown.add(say({ content: ' \\', refusal: '' }));
  assert.deepEqual([shown.read()?.text, shown.continuable], ['One two \\', true]);
  shown.add(say({ content: 'I', refusal: 'I cannot help with that.' }));
  assert.deepEqual([shown.read(), shown.continuable], [null, false]);
});

test('an event that is not JSON ends what can be continued, also where it looks like one before', () => {
  for (const broken of ['\\', 'x\\', '\\q', '\\u12', '\t', '\u0000']) {
    const shown = new ShownText('chat', true);
    const text = '{"id":"m","created":7,"choices":[{"delta":{"content":"TEXT"}}]}';
    shown.add(Buffer.from(`data: ${text.replace('TEXT', 'One')}\n\n`));
    shown.add(Buffer.from(`data: ${text.replace('TEXT', () => broken)}\n\n`));
    assert.deepEqual([shown.continuable, shown.read()], [false, null], JSON.stringify(broken));
  }
});

test('an event that differs from one before in its text alone is not parsed', t => {
  const parse = t.mock.method(JSON, 'parse');
  const shown = new ShownText('chat', true);
  for (let i = 0; i < 100; i++) shown.add(say({ content: ` word\n${i}` }));
  assert.ok(parse.mock.callCount() <= 2, `${parse.mock.callCount()}`);
  assert.match(shown.read()?.text ?? '', /^ word\n0 word\n1.* word\n99$/s);
});

test('an event that says something else than text, in any spelling, ends what can be continued', () => {
  for (const other of [
    '"tool_calls" : [ {"index":0} ]',
    '"thinking":"hm"',
    '"audio":{"id":"a"}',
    '"content":[{}]',
  ]) {
    const shown = new ShownText('chat', true);
    shown.add(say({ content: 'x' }));
    shown.add(Buffer.from(`data: {"choices":[{"delta":{${other}}}]}\n\n`));
    assert.deepEqual([shown.continuable, shown.read()], [false, null], other);
  }
});

test('what the engine says of tokens is kept: usage so far, or ids', () => {
  const say = (content: string, choice: object, more: object = {}) => {
    const choices = [{ index: 0, delta: { content }, finish_reason: null, ...choice }];
    return Buffer.from(`data: ${JSON.stringify({ id: 'c1', created: 7, choices, ...more })}\n\n`);
  };
  const counts = (shown: ShownText) => {
    const { tokens, promptTokens, finish } = shown.read() ?? {};
    return { tokens, promptTokens, finish };
  };
  const used = new ShownText('chat', true);
  used.add(say('One two', {}, { usage: { prompt_tokens: 9, completion_tokens: 3 } }));
  used.add(say(' three', {}, { usage: { prompt_tokens: 9, completion_tokens: 5 } }));
  assert.deepEqual(counts(used), { tokens: 5, promptTokens: 9, finish: null });
  const ids = new ShownText('chat', true);
  ids.add(say('', {}, { prompt_token_ids: [1, 2, 3] }));
  for (const text of ['One two', ' three four', ' five six']) ids.add(say(text, { token_ids: [7, 8] }));
  ids.add(say('!', { token_ids: [9] }));
  assert.deepEqual(counts(ids), { tokens: 7, promptTokens: 3, finish: null });
  ids.add(say('', { finish_reason: 'length' }));
  assert.equal(counts(ids).finish, 'length');
});

test('a stream with very much in one event is not continued, and that is not read', () => {
  const shown = new ShownText('chat', true);
  shown.add(Buffer.alloc(3_000_000, 'x'));
  assert.equal(shown.continuable, false);
});
