import assert from 'node:assert/strict';
import { test } from 'node:test';
import { boundFilter, boundSubject, shardOfStream, workFilter, workStream, workSubject } from './names.ts';
import { readSubject, readWorkFilter, sharedAddress, subjectOf } from './queue-address.ts';

const key = { region: 'eu', shard: 12, slug: 'llama-70b', lane: 'interactive', size: 'short' } as const;

test('an address and its subject stand for each other, shared and bound', () => {
  const shared = sharedAddress(key, 'abc');
  const bound = { ...shared, worker: 'w-1' };
  assert.equal(subjectOf(shared), workSubject(key, 'abc'));
  assert.equal(subjectOf(bound), boundSubject(key, 'w-1', 'abc'));
  for (const address of [shared, bound, { ...shared, slug: 'any', id: 'to' }])
    assert.deepEqual(readSubject(subjectOf(address)), address);
});

test('a subject that is not that of a request has no address', () => {
  const subject = workSubject(key, 'abc');
  for (const text of ['', 's', 'dead.eu.m.abc', `${subject}.x`, subject.replace('.any.', '.one.')])
    assert.equal(readSubject(text), null, text);
  assert.equal(readSubject(subject.replace('interactive', 'later')), null);
});

test('a queue and its filter stand for each other, and a stream has its shard', () => {
  assert.deepEqual(readWorkFilter(workFilter(key)), key);
  for (const filter of ['', boundFilter('eu', 12, 'w-1'), workSubject(key, 'abc'), `${workFilter(key)}.>`])
    assert.equal(readWorkFilter(filter), null, filter);
  assert.equal(shardOfStream('eu', workStream('eu', 12)), 12);
  for (const stream of ['DEAD_eu', 'WORK_eu_', 'WORK_eu_x', workStream('eu-2', 12)])
    assert.equal(shardOfStream('eu', stream), null, stream);
});
