import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chainKeyOf, openingOf, type SessionSigns, sessionKeyOf } from './session-key.ts';

const all: SessionSigns = {
  cacheKey: 'k',
  conversation: 'c',
  chain: 'chain:r',
  header: 'h',
  endUser: 'u',
};
const none: SessionSigns = { cacheKey: null, conversation: null, chain: null, header: null, endUser: null };
const long = () => 'x'.repeat(4000);
const short = () => 'hello';

test('the strongest sign there is decides', () => {
  const signs: SessionSigns[] = [
    all,
    { ...all, cacheKey: null },
    { ...all, cacheKey: null, conversation: null },
    { ...all, cacheKey: null, conversation: null, chain: null },
  ];
  assert.deepEqual(
    signs.map(each => sessionKeyOf(each, long)),
    ['cache:k', 'conversation:c', 'chain:r', 'header:h'],
  );
  const weak = { ...none, endUser: 'u' };
  assert.match(sessionKeyOf(weak, long) ?? '', /^opening:/);
  assert.equal(sessionKeyOf(weak, short), 'user:u');
  assert.match(sessionKeyOf(none, short) ?? '', /^opening:/);
  assert.equal(
    sessionKeyOf(none, () => ''),
    null,
  );
});

test('signs of different kinds never meet', () => {
  const values = (['cacheKey', 'conversation', 'header', 'endUser'] as const).map(sign =>
    sessionKeyOf({ ...none, [sign]: 'same' }, short),
  );
  assert.equal(new Set(values).size, values.length);
});

test('a chain is known by the header of its first response, or by its id', () => {
  assert.equal(chainKeyOf('h', 'r1'), sessionKeyOf({ ...none, header: 'h' }, short));
  assert.notEqual(chainKeyOf(null, 'r1'), chainKeyOf(null, 'r2'));
});

test('an opening stays the same while the conversation goes on', () => {
  const begin = [
    { role: 'system', content: 'Be brief.' },
    { role: 'user', content: 'Hello' },
  ];
  const later = [...begin, { role: 'assistant', content: 'Hi' }, { role: 'user', content: 'And?' }];
  assert.equal(openingOf('chat', { messages: begin }), openingOf('chat', { messages: later }));
  const tools = [{ type: 'function', function: { name: 'f' } }];
  assert.notEqual(openingOf('chat', { messages: begin }), openingOf('chat', { messages: begin, tools }));
  const other = [begin[0], { role: 'user', content: 'Bye' }];
  assert.notEqual(openingOf('chat', { messages: begin }), openingOf('chat', { messages: other }));
  assert.equal(openingOf('completions', { prompt: 'Once' }), 'Once');
  assert.equal(openingOf('completions', { prompt: [1, 2] }), '1 2');
  assert.equal(openingOf('completions', { prompt: [[1, 2], [3]] }), '1 2');
  assert.equal(openingOf('embeddings', { input: 'x' }), '');
});
