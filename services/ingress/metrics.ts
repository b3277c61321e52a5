/** What an ingress counts. Labels come from closed sets only, never from user text. */
import { type LimitObserver, limitMetrics } from '@penstock/access';
import type { Fleet } from '@penstock/fleet';
import type { PromptUsage } from '@penstock/protocol';
import {
  addDroppedMetric,
  BoundedLabel,
  type Counter,
  type DroppedMessages,
  FIRST_TOKEN_BUCKETS_S,
  type Histogram,
  MetricSet,
  OTHER,
  REQUEST_BUCKETS_S,
  type TracedHistogram,
  VERSION,
} from '@penstock/runtime';

/** Even on both sides of 1, where an estimate is right. */
const RATIO_BUCKETS = [1 / 8, 1 / 4, 1 / 2, 1 / 1.5, 1 / 1.25, 1 / 1.1, 1, 1.1, 1.25, 1.5, 2, 4, 8];

/** What the gauges show. */
export interface IngressGauges {
  /** Requests whose clients wait here. */
  readonly open: () => number;
  /** How long the one of these has waited that has waited longest for a worker, s; 0 where none waits. */
  readonly oldestWaitS: () => number;
  /** Memory that large bodies take. */
  readonly bodyBytes: () => number;
  /** Memory that answers take which clients have yet to take. */
  readonly answerBytes: () => number;
  /** 1 while the file of projects is refused as it is. */
  readonly fileRefused: () => number;
  /** Requests that wait at the door, by the slug of their queue. */
  readonly atDoor: () => Iterable<readonly [slug: string, count: number]>;
  readonly dropped: DroppedMessages;
  /** Of the API; null where its port speaks plainly. */
  readonly certificate: { readonly endsAt: number; readonly isStale: boolean } | null;
  readonly fleet: Pick<Fleet, 'nameOf' | 'slotsByModel' | 'workers' | 'workersByModel'>;
}

export interface IngressMetrics {
  readonly set: MetricSet;
  /** The label `model` of what waits in a queue. @param slug of the queue. */
  readonly modelOf: (slug: string) => string;
  readonly requests: Counter<'endpoint' | 'status'>;
  readonly refusedKeys: Counter<'reason'>;
  readonly finished: Counter<'outcome'>;
  readonly retries: Counter<'reason'>;
  readonly fencedFrames: Counter;
  readonly placements: Counter<'reason'>;
  readonly moved: Counter<'reason'>;
  readonly promptTokens: Counter<'model'>;
  readonly expectedTokens: Counter<'model'>;
  readonly cachedTokens: Counter<'model'>;
  readonly estimateRatio: Histogram<'model'>;
  readonly ttft: TracedHistogram<'model' | 'lane'>;
  readonly queueWait: Histogram<'model' | 'lane'>;
  readonly duration: Histogram<'model' | 'lane'>;
  readonly doorWait: Histogram<'model'>;
  readonly waitEstimateRatio: Histogram<'model'>;
  readonly refusedAtDoor: Counter<'model' | 'mode' | 'reason'>;
  readonly standIns: Counter<'model'>;
  readonly limits: LimitObserver;
}

/** @param isTraced whether there are traces to name. */
export function createIngressMetrics(gauges: IngressGauges, isTraced = false): IngressMetrics {
  const set = new MetricSet({ service: 'ingress', version: VERSION });
  addGauges(set, gauges);
  addDroppedMetric(set, gauges.dropped);
  const models = new BoundedLabel();
  const modelOf = (slug: string) => {
    const name = gauges.fleet.nameOf(slug);
    return name === undefined ? OTHER : models.of(name);
  };
  addDoorGauge(set, modelOf, gauges);
  return {
    ...{ set, modelOf },
    refusedAtDoor: set.counter(
      'penstock_refused_waits_total',
      'Interactive requests that were refused because the first token would have come after their client had left (mode enforced), or would have been (shadow), by when that was known.',
      ...(['model', 'mode', 'reason'] as const),
    ),
    standIns: set.counter(
      'penstock_stand_ins_total',
      'Interactive requests that a fallback served because the model that they asked for would have been too late, by that model.',
      'model',
    ),
    waitEstimateRatio: set.histogram(
      'penstock_wait_estimate_ratio',
      'Estimated time to the first token over what it took, of requests that had to wait and took more than a second.',
      RATIO_BUCKETS,
      'model',
    ),
    doorWait: set.histogram(
      'penstock_door_wait_seconds',
      'How long requests waited at the door of their ingress for the turn of their project, of those that had to.',
      FIRST_TOKEN_BUCKETS_S,
      'model',
    ),
    ...counters(set),
    estimateRatio: set.histogram(
      'penstock_prompt_token_estimate_ratio',
      'Estimated prompt tokens of an answered request over those that its engine counted.',
      RATIO_BUCKETS,
      'model',
    ),
    limits: limitMetrics(set),
    ttft: firstTokens(set, isTraced),
    queueWait: set.histogram(
      'penstock_request_queue_time_seconds',
      'Of these, from acceptance until a worker took the request.',
      FIRST_TOKEN_BUCKETS_S,
      ...(['model', 'lane'] as const),
    ),
    duration: set.histogram(
      'penstock_e2e_request_latency_seconds',
      'From acceptance to the end of the answer, where there is one and a client waits for it.',
      REQUEST_BUCKETS_S,
      ...(['model', 'lane'] as const),
    ),
  };
}

