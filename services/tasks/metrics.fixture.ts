/** Metrics of a tasks process that has seen nothing yet. */
import { DroppedMessages } from '@penstock/runtime';
import type { RegionState } from './housekeeping/region-watch.ts';
import { UNSEEN } from './housekeeping/region-watch.ts';
import { createTasksMetrics, type TasksMetrics } from './metrics.ts';

/** @param nowMs Unix ms. */
export function tasksMetricsOf(region: () => RegionState = () => UNSEEN, nowMs = 0): TasksMetrics {
  const clock = { now: () => nowMs, monotonic: () => nowMs };
  const batches = () => ({ batches: 0, lines: 0 });
  return createTasksMetrics({
    region,
    batches,
    dropped: new DroppedMessages(),
    nameOf: slug => (slug === 'm' ? 'M' : undefined),
    clock,
  });
}
