/** Tells the region once a second what this node counts. Every number is read from the node's own metrics: no second count of it. */
import {
  encodeMessage,
  type IngressStatus,
  MOST_WAITING,
  type StatusHistogram,
  type WaitingRequests,
} from '@penstock/protocol';
import type { Clock, Histogram } from '@penstock/runtime';
import type { ControlChannel } from '@penstock/transport';
import type { OpenRequest } from './dispatch/open-request.ts';
import type { IngressMetrics } from './metrics.ts';

type StatusMetric =
  | ('finished' | 'placements' | 'queueWait' | 'ttft')
  | ('cachedTokens' | 'expectedTokens' | 'promptTokens');

export interface StatusReporterOptions {
  readonly ingressId: string;
  readonly region: string;
  /** Another one for each process. */
  readonly incarnation: string;
  readonly control: Pick<ControlChannel, 'send'>;
  readonly metrics: Pick<IngressMetrics, StatusMetric>;
  readonly open: { readonly size: number; all(): Iterable<Readonly<OpenRequest>> };
  readonly clock: Clock;
}

export class StatusReporter {
  readonly #o: StatusReporterOptions;

  constructor(options: StatusReporterOptions) {
    this.#o = options;
  }

  async tell(leaving: boolean): Promise<void> {
    const { ingressId: ingress, region, control } = this.#o;
    control.send({ kind: 'ingress_status', region, ingress }, encodeMessage(await this.#read(leaving)));
  }

  async #read(leaving: boolean): Promise<IngressStatus> {
    const { ingressId: ingress, incarnation, metrics, open, clock } = this.#o;
    const countsOf = async (metric: { get(): Promise<{ values: readonly Sample[] }> }, label: string) =>
      countBy((await metric.get()).values, label);
    const [placements, finished, promptTokens, expectedTokens, cachedTokens, ttft, queueWait] =
      await Promise.all([
        countsOf(metrics.placements, 'reason'),
        countsOf(metrics.finished, 'outcome'),
        countsOf(metrics.promptTokens, 'model'),
        countsOf(metrics.expectedTokens, 'model'),
        countsOf(metrics.cachedTokens, 'model'),
        readHistogram(metrics.ttft),
        readHistogram(metrics.queueWait),
      ]);
    return {
      ...{ v: 1, ingress, incarnation, leaving, open: open.size },
      arrivals: Object.values(placements).reduce((sum, value) => sum + value, 0),
      ...{ finished, placements, promptTokens, expectedTokens, cachedTokens },
      ...{ ttft, queueWait, waiting: waitingByQueue(open.all(), clock.monotonic()) },
    };
  }
}

type Sample = { readonly value: number; readonly labels: Readonly<Partial<Record<string, string | number>>> };

function countBy(samples: readonly Sample[], label: string): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { value, labels } of samples) {
    const name = String(labels[label] ?? '');
    counts[name] = (counts[name] ?? 0) + value;
  }
  return counts;
}

/** Series that differ by other labels are added up. */
async function readHistogram(metric: Pick<Histogram, 'get'>): Promise<StatusHistogram> {
  const { values } = await metric.get();
  const counts = countBy(
    values.filter(({ metricName }) => metricName?.endsWith('_bucket')),
    'le',
  );
  const bounds = Object.keys(counts)
    .map(Number)
    .filter(Number.isFinite)
    .sort((a, b) => a - b);
  return { bounds, counts: [...bounds.map(bound => counts[bound] ?? 0), counts['+Inf'] ?? 0] };
}

function waitingByQueue(requests: Iterable<Readonly<OpenRequest>>, now: number): WaitingRequests[] {
  const byQueue = new Map<string, WaitingRequests>();
  for (const { running, slug, address, openedAt, unsent } of requests) {
    if (running !== null) continue;
    const key = `${slug} ${address.lane}`;
    const { requests: before = 0, atDoor = 0, oldestMs = 0 } = byQueue.get(key) ?? {};
    const oldest = Math.max(oldestMs, now - openedAt);
    byQueue.set(key, {
      slug,
      lane: address.lane,
      requests: before + 1,
      oldestMs: oldest,
      atDoor: atDoor + (unsent === null ? 0 : 1),
    });
  }
  return [...byQueue.values()].sort((a, b) => b.oldestMs - a.oldestMs).slice(0, MOST_WAITING);
}
