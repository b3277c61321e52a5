/** How long runs and their records live. Everything is in ms. */
import { timeoutOf } from '@penstock/policy';
import { MAX_RUN_TIMEOUT_MS } from '@penstock/protocol';
import type { RunTtl } from '@penstock/transport';

/** A record outlives its run's time in the queue by this, so that a late client learns the outcome. */
export const RECORD_SLACK_MS = 24 * 3_600_000;
/** A run that began in time may run this long past its deadline. */
export const RUNNING_SLACK_MS = 10 * 60_000;
/** The lines of a batch have this much more time than the batch. */
const LINE_SLACK_MS = 60_000;

/** How long the record of an open run is kept. @param queueMs how long the run may wait in the queue. */
export function recordLifeMs(queueMs: number): number {
  return queueMs + RECORD_SLACK_MS;
}

/** How long a run stays in the list of its tenant, counted from its creation: as long as any record of a run may be kept. */
export function listedMs({ recordMs }: Pick<RunTtl, 'recordMs'>): number {
  return MAX_RUN_TIMEOUT_MS + RUNNING_SLACK_MS + recordMs;
}

/**
 * How long a run may wait until an engine starts it: what its client says, at most {@link MAX_RUN_TIMEOUT_MS}, which is also the default.
 * @param header `x-request-timeout-ms`. The SDKs' own time-outs are about a connection, not about a run.
 */
export function runTimeoutMs(header: string | undefined): number {
  // Redis takes whole milliseconds only.
  return Math.ceil(timeoutOf({ requestTimeoutMs: header }, MAX_RUN_TIMEOUT_MS, MAX_RUN_TIMEOUT_MS));
}

/** A batch stops its lines itself when it expires: a worker that expired one first would store an error as its answer. */
export function lineDeadline(batchExpiresAt: number): number {
  return batchExpiresAt + LINE_SLACK_MS;
}
