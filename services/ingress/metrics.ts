/** What an ingress counts. Labels come from closed sets only, never from user text. */
import type { Fleet } from '@penstock/fleet';
import type { PromptUsage } from '@penstock/protocol';
import {
  Counter,
  collectDefaultMetrics,
  Gauge,
  Histogram,
  LATENCY_BUCKETS_S,
  Registry,
} from '@penstock/runtime';

/** Even on both sides of 1, where an estimate is right. */
const RATIO_BUCKETS = [1 / 8, 1 / 4, 1 / 2, 1 / 1.5, 1 / 1.25, 1 / 1.1, 1, 1.1, 1.25, 1.5, 2, 4, 8];

export interface IngressMetrics {
  readonly registry: Registry;
  readonly requests: Counter<'endpoint' | 'status'>;
  readonly finished: Counter<'outcome'>;
  readonly retries: Counter<'reason'>;
  readonly fencedFrames: Counter;
  readonly placements: Counter<'reason'>;
  readonly moved: Counter<'reason'>;
  readonly promptTokens: Counter<'model'>;
  readonly expectedTokens: Counter<'model'>;
  readonly cachedTokens: Counter<'model'>;
  readonly estimateRatio: Histogram<'model'>;
  readonly ttft: Histogram;
  readonly queueWait: Histogram;
}

export function createIngressMetrics(
  open: () => number,
  fleet: Pick<Fleet, 'slotsByModel' | 'workers'>,
  bodyBytes: () => number = () => 0,
): IngressMetrics {
  const registry = new Registry();
  const registers = [registry];
  const buckets = [...LATENCY_BUCKETS_S];
  collectDefaultMetrics({ register: registry });
  createGauges(registry, open, fleet, bodyBytes);
  const counter = <T extends string = never>(name: string, help: string, ...labelNames: T[]) =>
    new Counter<T>({ name, help, labelNames, registers });
  const histogram = (name: string, help: string) => new Histogram({ name, help, buckets, registers });
  return {
    registry,
    requests: counter(
      'penstock_http_requests_total',
      'Requests by endpoint and HTTP status.',
      'endpoint',
      'status',
    ),
    finished: counter('penstock_requests_finished_total', 'Dispatched requests by outcome.', 'outcome'),
    retries: counter('penstock_failed_attempts_total', 'Failed attempts by what was decided.', 'reason'),
    fencedFrames: counter('penstock_fenced_frames_total', 'Frames of superseded attempts that were dropped.'),
    placements: counter(
      'penstock_placements_total',
      'Requests by why they went to one worker or to all.',
      'reason',
    ),
    moved: counter(
      'penstock_moved_requests_total',
      'Requests that were bound to one worker and then offered to all.',
      'reason',
    ),
    promptTokens: counter(
      'penstock_prompt_tokens_total',
      'Prompt tokens of answers whose engine said how many of them it found in its prefix cache.',
      'model',
    ),
    expectedTokens: counter(
      'penstock_expected_cached_prompt_tokens_total',
      'Of these, tokens that the dispatcher believed to be there.',
      'model',
    ),
    cachedTokens: counter(
      'penstock_cached_prompt_tokens_total',
      'Of these, tokens that the engine found there. Over penstock_prompt_tokens_total: the hit ratio.',
      'model',
    ),
    estimateRatio: createEstimateRatio(registry),
    ttft: histogram('penstock_ttft_seconds', 'From acceptance to the first byte of the answer.'),
    queueWait: histogram('penstock_queue_wait_seconds', 'From acceptance until a worker took the request.'),
  };
}

function createGauges(
  registry: Registry,
  open: () => number,
  fleet: Pick<Fleet, 'slotsByModel' | 'workers'>,
  bodyBytes: () => number,
): void {
  const registers = [registry];
  const gauge = (name: string, help: string, read: () => number) =>
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(read());
      },
    });
  gauge('penstock_open_requests', 'Requests whose clients wait at this ingress.', open);
  gauge('penstock_workers', 'Workers heard from.', () => fleet.workers);
  gauge(
    'penstock_large_body_bytes',
    'Memory that large bodies take here, out of PENSTOCK_BODY_BUDGET_BYTES.',
    bodyBytes,
  );
  gaugeSlots(registry, fleet);
}

function createEstimateRatio(registry: Registry): Histogram<'model'> {
  return new Histogram({
    name: 'penstock_prompt_token_estimate_ratio',
    help: 'Estimated prompt tokens of an answered request over those that its engine counted.',
    labelNames: ['model'],
    buckets: RATIO_BUCKETS,
    registers: [registry],
  });
}

function gaugeSlots(registry: Registry, fleet: Pick<Fleet, 'slotsByModel'>): void {
  new Gauge({
    name: 'penstock_slots',
    help: 'Requests that the workers of a model run at once, as learned of their engines.',
    labelNames: ['model'],
    registers: [registry],
    collect() {
      this.reset();
      for (const [model, count] of fleet.slotsByModel()) this.set({ model }, count);
    },
  });
}

/** Engines that report no cached tokens are not counted in the hit ratio. */
export function countUsage(
  metrics: IngressMetrics,
  model: string,
  usage: PromptUsage,
  expectedTokens: number,
): void {
  if (usage.cachedTokens === null) return;
  metrics.promptTokens.inc({ model }, usage.promptTokens);
  metrics.expectedTokens.inc({ model }, Math.round(expectedTokens));
  metrics.cachedTokens.inc({ model }, usage.cachedTokens);
}
