/** What becomes of messages of other processes that cannot be used. */
import type { DroppedMessages } from '@penstock/protocol';
import type { Logger } from './logs/logger.ts';
import type { MetricSet } from './metrics.ts';

/** For adapters: a message looked well, and whoever it was handed to failed. */
export function unhandledTo(log: Pick<Logger, 'error'>, dropped: DroppedMessages): (err: unknown) => void {
  return err => {
    dropped.count('unhandled');
    log.error({ err }, 'a message of another process could not be dealt with, and was dropped');
  };
}

export function addDroppedMetric(set: MetricSet, dropped: DroppedMessages): void {
  set.counterOf(
    'penstock_dropped_messages_total',
    'Messages of other processes, and records, that were dropped because something in them is wrong or not to be believed, by what they were to be; `unhandled`: dealing with one failed.',
    ['kind'],
    () => dropped.series(),
  );
}
