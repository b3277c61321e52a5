/** Metrics of a worker that has just started. */
import { DroppedMessages, type MetricSet } from '@penstock/runtime';
import { createWorkerMetrics, type WorkerMetrics } from './metrics.ts';
import type { WorkerStatus } from './status.ts';

export const FRESH: WorkerStatus = {
  ...{ models: 1, isWell: true, isDraining: false, errorRate: 0, gauges: null, running: 0, slots: 8 },
  ...{ learnedSlots: 8, quote: { waitS: 0, tokensPerSec: 0, cacheTokens: 0 }, load: 0 },
  ...{ pendingReplyBytes: 0, bids: [], deliveries: { taken: 0, handedBack: 0 }, renewals: 0 },
};

/** @param status changed by the test as it likes. */
export function workerMetricsOf(status: () => WorkerStatus, now: () => number = () => 0): WorkerMetrics {
  return createWorkerMetrics(status, 128, new DroppedMessages(), { monotonic: now });
}

export function emptyWorkerMetrics(): MetricSet {
  return workerMetricsOf(() => FRESH).set;
}
