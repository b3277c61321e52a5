import assert from 'node:assert/strict';
import { test } from 'node:test';
import { appliedHeader, readPreferences } from './preferences.ts';

test('respond-async and wait are read however they are written', () => {
  assert.deepEqual(readPreferences('respond-async'), { respondAsync: true, waitMs: 0 });
  assert.deepEqual(readPreferences('Respond-Async, wait=10'), { respondAsync: true, waitMs: 10_000 });
  assert.deepEqual(readPreferences(['wait="3"', 'respond-async; x=1']), { respondAsync: true, waitMs: 3000 });
});

test('what is unknown, senseless or absent is ignored', () => {
  const none = { respondAsync: false, waitMs: 0 };
  for (const header of [undefined, '', 'handling=lenient', 'wait=soon', 'wait=-1', 'respond-asynchronously'])
    assert.deepEqual(readPreferences(header), none);
  assert.equal(readPreferences('wait=999999').waitMs, 3_600_000);
});

test('what was applied is named, and nothing where nothing was', () => {
  assert.deepEqual(appliedHeader({ respondAsync: false, waitMs: 0 }), {});
  assert.deepEqual(appliedHeader({ respondAsync: true, waitMs: 5000 }), {
    'preference-applied': 'respond-async, wait=5',
  });
});
