import assert from 'node:assert/strict';
import { test } from 'node:test';
import { appliedHeader, holding, NO_PREFERENCES, readPreferences } from './preferences.ts';

test('respond-async and wait are read however they are written', () => {
  assert.deepEqual(readPreferences('respond-async'), { respondAsync: true, waitMs: 0 });
  assert.deepEqual(readPreferences('Respond-Async, wait=10'), { respondAsync: true, waitMs: 10_000 });
  assert.deepEqual(readPreferences(['wait="3"', 'respond-async; x=1']), { respondAsync: true, waitMs: 3000 });
});

test('unknown, invalid and absent preferences are ignored', () => {
  const none = { respondAsync: false, waitMs: 0 };
  for (const header of [undefined, '', 'handling=lenient', 'wait=soon', 'wait=-1', 'respond-asynchronously'])
    assert.deepEqual(readPreferences(header), none);
  assert.equal(readPreferences('wait=999999').waitMs, 3_600_000);
});

test('applied preferences are named, and none otherwise', () => {
  assert.deepEqual(appliedHeader({ respondAsync: false, waitMs: 0 }), {});
  assert.deepEqual(appliedHeader({ respondAsync: true, waitMs: 5000 }), {
    'preference-applied': 'respond-async, wait=5',
  });
});

test('the client of a stored run is held as it prefers, and only applied preferences are named', () => {
  const usualMs = 240_000;
  assert.deepEqual(holding(NO_PREFERENCES, usualMs), { heldMs: usualMs, headers: {} });
  const told = (header: string, usual = usualMs) => {
    const { heldMs, headers } = holding(readPreferences(header), usual);
    return [heldMs, headers['preference-applied']];
  };
  assert.deepEqual(told('respond-async'), [0, 'respond-async']);
  assert.deepEqual(told('respond-async, wait=5'), [5000, 'respond-async, wait=5']);
  assert.deepEqual(told('respond-async, wait=600'), [60_000, 'respond-async, wait=60'], 'not longer');
  assert.deepEqual(told('wait=5'), [5000, 'wait=5']);
  assert.deepEqual(told('wait=600'), [usualMs, 'wait=240']);
  assert.deepEqual(told('wait=5', 0), [0, undefined], 'a stream, or a response in the background');
});
