/** What an ingress counts. Labels come from closed sets only, never from user text. */
import {
  Counter,
  collectDefaultMetrics,
  Gauge,
  Histogram,
  LATENCY_BUCKETS_S,
  Registry,
} from '@penstock/runtime';

export interface IngressMetrics {
  readonly registry: Registry;
  readonly requests: Counter<'endpoint' | 'status'>;
  readonly finished: Counter<'outcome'>;
  readonly retries: Counter<'reason'>;
  readonly fencedFrames: Counter;
  readonly placements: Counter<'reason'>;
  readonly moved: Counter<'reason'>;
  readonly promptTokens: Counter;
  readonly cachedTokens: Counter;
  readonly ttft: Histogram;
  readonly queueWait: Histogram;
}

export function createIngressMetrics(open: () => number, workers: () => number): IngressMetrics {
  const registry = new Registry();
  const registers = [registry];
  const buckets = [...LATENCY_BUCKETS_S];
  collectDefaultMetrics({ register: registry });
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
  gauge('penstock_workers', 'Workers heard from.', workers);
  const counter = <T extends string = never>(name: string, help: string, ...labelNames: T[]) =>
    new Counter<T>({ name, help, labelNames, registers });
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
      'Prompt tokens of answers whose engine reported usage.',
    ),
    cachedTokens: counter(
      'penstock_cached_prompt_tokens_total',
      'Of these, tokens that the engine found in its prefix cache.',
    ),
    ttft: new Histogram({
      name: 'penstock_ttft_seconds',
      help: 'From acceptance to the first byte of the answer.',
      buckets,
      registers,
    }),
    queueWait: new Histogram({
      name: 'penstock_queue_wait_seconds',
      help: 'From acceptance until a worker took the request.',
      buckets,
      registers,
    }),
  };
}

/** Cached and computed prompt tokens as engines report them. */
const CACHED_TOKENS = /"cached_tokens": ?(\d+)/;
const PROMPT_TOKENS = /"prompt_tokens": ?(\d+)/;
/** Where usage can be: at the end of an answer. */
const USAGE_WITHIN = 1024;

/** The engine's own word on cache hits. Streams tell it only when the client asked for usage. */
export function countUsage(metrics: IngressMetrics, lastBytes: Buffer): void {
  if (lastBytes.length === 0) return;
  const tail = lastBytes.toString('latin1', Math.max(0, lastBytes.length - USAGE_WITHIN));
  const prompt = PROMPT_TOKENS.exec(tail);
  if (prompt === null) return;
  metrics.promptTokens.inc(Number(prompt[1]));
  metrics.cachedTokens.inc(Number(CACHED_TOKENS.exec(tail)?.[1] ?? 0));
}
