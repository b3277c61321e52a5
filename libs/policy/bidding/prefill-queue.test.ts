import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PrefillQueue, STEP_TOKENS } from './prefill-queue.ts';

test('learns the rate from how long the head was the head, not from how long it waited', () => {
  const queue = new PrefillQueue();
  queue.add('a', 10_000, 0, false);
  queue.add('b', 10_000, 0, false);
  queue.done('a', 1000);
  queue.done('b', 2000);
  queue.look(3000);
  assert.equal(queue.learnedRate, 10_000 + STEP_TOKENS);
});

test('prompts of one step are one observation', () => {
  const queue = new PrefillQueue();
  for (let i = 0; i < 10; i++) queue.add(`p${i}`, 100, 0, false);
  for (let i = 0; i < 10; i++) queue.done(`p${i}`, 100 + i / 10);
  queue.look(200);
  assert.equal(queue.learnedRate, 10_000 + 10 * STEP_TOKENS);
});

test('tiny prompts do not make an engine look slow: a step has a fixed part', () => {
  const queue = new PrefillQueue();
  // A prompt of 1,000 tokens in 0.1 s, then many of ten in a step of 22 ms each: the same engine.
  queue.add('long', 1000, 0, false);
  queue.done('long', 100);
  for (let at = 200; at < 20_000; at += 30) {
    queue.add(`p${at}`, 10, at, false);
    queue.done(`p${at}`, at + 22);
  }
  queue.look(30_000);
  assert.ok(queue.rate > 11_000 && queue.rate < 14_000, `${queue.rate}`);
});

test('a prompt without a visible first token is over when its time is up, and teaches nothing', () => {
  const queue = new PrefillQueue();
  queue.add('silent', 20_000, 0, true);
  assert.equal(queue.look(500).head?.tokens, 20_000);
  assert.equal(queue.look(1001).prefillBacklogTokens, 0);
  assert.equal(queue.look(1001).head, null);
  assert.equal(queue.learnedRate, 0);
});

test('what is dropped leaves no backlog behind', () => {
  const queue = new PrefillQueue();
  queue.add('a', 500, 0, false);
  queue.add('a', 700, 1, false);
  queue.drop('a');
  queue.drop('unknown');
  assert.equal(queue.look(2).prefillBacklogTokens, 0);
  assert.equal(queue.look(2).head, null);
});
