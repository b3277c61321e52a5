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
  return {
    registry,
    requests: new Counter({
      name: 'penstock_http_requests_total',
      help: 'Requests by endpoint and HTTP status.',
      labelNames: ['endpoint', 'status'],
      registers,
    }),
    finished: new Counter({
      name: 'penstock_requests_finished_total',
      help: 'Dispatched requests by outcome.',
      labelNames: ['outcome'],
      registers,
    }),
    retries: new Counter({
      name: 'penstock_failed_attempts_total',
      help: 'Failed attempts by what was decided.',
      labelNames: ['reason'],
      registers,
    }),
    fencedFrames: new Counter({
      name: 'penstock_fenced_frames_total',
      help: 'Frames of superseded attempts that were dropped.',
      registers,
    }),
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
