import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PrefillQueue } from './prefill-queue.ts';

test('learns the rate from how long the head was the head, not from how long it waited', () => {
  const queue = new PrefillQueue();
  queue.add('a', 10_000, 0, false);
  queue.add('b', 10_000, 0, false);
  queue.done('a', 1000);
  queue.done('b', 2000);
  queue.look(3000);
  assert.equal(queue.learnedRate, 10_000);
});

test('prompts of one step are one observation', () => {
  const queue = new PrefillQueue();
  for (let i = 0; i < 10; i++) queue.add(`p${i}`, 100, 0, false);
  for (let i = 0; i < 10; i++) queue.done(`p${i}`, 100 + i / 10);
  queue.look(200);
  assert.equal(queue.learnedRate, 10_000);
});

test('a prompt without a visible first token is over when its time is up, and teaches nothing', () => {
  const queue = new PrefillQueue();
  queue.add('silent', 20_000, 0, true);
  assert.equal(queue.look(500).head?.tokens, 20_000);
  assert.deepEqual(queue.look(1001), { tokens: 0, head: null });
  assert.equal(queue.learnedRate, 0);
});

test('what is dropped leaves no backlog behind', () => {
  const queue = new PrefillQueue();
  queue.add('a', 500, 0, false);
  queue.add('a', 700, 1, false);
  queue.drop('a');
  queue.drop('unknown');
  assert.deepEqual(queue.look(2), { tokens: 0, head: null });
});
