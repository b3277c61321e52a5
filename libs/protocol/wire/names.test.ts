import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  boundFilter,
  boundSubject,
  deadFilterOf,
  deadFilters,
  deadSubject,
  readDeadSubject,
  type WorkQueueKey,
  workConsumer,
  workFilter,
  workStream,
  workSubject,
} from './names.ts';

const key: WorkQueueKey = { region: 'eu', shard: 0, slug: 'llama-70b', lane: 'interactive', size: 'short' };

test('a request has its own exact subject, with the id last', () => {
  const subject = workSubject(key, 'abc123');
  assert.equal(subject, 'work.eu.0.llama-70b.interactive.short.any.abc123');
  assert.equal(workFilter(key), 'work.eu.0.llama-70b.interactive.short.any.*');
  assert.equal(workStream('eu', 0), 'WORK_eu_0');
  assert.equal(workConsumer(key), 'llama-70b_interactive_short');
});

test('text that could add a wildcard to a subject, split it or make it too long is no token', () => {
  for (const bad of ['a.b', '*', '>', 'a b', 'a\r\nb', '', 'A', 'x'.repeat(49), 'é']) {
    assert.throws(() => workSubject({ ...key, slug: bad }, 'id'), TypeError);
    assert.throws(() => workSubject(key, bad), TypeError);
  }
});

test('work bound to one worker has a subject that no shared consumer sees', () => {
  assert.equal(boundSubject(key, 'w-1', 'abc'), 'work.eu.0.llama-70b.interactive.short.to.w-1.abc');
  assert.equal(boundFilter('eu', 0, 'w-1'), 'work.eu.0.*.*.*.to.w-1.*');
  assert.throws(() => boundSubject(key, 'w.1', 'abc'), TypeError);
});

test('a dead letter is found by its request, and by what that is part of', () => {
  assert.equal(deadSubject('eu', 'llama', 'r1'), 'dead.eu.llama.r1');
  assert.equal(deadSubject('eu', 'llama', 'r1', 'conv'), 'dead.eu.llama.r1.conv');
  assert.deepEqual(deadFilters('eu', 'r1'), ['dead.eu.*.r1', 'dead.eu.*.r1.*']);
  assert.equal(deadFilterOf('eu', 'conv'), 'dead.eu.*.*.conv');
  for (const partOf of [undefined, 'conv'])
    assert.deepEqual(readDeadSubject(deadSubject('eu', 'llama', 'r1', partOf)), { slug: 'llama', id: 'r1' });
});
