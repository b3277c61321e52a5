import assert from 'node:assert/strict';
import { test } from 'node:test';
import { tenantOfKey } from '../tenant.ts';
import { retryAfterMs } from './delivery.ts';
import { toEndpointObject } from './endpoint.ts';
import { EVENT_TYPES, eventBody, eventId } from './event.ts';
import { configuredWebhooks, webhookCreate } from './requests.ts';
import { isSecret, toSecret } from './secret.ts';

const NOW = Date.UTC(2026, 0, 1);
const SECRET = toSecret(Buffer.alloc(32, 7));

test("an event has one id for ever, and its envelope is OpenAI's thin one", () => {
  const id = eventId('resp_1', 'response.completed');
  assert.match(id, /^evt_[0-9a-f]{32}$/);
  assert.equal(id, eventId('resp_1', 'response.completed'));
  assert.notEqual(id, eventId('resp_1', 'response.failed'));
  assert.equal(
    eventBody({ id, type: 'response.completed', resource: 'resp_1', createdAt: 1767225600 }),
    `{"id":"${id}","object":"event","created_at":1767225600,"type":"response.completed","data":{"id":"resp_1"}}`,
  );
});

test('secrets are whsec_ and 24 to 64 bytes in base64, nothing else', () => {
  for (const length of [24, 32, 64]) assert.ok(isSecret(toSecret(Buffer.alloc(length, 1))));
  const bad = [
    toSecret(Buffer.alloc(23)),
    toSecret(Buffer.alloc(65)),
    'whsec_',
    'whsec_not base64!',
    SECRET.slice(6),
  ];
  for (const secret of bad) assert.ok(!isSecret(secret), secret);
});

test('nothing shown of an endpoint holds its secrets', () => {
  const shown = toEndpointObject(
    {
      ...{ id: 'whe_1', tenant: 't', name: 'n', url: 'https://x.example', eventTypes: ['job.failed'] },
      ...{ secret: SECRET, oldSecret: { secret: SECRET, until: NOW }, createdAt: 1, updatedAt: 1 },
      ...{ managed: false, disabled: null },
    },
    { failures: 0, pausedUntil: 0 },
    NOW,
  );
  assert.ok(!JSON.stringify(shown).includes(SECRET.slice(6, 20)));
});

test('what is asked for is checked, with a message for each mistake', () => {
  const cases: [body: object, path: string, message: RegExp][] = [
    [{ event_types: ['job.failed'] }, 'url', /give the URL/],
    [{ url: 'x' }, 'event_types', /name the event types/],
    [{ url: 'x', event_types: [] }, 'event_types', /at least one/],
    [{ url: 'x', event_types: ['moon.full'] }, 'event_types.0', /use one of response.completed/],
    [{ url: 'x', event_types: ['job.failed'], name: '' }, 'name', /give the endpoint a name/],
  ];
  for (const [body, path, message] of cases) {
    const issue = webhookCreate.safeParse(body).error?.issues[0];
    assert.equal(issue?.path.join('.'), path);
    assert.match(issue?.message ?? '', message);
  }
  const twice = webhookCreate.parse({ url: 'x', event_types: ['job.failed', 'job.failed'] });
  assert.deepEqual(twice.event_types, ['job.failed']);
});

test('an operator names a tenant in one way, and gets every event by default', () => {
  const given = { url: 'https://x.example', secret: SECRET };
  const [endpoint] = configuredWebhooks.parse([{ ...given, api_key: 'sk-12345678' }]);
  assert.deepEqual(endpoint?.event_types, EVENT_TYPES);
  for (const who of [{}, { api_key: 'sk-12345678', tenant: tenantOfKey('sk-12345678') }, { tenant: 'me' }])
    assert.ok(!configuredWebhooks.safeParse([{ ...given, ...who }]).success);
});

test('Retry-After in both its forms', () => {
  const cases: [header: string | null, ms: number | null][] = [
    [null, null],
    ['7', 7000],
    ['0', null],
    ['-5', null],
    ['soon', null],
    [new Date(NOW + 9000).toUTCString(), 9000],
    [new Date(NOW - 9000).toUTCString(), null],
  ];
  for (const [header, ms] of cases) assert.equal(retryAfterMs(header, NOW), ms, String(header));
});
