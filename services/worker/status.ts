/** How a worker is, for those who watch it. */
import type { BidDecision, WorkerQuote, WorkKind } from '@penstock/policy';
import type { DeliveryCounts } from './bidding/bidder.ts';
import type { EngineGauges } from './engine/gauges.ts';

export interface WorkerStatus {
  /** Models that it serves; 0 until the engine listed them and their queues are there. */
  readonly models: number;
  readonly isWell: boolean;
  readonly isDraining: boolean;
  /** Share of recent requests that failed by the engine's fault, 0–1. */
  readonly errorRate: number;
  /** As of the last probe; null where the engine publishes none. */
  readonly gauges: EngineGauges | null;
  /** Requests taken, in whatever state. */
  readonly running: number;
  /** Requests that there is room for at once, now. */
  readonly slots: number;
  /** Requests that the engine runs at once, as told or learned. */
  readonly learnedSlots: number;
  readonly quote: WorkerQuote;
  /** Share of recent time spent working, 0–1. */
  readonly load: number;
  readonly pendingReplyBytes: number;
  readonly bids: readonly (readonly [WorkKind, BidDecision])[];
  readonly deliveries: DeliveryCounts;
  /** How often the bids were renewed. */
  readonly renewals: number;
}

export interface Wires {
  readonly hasNats: boolean;
  readonly hasRedis: boolean;
}

/** Why the worker takes no work now, or null. A full one is ready. */
export function whyNotReady(status: WorkerStatus, { hasNats, hasRedis }: Wires): string | null {
  if (status.isDraining) return 'draining';
  if (!hasNats) return 'no connection to NATS';
  if (!hasRedis) return 'no connection to Redis';
  if (status.models === 0) return 'no model yet: the engine lists none, or no ingress has made the queue';
  return status.isWell ? null : 'the engine is sick: it does not answer, or fails requests';
}
