import assert from 'node:assert/strict';
import { test } from 'node:test';
import { incidentOf } from './incident.ts';
import type { IngressRow, QueueRow, RegionState, WorkerRow } from './region-state.ts';

const UP: IngressRow = { state: 'up', open: 0, arrivals: 0, finished: {}, firstTokens: 0 };
const WORKER: WorkerRow = {
  ...{ state: 'idle', models: ['llama-70b'], shard: 0, slots: 8, running: 0, waitS: 0, tokensPerSec: 1 },
};
const QUEUE: QueueRow = {
  ...{ state: 'idle', model: 'llama-70b', lane: 'interactive', queued: 0, oldestS: 0 },
  ...{ workers: 1, ready: 1, slots: 8, free: 8 },
};
const LATE: QueueRow = { ...QUEUE, state: 'late', queued: 9, oldestS: 14, free: 0 };

interface Some {
  ingress?: Record<string, IngressRow>;
  workers?: Record<string, Partial<WorkerRow>>;
  queues?: Partial<QueueRow>[];
  totals?: Partial<RegionState['totals']>;
  broker?: 'down';
}

function said({ ingress, workers = { 'w-1': {} }, queues = [{}], totals, broker = undefined }: Some): string {
  const { severity, text } = incidentOf({
    ...{ region: 'eu', at: 0, broker: broker ?? 'up', targetTtftS: 2.5, ingress: ingress ?? { 'in-1': UP } },
    traffic: { placements: {}, prompts: {} },
    totals: {
      ...{
        arrivalsPerS: 0,
        servedPerS: 0,
        open: 0,
        queued: 0,
        oldestS: 0,
        running: 0,
        slots: 8,
        outputPerS: 0,
      },
      ...totals,
    },
    workers: Object.fromEntries(Object.entries(workers).map(([name, row]) => [name, { ...WORKER, ...row }])),
    queues: Object.fromEntries(queues.map((row, i) => [String(i), { ...QUEUE, ...row }])),
  });
  return `${severity}: ${text}`;
}

test('what is well is said, with how much there is', () => {
  assert.equal(said({}), 'ok: All is well: 1 worker, 1 model, nothing waits.');
  const calls: Partial<QueueRow> = { state: 'waiting', queued: 3, oldestS: 0.4 };
  assert.equal(
    said({ queues: [calls] }),
    'ok: All is well: 1 worker, 1 model, no call waits longer than 400 ms.',
  );
  const lines: Partial<QueueRow> = { state: 'waiting', lane: 'batch', queued: 1, oldestS: 25 };
  assert.equal(
    said({ queues: [lines] }),
    'ok: All is well: 1 worker, 1 model, no call waits, 1 request of lower lanes waits for idle capacity.',
  );
  assert.match(
    said({ queues: [calls, { ...lines, queued: 2 }] }),
    /than 400 ms, 2 requests of lower lanes wait for/,
  );
  assert.equal(said({ workers: {}, queues: [] }), 'warn: No worker is heard.');
});

test('what is late is named with how long it waits and why', () => {
  assert.equal(
    said({ queues: [LATE], workers: { 'w-1': { state: 'full' } } }),
    'late: 1 model is late: llama-70b waits 14 s, its worker is full.',
  );
  assert.equal(
    said({
      queues: [
        { ...LATE, ready: 6 },
        { ...LATE, model: 'qwen', oldestS: 3 },
      ],
      workers: { a: { state: 'full' }, b: { state: 'draining' }, c: { state: 'sick' }, d: { state: 'sick' } },
    }),
    'late: 2 models are late: llama-70b waits 14 s, its 6 workers are full, 2 are sick, 1 is draining.',
  );
  assert.equal(
    said({ queues: [{ ...LATE, free: 3 }] }),
    'late: 1 model is late: llama-70b waits 14 s, although 3 slots are free.',
  );
});

test('what nobody serves is said before what is late', () => {
  const orphans = { ...LATE, state: 'no_worker' as const, model: 'qwen', queued: 1, ready: 0 };
  assert.equal(
    said({ queues: [orphans, LATE] }),
    'late: 1 request waits for qwen, which no worker serves now. 1 model is late: llama-70b waits 14 s, its worker is full.',
  );
  const models = ['a', 'b', 'c'].map(model => ({ ...orphans, model, queued: 2 }));
  assert.match(
    said({ queues: models }),
    /^late: 6 requests wait for a and 2 others, which no worker serves now\.$/,
  );
});

test('what is unusual is a warning: broken workers of models that are on time, a missed target', () => {
  assert.equal(said({ workers: { 'w-1': {}, 'w-2': { state: 'silent' } } }), 'warn: Worker w-2 is silent.');
  assert.equal(
    said({ workers: { a: { state: 'sick' }, b: { state: 'sick' }, c: {} } }),
    'warn: 2 workers are sick.',
  );
  assert.equal(
    said({ totals: { inTarget: 0.97 } }),
    "warn: Only 97 % of the last minute's requests had a first token within 2.5 s.",
  );
  assert.equal(
    said({ queues: [LATE], workers: { 'w-1': { state: 'sick' } } }).includes('Worker'),
    false,
    'it was named as a reason',
  );
});

test('without ingress nodes or a broker nothing else matters', () => {
  assert.match(said({ ingress: {} }), /^late: No ingress node is heard/);
  const silent: IngressRow = { ...UP, state: 'silent' };
  assert.match(said({ ingress: { a: silent } }), /^late: No ingress node is heard any more/);
  assert.match(said({ ingress: { a: silent, b: UP } }), /^late: Ingress a is silent\.$/);
  assert.match(said({ broker: 'down', queues: [LATE] }), /^late: The console has no connection to NATS/);
});
