import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import { deliveryId, type EndpointHealth, eventId, toSecret, type WebhookEndpoint } from '@penstock/protocol';
import type { DeliveryJob, DeliveryLog, PostOutcome, WebhookRecords } from '@penstock/transport';
import { signedHeaders, signingSecrets } from '@penstock/transport/signature';
import OpenAI from 'openai';
import { Webhook } from 'standardwebhooks';
import { SlotShares } from '../slot-shares.ts';
import { EndpointGate } from './endpoint-gate.ts';
import { EventSender } from './event-sender.ts';

const NOW = Date.UTC(2026, 5, 1);
const [SECRET, OLD] = [toSecret(Buffer.alloc(32, 1)), toSecret(Buffer.alloc(32, 2))];
const EVENT = { type: 'job.completed', resource: 'j1', createdAt: NOW / 1000 } as const;
const JOB: DeliveryJob = { endpoint: 'whe_1', event: { id: eventId('j1', 'job.completed'), ...EVENT } };
const ok: PostOutcome = { kind: 'answered', status: 200, retryAfter: null };
const failed: PostOutcome = { kind: 'answered', status: 500, retryAfter: null };

/** One endpoint whose answers the test sets, and a clock that stands still. */
function world(
  answers: PostOutcome[],
  given: Partial<WebhookEndpoint> = {},
  health: Partial<EndpointHealth> = {},
) {
  const endpoint: WebhookEndpoint = {
    ...{ id: 'whe_1', tenant: 't', name: 'n', url: 'https://a.example/', eventTypes: ['job.completed'] },
    ...{ secret: SECRET, oldSecret: null, createdAt: 0, updatedAt: 0, managed: false, disabled: null },
    ...given,
  };
  const state = { failures: 0, pausedUntil: 0, cameThroughAt: 0, ...health };
  const posts: { headers: Record<string, string>; body: string }[] = [];
  const attempts: unknown[] = [];
  const clock = { now: NOW, monotonic: 0 };
  const records = {
    claim: async () => ({ endpoint: { ...endpoint }, health: { ...state } }),
    get: async () => ({ endpoint, health: state }),
    update: async (_id: string, change: object) => Boolean(Object.assign(endpoint, change)),
    succeeded: async (_id: string, now: number) =>
      void Object.assign(state, { failures: 0, pausedUntil: 0, cameThroughAt: now }),
    failed: async () => ++state.failures,
    pause: async (_id: string, _now: number, until: number) => {
      state.pausedUntil = Math.max(state.pausedUntil, until);
    },
    cameThroughSince: async (_id: string, since: number) => state.cameThroughAt >= since,
  } as unknown as WebhookRecords;
  const log = {
    attempted: async (...args: unknown[]) => void attempts.push(args),
  } as unknown as DeliveryLog;
  const poster = {
    post: async (_url: string, headers: Readonly<Record<string, string>>, body: string) => {
      posts.push({ headers, body });
      return answers.shift() ?? ok;
    },
  };
  const time = { now: () => clock.now, monotonic: () => clock.monotonic };
  const delivery = new EventSender({
    ...{
      records,
      log,
      poster,
      clock: time,
      gate: new EndpointGate(time, 1),
      slots: new SlotShares(100, () => 0),
    },
    observers: [],
    ...{ timeoutMs: 15_000, scale: 1, rand: () => 0, logger: { warn: () => {} } as never },
  });
  return { delivery, endpoint, state, posts, attempts, clock };
}

test('the vector that OpenAI publishes, and what we sign is accepted by both libraries', async () => {
  const secret = 'whsec_RdvaYFYUXuIFuEbvZHwMfYFhUf7aMYjYcmM24+Aj40c=';
  const id = 'wh_685c059ae39c8190af8c71ed1022a24d';
  const body =
    '{"id": "evt_685c059ae3a481909bdc86819b066fb6", "object": "event", "created_at": 1750861210, "type": "response.completed", "data": {"id": "resp_123"}}';
  assert.deepEqual(signedHeaders([secret], id, 1_750_861_210_999, body), {
    'webhook-id': id,
    'webhook-timestamp': '1750861210',
    'webhook-signature': 'v1,gUAg4R2hWouRZqRQG4uJypNS8YK885G838+EHb4nKBY=',
  });
  const headers = signedHeaders([OLD, secret], id, Date.now(), body);
  assert.ok(await new OpenAI({ apiKey: 'x' }).webhooks.unwrap(body, headers, secret));
  assert.ok(new Webhook(secret).verify(body, headers));
});

test('a retry is signed with its own time, so that it is accepted long after the event', async () => {
  const { delivery, posts, clock } = world([failed]);
  const client = new OpenAI({ apiKey: 'x' });
  assert.deepEqual(await delivery.run(JOB, 1), { kind: 'retry', delayMs: 5000 });
  clock.now += 400_000;
  assert.equal((await delivery.run(JOB, 2)).kind, 'done');
  mock.timers.enable({ apis: ['Date'], now: clock.now });
  const [first, second] = posts;
  assert.equal(first?.body, second?.body);
  assert.equal(first?.headers['webhook-id'], second?.headers['webhook-id']);
  assert.ok(await client.webhooks.unwrap(second?.body ?? '', second?.headers ?? {}, SECRET));
  await assert.rejects(client.webhooks.unwrap(first?.body ?? '', first?.headers ?? {}, SECRET), /too old/);
  mock.timers.setTime(clock.now - 301_000);
  await assert.rejects(client.webhooks.unwrap(second?.body ?? '', second?.headers ?? {}, SECRET), /too new/);
  mock.timers.reset();
});

