import type { WebhookEvent } from '@penstock/protocol';
import type { PostOutcome } from './poster.ts';

/** One event to be sent to one endpoint. */
export interface DeliveryJob {
  readonly endpoint: string;
  readonly event: WebhookEvent;
  /** Whose share of the slots it takes. Absent in jobs of an earlier version. */
  readonly tenant?: string;
  /** When it was requested again, Unix ms: its retry schedule begins then. Absent: it begins with the event. */
  readonly askedAt?: number;
  /** Sent once, whatever the state of the endpoint, and not counted. */
  readonly isTest?: boolean;
}

export type JobOutcome =
  | { readonly kind: 'done'; readonly result: PostOutcome | null }
  /** The attempt failed; another one follows after the delay. */
  | { readonly kind: 'retry'; readonly delayMs: number }
  /** No attempt was made. */
  | { readonly kind: 'later'; readonly delayMs: number }
  | { readonly kind: 'given_up'; readonly reason: string };

/**
 * Deliveries to be made. Promises: each is run until it is done or given up, across restarts of every process; a delivery
 * that was added before is not added again while it is remembered. Does *not* promise that an attempt is made only once.
 */
export interface DeliveryJobs {
  add(jobs: readonly DeliveryJob[]): Promise<void>;
  /** As {@link add}, of deliveries that somebody may have added in part. */
  completeAdd(jobs: readonly DeliveryJob[]): Promise<void>;
  /** Adds a delivery although it was made before. @param nonce makes it a new one. */
  again(job: DeliveryJob, nonce: string): Promise<void>;
  /** Adds a delivery and waits for the outcome of its only attempt; null when no process made it within `waitMs`. */
  once(job: DeliveryJob, nonce: string, waitMs: number): Promise<PostOutcome | null>;
  /** @param run the attempt's number starts at 1. @param trouble called when the job queue itself fails. */
  work(
    run: (job: DeliveryJob, attempt: number, stop: AbortSignal) => Promise<JobOutcome>,
    trouble: (err: Error) => void,
  ): void;
  /** How many deliveries wait for an attempt, are being made, or wait for their next one. */
  counts(): Promise<{ readonly waiting: number; readonly active: number; readonly delayed: number }>;
  close(): Promise<void>;
}
