import assert from 'node:assert/strict';
import { test } from 'node:test';
import { batchCreate, lifetime } from './requests.ts';

const BATCH = { input_file_id: 'file-1', endpoint: '/v1/chat/completions', completion_window: '24h' };

test('a lifetime is an hour to 30 days from creation, or none', () => {
  const day = { anchor: 'created_at', seconds: 86_400 };
  for (const given of [day, { ...day, seconds: '86400' }, { ...day, seconds: 3600 }])
    assert.equal(lifetime.parse(given)?.seconds, Number(given.seconds));
  for (const none of [undefined, null, {}]) assert.equal(lifetime.parse(none) ?? null, null);
  const mistakes: [unknown, string][] = [
    [{ ...day, anchor: 'now' }, 'anchor'],
    [{ seconds: 3600 }, 'anchor'],
    [{ ...day, seconds: 3599 }, 'seconds'],
    [{ ...day, seconds: 2_592_001 }, 'seconds'],
    [{ ...day, seconds: 3600.5 }, 'seconds'],
    [{ ...day, seconds: 'soon' }, 'seconds'],
    [{ anchor: 'created_at' }, 'seconds'],
    [[], ''],
    ['created_at', ''],
  ];
  for (const [given, path] of mistakes) {
    const issue = lifetime.safeParse(given).error?.issues[0];
    assert.equal(issue?.path.join('.'), path, JSON.stringify(given));
  }
});

test('an error in a batch request names the field', () => {
  assert.ok(batchCreate.safeParse({ ...BATCH, metadata: null, output_expires_after: null }).success);
  const pairs = Object.fromEntries(Array.from({ length: 17 }, (_, i) => [`key${i}`, 'x']));
  const mistakes: [object, string, RegExp][] = [
    [{ input_file_id: undefined }, 'input_file_id', /string/],
    [{ endpoint: '/v1/images/edits' }, 'endpoint', /use one of .*\/v1\/responses/],
    [{ endpoint: 7 }, 'endpoint', /use one of/],
    [{ completion_window: '1h' }, 'completion_window', /use "24h"/],
    [{ metadata: pairs }, 'metadata', /at most 16 pairs/],
    [{ output_expires_after: {} }, 'output_expires_after.anchor', /created_at/],
    [{ output_expires_after: { anchor: 'now', seconds: 3600 } }, 'output_expires_after.anchor', /created_at/],
  ];
  for (const [fields, path, message] of mistakes) {
    const issue = batchCreate.safeParse({ ...BATCH, ...fields }).error?.issues[0];
    assert.equal(issue?.path.join('.'), path);
    assert.match(issue?.message ?? '', message);
  }
});
