/** What a worker counts. Labels come from closed sets, and from the names of the models that its engine serves. */
import {
  addDroppedMetric,
  BoundedLabel,
  type Clock,
  type DroppedMessages,
  FIRST_TOKEN_BUCKETS_S,
  MetricSet,
  REQUEST_BUCKETS_S,
  TOKEN_BUCKETS_S,
  VERSION,
} from '@penstock/runtime';
import type { Attempt } from './attempts/attempt.ts';
import type { AttemptObserver } from './attempts/running-attempts.ts';
import type { WorkerStatus } from './status.ts';

interface Times {
  readonly begunAt: number;
  firstTokenAt: number | null;
}

export interface WorkerMetrics {
  readonly set: MetricSet;
  readonly attempts: AttemptObserver;
}

/** @param status of the worker as it is when somebody asks. @param mostSlots requests that the operator allows at once. */
export function createWorkerMetrics(
  status: () => WorkerStatus,
  mostSlots: number,
  dropped: DroppedMessages,
  clock: Pick<Clock, 'monotonic'>,
): WorkerMetrics {
  const set = new MetricSet({ service: 'worker', version: VERSION });
  addEngineGauges(set, status);
  addSlotGauges(set, status, mostSlots);
  addBidGauges(set, status);
  addDroppedMetric(set, dropped);
  set.gauge(
    'penstock_worker_pending_reply_bytes',
    'Bytes of answers that Redis has not confirmed yet. With more than 64 MiB of them the worker takes nothing new.',
    () => status().pendingReplyBytes,
  );
  return { set, attempts: countAttempts(set, clock) };
}

function addEngineGauges(set: MetricSet, status: () => WorkerStatus): void {
  set.gauge(
    'penstock_engine_healthy',
    '1 while the engine is well; 0 while it is sick, and the worker does not pull.',
    () => Number(status().isWell),
  );
  set.gauge(
    'penstock_engine_error_ratio',
    "Share of recent requests that failed by the engine's fault; the latest count most.",
    () => status().errorRate,
  );
  set.gauge(
    'penstock_engine_requests_running',
    'Requests that the engine says it runs, of whoever they are. Absent where it does not say.',
    () => status().gauges?.running ?? null,
  );
  set.gauge(
    'penstock_engine_requests_waiting',
    'Requests that the engine says wait inside it. Absent where it does not say.',
    () => status().gauges?.waiting ?? null,
  );
  set.gauge(
    'penstock_engine_kv_cache_usage_ratio',
    'KV cache that the engine says is in use. Absent where it does not say.',
    () => status().gauges?.kvUse ?? null,
  );
  set.gauge(
    'penstock_engine_kv_cache_capacity_tokens',
    'Tokens that the KV cache holds, as the engine says. Absent where it does not say.',
    () => status().gauges?.kvCapacity ?? null,
  );
}

function addSlotGauges(set: MetricSet, status: () => WorkerStatus, mostSlots: number): void {
  set.gauge('penstock_worker_models', 'Models that the worker pulls work for.', () => status().models);
  set.gauge(
    'penstock_worker_requests_running',
    'Requests that the worker has taken and not finished.',
    () => status().running,
  );
  set.gauges(
    'penstock_worker_slots',
    'Requests at once. `configured`: that PENSTOCK_SLOTS allows; `learned`: that the engine runs, as it told or as was learned; `usable`: of these, not used by others.',
    ['kind'],
    () => {
      const { learnedSlots, slots } = status();
      return [
        [{ kind: 'configured' }, mostSlots],
        [{ kind: 'learned' }, learnedSlots],
        [{ kind: 'usable' }, slots],
      ];
    },
  );
  set.gauge(
    'penstock_worker_draining',
    '1 while the worker drains: it finishes what runs and takes nothing new.',
    () => Number(status().isDraining),
  );
  set.gauge(
    'penstock_worker_busy_ratio',
    'Share of recent time spent working; the latest counts most.',
    () => status().load,
  );
}

