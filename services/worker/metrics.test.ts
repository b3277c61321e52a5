import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Attempt } from './attempts/attempt.ts';
import { FRESH, workerMetricsOf } from './metrics.fixture.ts';
import { type WorkerStatus, whyNotReady } from './status.ts';

const attemptOf = (answerTokens: number, model = 'chat') =>
  ({ answerTokens, work: { meta: { model, stream: true, promptTokens: 100 } } }) as unknown as Attempt;

test('what a worker is shows when somebody asks, and what its engine does not tell is left out', async () => {
  let status: WorkerStatus = FRESH;
  const { set } = workerMetricsOf(() => status);
  const text = () => set.registry.metrics();
  assert.doesNotMatch(await text(), /^penstock_engine_kv/m);
  status = {
    ...FRESH,
    ...{ isWell: false, slots: 3, learnedSlots: 5, deliveries: { taken: 7, handedBack: 2 } },
    gauges: { running: 4, waiting: 1, kvUse: 0.5, kvCapacity: 1000 },
    bids: [
      [
        { lane: 'interactive', size: 'short' },
        { kind: 'bid', level: 4, batch: 1, validS: 1, overReserve: false, reason: 'room' },
      ],
      [
        { lane: 'batch', size: 'any' },
        { kind: 'pass', reason: 'full' },
      ],
    ],
  };
  const shown = await text();
  for (const line of [
    'penstock_engine_healthy 0',
    'penstock_engine_kv_cache_usage_ratio 0.5',
    'penstock_worker_slots{kind="configured"} 128',
    'penstock_worker_slots{kind="usable"} 3',
    'penstock_worker_bid_level{lane="interactive",size="short"} 4',
    'penstock_worker_bid_passes{lane="batch",size="any",reason="full"} 1',
    'penstock_worker_deliveries_total{outcome="handed_back"} 2',
  ])
    assert.ok(shown.includes(`\n${line}\n`), line);
  assert.doesNotMatch(shown, /penstock_worker_bid_level\{lane="batch"/);
  // Read twice, a counter that is kept elsewhere is not counted twice.
  assert.match(await text(), /penstock_worker_deliveries_total\{outcome="taken"\} 7\n/);
});

test('an attempt is counted by how it ended, with the times of its tokens', async () => {
  let now = 1000;
  const { set, attempts } = workerMetricsOf(
    () => FRESH,
    () => now,
  );
  const done = attemptOf(11);
  attempts.begun(done);
  now += 200;
  attempts.firstToken(done);
  now += 300;
  attempts.ended(done, 'done', '', '');
  const failed = attemptOf(0);
  attempts.begun(failed);
  attempts.ended(failed, 'failed', 'reset', 'reset');
  const shown = await set.registry.metrics();
  for (const line of [
    'penstock_worker_attempts_total{model="chat",outcome="done"} 1',
    'penstock_worker_attempts_total{model="chat",outcome="failed"} 1',
    'penstock_generation_tokens_total{model="chat"} 11',
    'penstock_worker_estimated_prompt_tokens_total{model="chat"} 100',
    'penstock_engine_time_to_first_token_seconds_sum{model="chat"} 0.2',
    'penstock_request_time_per_output_token_seconds_sum{model="chat"} 0.03',
    'penstock_worker_attempt_duration_seconds_sum{model="chat"} 0.5',
  ])
    assert.ok(shown.includes(`\n${line}\n`), line);
});

test('adapters that come and go do not make ever more series', async () => {
  const { set, attempts } = workerMetricsOf(() => FRESH);
  for (let i = 0; i < 1000; i++) attempts.ended(attemptOf(1, `adapter-${i}`), 'done', '', '');
  const series = (await set.registry.metrics()).match(/^penstock_worker_attempts_total\{/gm) ?? [];
  assert.equal(series.length, 201);
});

test('a worker is ready while it can take work, and says why it is not', () => {
  const wires = { hasNats: true, hasRedis: true };
  assert.equal(whyNotReady({ ...FRESH, running: 8 }, wires), null);
  assert.equal(whyNotReady({ ...FRESH, isDraining: true }, wires), 'draining');
  assert.match(whyNotReady(FRESH, { ...wires, hasNats: false }) ?? '', /NATS/);
  assert.match(whyNotReady(FRESH, { ...wires, hasRedis: false }) ?? '', /Redis/);
  assert.match(whyNotReady({ ...FRESH, models: 0 }, wires) ?? '', /no model/);
  assert.match(whyNotReady({ ...FRESH, isWell: false }, wires) ?? '', /engine/);
});
