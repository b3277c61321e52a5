import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Sessions } from './session.ts';

const [ADMIN, VIEWER] = ['an-admin-key-0001', 'a-viewer-key-0001'];

function sessions(adminKeys = [ADMIN], nowMs = 0) {
  const clock = { now: () => nowMs, monotonic: () => nowMs };
  return new Sessions({ adminKeys, viewerKeys: [VIEWER], lastsMs: 1000, clock });
}

test('a key opens a session of its role, which says nothing of the key', () => {
  const { cookie, session } = sessions().open(ADMIN) ?? assert.fail();
  assert.equal(session.role, 'admin');
  assert.equal(sessions().open(VIEWER)?.session.role, 'viewer');
  assert.equal(cookie.includes(ADMIN), false);
  assert.deepEqual(sessions().read(cookie), session, 'another process, with the same keys');
  for (const wrong of ['', 'an-admin-key-0002', 'x'.repeat(10_000)])
    assert.equal(sessions().open(wrong), null);
});

test('a session ends with its time, and with its key', () => {
  const { cookie } = sessions().open(ADMIN) ?? assert.fail();
  assert.ok(sessions([ADMIN], 999).read(cookie));
  assert.equal(sessions([ADMIN], 1000).read(cookie), null);
  assert.equal(sessions(['another-admin-key']).read(cookie), null);
});

test('what was not made here is no session, whatever is changed of one', () => {
  const { cookie } = sessions().open(ADMIN) ?? assert.fail();
  const [who, until, mac] = cookie.split('.');
  const viewer = sessions().open(VIEWER)?.cookie.split('.')[0];
  const forged = [`${who}.${Number(until) + 1}.${mac}`, `${viewer}.${until}.${mac}`, `${who}.${until}.`];
  for (const text of [...forged, `${cookie}x`, `${cookie}.`, 'x', '', undefined])
    assert.equal(sessions().read(text), null, String(text));
});