/** Several queues may be of one model. */
function addDoorGauge(set: MetricSet, modelOf: (slug: string) => string, { atDoor }: IngressGauges): void {
  set.gauges(
    'penstock_door_waiting',
    'Requests that wait at the door of this ingress for the turn of their project: not on the queue yet.',
    ['model'],
    () => {
      const counts = new Map<string, number>();
      for (const [slug, count] of atDoor()) {
        const model = modelOf(slug);
        counts.set(model, count + (counts.get(model) ?? 0));
      }
      return [...counts].map(([model, count]) => [{ model }, count]);
    },
  );
}

function firstTokens(set: MetricSet, isTraced: boolean): TracedHistogram<'model' | 'lane'> {
  const about = [
    'penstock_time_to_first_token_seconds',
    'From acceptance to the first byte of the answer, where a client waits for it.',
    FIRST_TOKEN_BUCKETS_S,
    ...(['model', 'lane'] as const),
  ] as const;
  if (isTraced) return set.tracedHistogram(...about);
  const histogram = set.histogram(...about);
  return { get: () => histogram.get(), observe: (labels, value) => histogram.observe(labels, value) };
}

function counters(set: MetricSet) {
  return {
    requests: set.counter(
      'penstock_http_requests_total',
      'Answers by endpoint, or route, and HTTP status, refusals too; 499: the client left before. Probes are not counted.',
      'endpoint',
      'status',
    ),
    refusedKeys: set.counter(
      'penstock_refused_keys_total',
      'Requests whose API key was refused, or that had none, by why.',
      'reason',
    ),
    finished: set.counter('penstock_requests_finished_total', 'Dispatched requests by outcome.', 'outcome'),
    retries: set.counter('penstock_failed_attempts_total', 'Failed attempts by what was decided.', 'reason'),
    fencedFrames: set.counter(
      'penstock_fenced_frames_total',
      'Frames that were dropped, because another attempt has the request or theirs has ended.',
    ),
    placements: set.counter(
      'penstock_placements_total',
      'Requests by why they went to one worker or to all.',
      'reason',
    ),
    moved: set.counter(
      'penstock_moved_requests_total',
      'Requests that were bound to one worker and then offered to all.',
      'reason',
    ),
    promptTokens: set.counter(
      'penstock_prompt_tokens_total',
      'Prompt tokens of answers whose engine said how many of them it found in its prefix cache.',
      'model',
    ),
    expectedTokens: set.counter(
      'penstock_expected_cached_prompt_tokens_total',
      'Of these, tokens that the dispatcher believed to be there.',
      'model',
    ),
    cachedTokens: set.counter(
      'penstock_cached_prompt_tokens_total',
      'Of these, tokens that the engine found there. Over penstock_prompt_tokens_total: the hit ratio.',
      'model',
    ),
  };
}

function addGauges(
  set: MetricSet,
  { open, oldestWaitS, bodyBytes, answerBytes, fileRefused, fleet, certificate }: IngressGauges,
): void {
  set.gauge('penstock_open_requests', 'Requests whose clients wait at this ingress.', open);
  set.gauge(
    'penstock_oldest_waiting_request_age_seconds',
    'Of these, how long the one has waited that has waited longest for a worker; 0 where none waits.',
    oldestWaitS,
  );
  set.gauge('penstock_workers', 'Workers heard from.', () => fleet.workers);
  set.gauges(
    'penstock_model_workers',
    'Workers of each known model that take work now: not sick, not draining, not silent.',
    ['model'],
    () => fleet.workersByModel().map(([model, count]) => [{ model }, count]),
  );
  set.gauge(
    'penstock_large_body_bytes',
    'Memory that large bodies take here, out of PENSTOCK_BODY_BUDGET_BYTES.',
    bodyBytes,
  );
  set.gauge(
    'penstock_answer_bytes',
    'Memory that answers take here which clients have yet to take, out of PENSTOCK_ANSWER_BUDGET_BYTES.',
    answerBytes,
  );
  set.gauge(
    'penstock_tls_certificate_expiry_timestamp_seconds',
    'When the certificate of the API expires, unix time; absent without TLS.',
    () => certificate?.endsAt ?? null,
  );
  set.gauge(
    'penstock_tls_certificate_stale',
    '1 while the files of the certificate hold something that cannot be used, and the earlier one goes on; absent without TLS.',
    () => (certificate === null ? null : Number(certificate.isStale)),
  );
  set.gauge(
    'penstock_projects_file_refused',
    '1 while the file of projects cannot be read or has a mistake in it: what it said before goes on.',
    fileRefused,
  );
  set.gauges(
    'penstock_slots',
    'Requests that the workers of a model run at once, as learned of their engines.',
    ['model'],
    () => fleet.slotsByModel().map(([model, count]) => [{ model }, count]),
  );
}

/** Engines that report no cached tokens are not counted in the hit ratio. @param slug of the queue. */
export function countUsage(
  metrics: IngressMetrics,
  slug: string,
  usage: PromptUsage,
  expectedTokens: number,
): void {
  if (usage.cachedTokens === null) return;
  const model = metrics.modelOf(slug);
  metrics.promptTokens.inc({ model }, usage.promptTokens);
  metrics.expectedTokens.inc({ model }, Math.round(expectedTokens));
  metrics.cachedTokens.inc({ model }, usage.cachedTokens);
}
