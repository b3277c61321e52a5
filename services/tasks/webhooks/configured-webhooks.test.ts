import assert from 'node:assert/strict';
import { test } from 'node:test';
import { tenantOfKey, toSecret } from '@penstock/protocol';
import { readAllowList } from '@penstock/transport/egress';
import { readConfiguredWebhooks, toManagedEndpoint } from './configured-webhooks.ts';

const GIVEN = { api_key: 'sk-12345678', url: 'https://hooks.example/x', secret: toSecret(Buffer.alloc(32)) };

test('the same entry is the same endpoint at every start', () => {
  const [read] = readConfiguredWebhooks(JSON.stringify([GIVEN]), []);
  assert.ok(read);
  const endpoint = toManagedEndpoint(read, 1000);
  assert.equal(endpoint.id, toManagedEndpoint(read, 99_000).id);
  assert.match(endpoint.id, /^whe_[0-9a-f]{26}$/);
  assert.equal(endpoint.tenant, tenantOfKey(GIVEN.api_key));
  assert.ok(endpoint.managed);
});

test('mistakes are named by entry and field, and no secret is quoted', () => {
  const cases: [entry: object, says: RegExp][] = [
    [{ ...GIVEN, secret: 'whsec_c2hvcnQ=' }, /0\.secret: a secret is whsec_/],
    [{ ...GIVEN, url: 'https://127.0.0.1/' }, /0\.url: The host is not on the public internet/],
    [{ ...GIVEN, url: 'nowhere' }, /0\.url: The URL cannot be read/],
    [{ ...GIVEN, api_key: undefined }, /api_key or tenant/],
    [{ ...GIVEN, event_types: ['moon.full'] }, /0\.event_types\.0: use one of/],
    [{ ...GIVEN, colour: 'red' }, /colour/],
  ];
  for (const [entry, says] of cases)
    assert.throws(
      () => readConfiguredWebhooks(JSON.stringify([entry]), []),
      (err: Error) => says.test(err.message) && !err.message.includes('c2hvcnQ'),
      String(says),
    );
  assert.throws(() => readConfiguredWebhooks('[{', []), /is not valid JSON: give a list of/);
  const local = JSON.stringify([{ ...GIVEN, url: 'http://127.0.0.1:9/' }]);
  assert.equal(readConfiguredWebhooks(local, readAllowList('127.0.0.1')).length, 1);
});
