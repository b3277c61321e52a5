import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BatchRecord } from '@penstock/protocol';
import type { Logger } from '@penstock/runtime';
import type { DeliveryJob } from '@penstock/transport';
import { RegionWatch, UNSEEN } from './housekeeping/region-watch.ts';
import { tasksMetricsOf } from './metrics.fixture.ts';

const NOW = 1_000_000;
const STREAM = { shard: 0, messages: 3, bytes: 300, mostMessages: 10, mostBytes: 1000 };
const QUEUE = { shard: 0, slug: 'm', lane: 'interactive', size: 'short', waiting: 2, delivered: 1 } as const;
const STORE = {
  usedBytes: 5,
  mostBytes: null,
  outboxEvents: 1,
  outboxOldestAt: NOW - 4000,
  openRuns: 7,
  openBatches: 1,
};

test('queues of one model and lane are shown as one, and what nobody waits in has no age', async () => {
  const queues = [
    { ...QUEUE, oldestAt: NOW - 9000 },
    { ...QUEUE, size: 'long', shard: 1, oldestAt: NOW - 12_000 } as const,
    { ...QUEUE, lane: 'batch', size: 'any', waiting: 0, oldestAt: null } as const,
    { ...QUEUE, lane: 'background', size: 'any', slug: 'gone', oldestAt: null } as const,
  ];
  const queue = { queues, streams: [STREAM], deadLetters: 2 };
  const { set } = tasksMetricsOf(() => ({ queue, store: STORE, webhookJobs: null, at: NOW }), NOW);
  const shown = await set.registry.metrics();
  for (const line of [
    'penstock_queue_size{model="M",lane="interactive"} 4',
    'penstock_queue_delivered{model="M",lane="interactive"} 2',
    'penstock_queue_oldest_age_seconds{model="M",lane="interactive"} 12',
    'penstock_queue_oldest_age_seconds{model="M",lane="batch"} 0',
    'penstock_queue_size{model="other",lane="background"} 2',
    'penstock_stream_messages_limit{shard="0"} 10',
    'penstock_dead_letters 2',
    'penstock_webhook_outbox_age_seconds 4',
    'penstock_stored_runs_open 7',
  ])
    assert.ok(shown.includes(`\n${line}\n`), line);
  // Not known, which is not 0.
  assert.doesNotMatch(shown, /^penstock_(redis_limit_bytes|webhook_deliveries)/m);
  assert.doesNotMatch(shown, /oldest_age_seconds\{model="other"/);
});

test('batches, webhooks and housekeeping are counted by what came of them', async () => {
  const { set, batches, webhooks, housekeeping, interrupted } = tasksMetricsOf(undefined, 90_000);
  batches.finished({ createdAt: 60 } as BatchRecord, { status: 'completed', completed: 8, failed: 2 });
  interrupted();
  const job = {} as DeliveryJob;
  const answered = { kind: 'answered', status: 204, retryAfter: null } as const;
  webhooks.attempted({ kind: 'delivered', reason: 'accepted' }, answered, { ms: 20, ageMs: 700 }, job);
  const lost = { kind: 'unanswered', reason: 'timeout' } as const;
  webhooks.attempted({ kind: 'give_up', reason: 'too_old' }, lost, { ms: 15_000, ageMs: 1e9 }, job);
  webhooks.disabled('failing');
  housekeeping.removed('body');
  housekeeping.failed('deadlines');
  const shown = await set.registry.metrics();
  for (const line of [
    'penstock_batches_finished_total{status="completed"} 1',
    'penstock_batch_lines_total{outcome="failed"} 2',
    'penstock_batch_duration_seconds_sum 30',
    'penstock_batch_interruptions_total 1',
    'penstock_webhook_attempts_total{outcome="delivered",status="2xx"} 1',
    'penstock_webhook_attempts_total{outcome="give_up",status="none"} 1',
    'penstock_webhook_delivery_delay_seconds_sum 0.7',
    'penstock_webhook_endpoints_disabled_total{reason="failing"} 1',
    'penstock_housekeeping_removed_total{what="body"} 1',
    'penstock_housekeeping_failures_total{what="deadlines"} 1',
  ])
    assert.ok(shown.includes(`\n${line}\n`), line);
});

test('what happens rarely is 0 before, so that its first time shows as an increase', async () => {
  const { set } = tasksMetricsOf();
  const shown = await set.registry.metrics();
  for (const line of [
    'penstock_batches_finished_total{status="expired"} 0',
    'penstock_batch_lines_total{outcome="failed"} 0',
    'penstock_webhook_endpoints_disabled_total{reason="gone"} 0',
    'penstock_housekeeping_failures_total{what="bodies"} 0',
  ])
    assert.ok(shown.includes(`\n${line}\n`), line);
});

test('what could not be looked at is not shown as it was before', async t => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  let isAway = false;
  const webhookJobs = { waiting: 1, active: 0, delayed: 0 };
  const watch = new RegionWatch({
    queue: {
      look: async () => (isAway ? new Promise(() => {}) : { queues: [], streams: [STREAM], deadLetters: 0 }),
    },
    store: { look: async () => (isAway ? Promise.reject(new Error('away')) : STORE) },
    webhookJobs: async () => webhookJobs,
    clock: { now: () => NOW, monotonic: () => 0 },
    log: { debug() {} } as unknown as Logger,
  });
  assert.deepEqual(watch.state, UNSEEN);
  await watch.look();
  assert.deepEqual([watch.state.queue?.streams, watch.state.store], [[STREAM], STORE]);
  isAway = true;
  const looked = watch.look();
  // A look that is under way is not repeated.
  await watch.look();
  t.mock.timers.tick(4000);
  await looked;
  assert.deepEqual(watch.state, { queue: null, store: null, webhookJobs, at: NOW });
});
