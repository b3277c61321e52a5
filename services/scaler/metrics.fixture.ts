/** Metrics of a scaler that has seen nothing yet. */
import { DroppedMessages } from '@penstock/runtime';
import { CostMeter } from './cost/cost-meter.ts';
import { createScalerMetrics, type ScalerMetrics } from './metrics.ts';

export function emptyScalerMetrics(): ScalerMetrics {
  const cost = new CostMeter({ now: () => 0, monotonic: () => 0 }, 1.5);
  return createScalerMetrics({
    ...{ scaler: () => null, cost, perMillionTokens: () => null, isLeader: () => true },
    ...{ ageS: () => Number.POSITIVE_INFINITY, dropped: new DroppedMessages() },
  });
}