function addBidGauges(set: MetricSet, status: () => WorkerStatus): void {
  set.gauge(
    'penstock_worker_prefill_wait_seconds',
    'Quoted wait before the prefill of a new prompt would begin.',
    () => status().quote.waitS,
  );
  set.gauge(
    'penstock_worker_prefill_tokens_per_second',
    'Prompt tokens that the engine computes in a second, as learned; 0 before anything was.',
    () => status().quote.tokensPerSec,
  );
  set.gauges(
    'penstock_worker_bid_level',
    'Level of the live pull for a kind of work, 0 to 9. Absent while the worker does not bid for it.',
    ['lane', 'size'],
    () =>
      status().bids.flatMap(([{ lane, size }, bid]) =>
        bid.kind === 'bid' ? [[{ lane, size }, bid.level] as const] : [],
      ),
  );
  set.gauges(
    'penstock_worker_bid_passes',
    '1 with the reason why the worker does not bid for a kind of work: `full`, `over_reserve`, `kv_full`, `sick`, `draining`.',
    ['lane', 'size', 'reason'],
    () =>
      status().bids.flatMap(([{ lane, size }, { kind, reason }]) =>
        kind === 'pass' ? [[{ lane, size, reason }, 1] as const] : [],
      ),
  );
  set.counterOf('penstock_worker_bid_renewals_total', 'How often all pulls were quoted anew.', [], () => [
    [{}, status().renewals],
  ]);
  set.counterOf(
    'penstock_worker_deliveries_total',
    'Deliveries of pulls: `taken`, or `handed_back` because the last slot was gone or the pull withdrawn.',
    ['outcome'],
    () => {
      const { taken, handedBack } = status().deliveries;
      return [
        [{ outcome: 'taken' }, taken],
        [{ outcome: 'handed_back' }, handedBack],
      ];
    },
  );
}

/** Attempts from their beginning here to their end. */
function countAttempts(set: MetricSet, clock: Pick<Clock, 'monotonic'>): AttemptObserver {
  const models = new BoundedLabel();
  const times = new WeakMap<Attempt, Times>();
  const ended = set.counter(
    'penstock_worker_attempts_total',
    'Attempts by how they ended: `done`, `client_error` (the engine refused the request), `busy` (no room), `gone` (the model was unloaded), `misconfigured` (it does not accept our credentials, or redirects), `not_loaded` (the body could not be read), `failed`, `dropped` (cancelled, superseded or handed back).',
    ...(['model', 'outcome'] as const),
  );
  const prompt = set.counter(
    'penstock_worker_estimated_prompt_tokens_total',
    'Prompt tokens of attempts that were done, as estimated.',
    'model',
  );
  const generated = set.counter(
    'penstock_generation_tokens_total',
    'Tokens of answers, also of attempts that failed after some: as the engine counts them, else one an event.',
    'model',
  );
  const histogram = (name: string, help: string, buckets: readonly number[]) =>
    set.histogram(name, help, buckets, 'model');
  const firstToken = histogram(
    'penstock_engine_time_to_first_token_seconds',
    'From the call of the engine to its first token; of an answer in one piece, to its end.',
    FIRST_TOKEN_BUCKETS_S,
  );
  const perToken = histogram(
    'penstock_request_time_per_output_token_seconds',
    'Mean gap between the tokens of a streamed answer after its first (TPOT).',
    TOKEN_BUCKETS_S,
  );
  const duration = histogram(
    'penstock_worker_attempt_duration_seconds',
    'From the call of the engine to the end of an attempt that was done.',
    REQUEST_BUCKETS_S,
  );
  return {
    begun: attempt => void times.set(attempt, { begunAt: clock.monotonic(), firstTokenAt: null }),
    firstToken(attempt) {
      const own = times.get(attempt);
      if (own === undefined) return;
      own.firstTokenAt = clock.monotonic();
      firstToken.observe(
        { model: models.of(attempt.work.meta.model) },
        (own.firstTokenAt - own.begunAt) / 1000,
      );
    },
    ended(attempt, outcome) {
      const { meta } = attempt.work;
      const model = models.of(meta.model);
      ended.inc({ model, outcome });
      generated.inc({ model }, attempt.answerTokens);
      const own = times.get(attempt);
      if (outcome !== 'done' || own === undefined) return;
      prompt.inc({ model }, meta.promptTokens);
      const now = clock.monotonic();
      duration.observe({ model }, (now - own.begunAt) / 1000);
      const gaps = attempt.answerTokens - 1;
      if (meta.stream && own.firstTokenAt !== null && gaps > 0)
        perToken.observe({ model }, (now - own.firstTokenAt) / 1000 / gaps);
    },
  };
}
