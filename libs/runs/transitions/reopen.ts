/** Queues a failed run again, under its own id. */
import { encodeEnvelope, type RunStatus, type StoredRun, type WorkEnvelope } from '@penstock/protocol';
import type { RunStore, WorkPublisher } from '@penstock/transport';
import { addressOf } from '../record/new-run.ts';
import { recordLifeMs } from '../record/run-life.ts';

const LEAST_TIME_MS = 60_000;

/** A queued run may have lost its message; if it has not, queueing it again changes nothing. */
export function canReopen(status: RunStatus): boolean {
  return status === 'failed' || status === 'queued';
}

export interface ReopenWires {
  readonly store: Pick<RunStore, 'reopen'>;
  readonly queue: Pick<WorkPublisher, 'publish'>;
}

/**
 * Queues the run again, with the same time limit as at first. The record first, then the message: repeating an interrupted
 * call completes it.
 * @param work its message, as it was.
 * @param messageId different from the first, which the broker remembers for a while.
 * @param now Unix ms.
 * @returns false where the record changed meanwhile. @throws DispatchError where the queue refuses it.
 */
export async function reopen(
  { store, queue }: ReopenWires,
  run: StoredRun,
  { meta, body }: WorkEnvelope,
  messageId: string,
  now: number,
): Promise<boolean> {
  const ttlMs = Math.max(LEAST_TIME_MS, meta.deadlineAt - meta.acceptedAt);
  const deadlineAt = now + ttlMs;
  if (!(await store.reopen(run.id, deadlineAt, recordLifeMs(ttlMs)))) return false;
  // Attempt numbers continue from the record's, so that earlier attempts stay fenced.
  const again = { ...meta, attemptBase: run.attempt, deadlineAt, held: {} };
  await queue.publish(addressOf(run), encodeEnvelope(again, body), { messageId, ttlMs });
  return true;
}
