/**
 * What came over a wire and was dropped because something in it was wrong. Other processes are not believed: they may be of another
 * version, damaged, or in wrong hands. What they say is checked where it is read, and what is wrong ends nothing but itself.
 */
import type { Logger } from './logs/logger.ts';
import type { MetricSet } from './metrics.ts';

/**
 * What a message was meant to be: `packet` and `frame` of replies, `heartbeat`, `status` of an ingress, `question` to an ingress or a
 * worker, `order` to either, `announcement` of a final run, `hint` of a log, `delivery` of work, `record` in Redis. `unhandled`: it looked
 * well, and whoever it was handed to failed.
 */
const DROPPED_KINDS = [
  ...(['packet', 'frame', 'heartbeat', 'status', 'question', 'order', 'announcement', 'hint'] as const),
  ...(['delivery', 'record', 'unhandled'] as const),
] as const;
type DroppedKind = (typeof DROPPED_KINDS)[number];

/** Counts for one process. */
export class DroppedMessages {
  readonly #counts = new Map<DroppedKind, number>(DROPPED_KINDS.map(kind => [kind, 0]));

  count(kind: DroppedKind, dropped = 1): void {
    this.#counts.set(kind, (this.#counts.get(kind) ?? 0) + dropped);
  }

  of(kind: DroppedKind): number {
    return this.#counts.get(kind) ?? 0;
  }

  /** For a metric. */
  *series(): Generator<readonly [{ readonly kind: DroppedKind }, number]> {
    for (const [kind, count] of this.#counts) yield [{ kind }, count];
  }
}

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
