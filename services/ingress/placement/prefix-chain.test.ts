import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkpoints, promptChain, promptText } from './prefix-chain.ts';

const text = (blocks: number) => Buffer.alloc(blocks * 2048, 'penstock ');

test('equal hashes mean equal prefixes', () => {
  const long = promptChain('seed', text(5));
  assert.equal(long.length, 5);
  assert.deepEqual(promptChain('seed', text(3)), long.slice(0, 3));
  const changed = text(5);
  changed[2100] = 0;
  const other = promptChain('seed', changed);
  assert.equal(other[0], long[0]);
  assert.ok(other.slice(1).every((key, i) => key !== long[i + 1]));
});

test('another seed shares nothing, and a short prompt has no chain', () => {
  assert.notEqual(promptChain('a', text(1))[0], promptChain('b', text(1))[0]);
  assert.deepEqual(promptChain('a', Buffer.from('short')), []);
});

test('tools come before messages, whatever the order of the fields', () => {
  const messages = [{ role: 'user', content: 'hi' }];
  const one = promptText('chat', { messages, tools: [{ a: 1 }], temperature: 1 });
  assert.deepEqual(one, promptText('chat', { tools: [{ a: 1 }], messages }));
  assert.match(one.toString(), /^\[\{"a":1\}\]\nuser\nhi$/);
});

test('a block of token ids is as many tokens as a block of text, whatever the ids', () => {
  const ids = Array.from({ length: 512 * 3 + 100 }, (_, i) => 100_000 + i);
  const chainOf = (prompt: unknown) => promptChain('seed', promptText('completions', { prompt }));
  assert.equal(chainOf(ids).length, 3);
  assert.deepEqual(chainOf([ids]), chainOf(ids));
  const other = chainOf(ids.with(600, 7));
  assert.equal(other[0], chainOf(ids)[0]);
  assert.notEqual(other[1], chainOf(ids)[1]);
});

test('the last blocks are always remembered, and not many others', () => {
  assert.deepEqual(checkpoints(1), [0]);
  const many = checkpoints(64);
  assert.ok(many.includes(63) && many.includes(62) && many.includes(0) && many.length < 20);
});