test('two secrets sign while the old one lasts', () => {
  const { endpoint } = world([], { oldSecret: { secret: OLD, until: NOW } });
  assert.deepEqual(signingSecrets(endpoint, NOW - 1), [SECRET, OLD]);
  assert.deepEqual(signingSecrets(endpoint, NOW), [SECRET]);
});

test('nothing is posted without a secret to sign with, and it is tried again as after any failure', async () => {
  const { delivery, posts, attempts, state } = world([], { secret: null });
  assert.deepEqual(await delivery.run(JOB, 1), { kind: 'retry', delayMs: 5000 });
  assert.deepEqual([posts.length, state.failures], [0, 1]);
  assert.match(JSON.stringify(attempts), /secret_unavailable/);
});

test('a paused endpoint gets nothing, and no attempt is used up', async () => {
  const { delivery, posts, attempts } = world([], {}, { pausedUntil: NOW + 9000 });
  assert.deepEqual(await delivery.run(JOB, 1), { kind: 'later', delayMs: 9000 });
  assert.equal(posts.length + attempts.length, 0);
});

test('ten failures in a row open the breaker; success closes it', async () => {
  const { delivery, state, clock } = world(Array.from({ length: 10 }, () => failed));
  for (let i = 0; i < 9; i++) await delivery.run(JOB, 1);
  assert.equal(state.pausedUntil, 0);
  await delivery.run(JOB, 1);
  assert.equal(state.pausedUntil, NOW + 5000);
  clock.now += 5000;
  assert.equal((await delivery.run(JOB, 2)).kind, 'done');
  assert.deepEqual([state.failures, state.pausedUntil], [0, 0]);
});

test('an event given up switches the endpoint off only if nothing came through for as long as it lived', async () => {
  const bad = world([failed, failed]);
  assert.deepEqual(await bad.delivery.run(JOB, 10), { kind: 'given_up', reason: 'attempts_spent' });
  assert.equal(bad.endpoint.disabled, 'failing');
  const mixed = world([failed], {}, { cameThroughAt: NOW + 1 } as object);
  await mixed.delivery.run(JOB, 10);
  assert.equal(mixed.endpoint.disabled, null);
  const off = world([], { disabled: 'failing' });
  assert.deepEqual(await off.delivery.run(JOB, 1), { kind: 'given_up', reason: 'endpoint_disabled' });
  assert.equal(off.posts.length, 0);
});

test('an old event that is sent again has the whole schedule', async () => {
  const { delivery, endpoint, clock } = world([failed, failed]);
  clock.now += 5 * 24 * 3600_000;
  const again = { ...JOB, askedAt: clock.now };
  assert.deepEqual(await delivery.run(again, 1), { kind: 'retry', delayMs: 5000 });
  assert.equal(endpoint.disabled, null);
  assert.deepEqual(await delivery.run(JOB, 1), { kind: 'given_up', reason: 'too_old' });
});

test('the log says what happened, and holds no secret', async () => {
  const { delivery, attempts } = world([{ kind: 'unanswered', reason: 'timeout' }, ok]);
  await delivery.run(JOB, 1);
  await delivery.run(JOB, 2);
  const id = deliveryId(JOB.event.id, 'whe_1');
  assert.deepEqual(attempts, [
    [id, { at: NOW, attempt: 1, status: null, error: 'timeout', ms: 0 }, 'pending'],
    [id, { at: NOW, attempt: 2, status: 200, error: null, ms: 0 }, 'delivered'],
  ]);
  assert.ok(!JSON.stringify(attempts).includes('whsec'));
});

test('at a full endpoint an attempt waits a moment, gets the next place, or is delayed in order', async () => {
  let now = 0;
  const gate = new EndpointGate({ now: () => now, monotonic: () => now }, 1);
  const first = await gate.enter('a');
  // 5 ms an attempt are assumed at first: a hundred get their turn within the half second that an attempt waits.
  const waiting = Array.from({ length: 100 }, () => gate.enter('a'));
  const away = [await gate.enter('a'), await gate.enter('a')].map(
    each => each.kind === 'later' && each.delayMs,
  );
  assert.deepEqual(away, [5, 10]);
  now = 1000;
  const slow = await gate.enter('a');
  assert.ok(slow.kind === 'later' && slow.delayMs === 1000, 'an attempt that hangs tells before it ends');
  assert.equal((await gate.enter('b')).kind, 'in');
  assert.ok(first.kind === 'in');
  first.leave();
  const second = await waiting[0];
  assert.equal(second?.kind, 'in');
  const late = await Promise.all(waiting.slice(1));
  assert.ok(late.every(each => each.kind === 'later'));
});

test('few attempts wait for a slow endpoint: they would only occupy jobs of others', async () => {
  let now = 0;
  const gate = new EndpointGate({ now: () => now, monotonic: () => now }, 2);
  const first = await gate.enter('slow');
  await gate.enter('slow');
  now = 250;
  const waiting = Array.from({ length: 4 }, () => gate.enter('slow'));
  assert.equal((await gate.enter('slow')).kind, 'later');
  assert.ok(first.kind === 'in');
  first.leave();
  assert.equal((await waiting[0])?.kind, 'in');
  await Promise.all(waiting);
});
