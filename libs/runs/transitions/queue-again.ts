/** Queues a run again whose message was lost: the broker lost its disk, or a promoted replica of the store forgot that it was answered. */
import { decodeEnvelope, encodeEnvelope, isFinalStatus, type StoredRun } from '@penstock/protocol';
import type { RunStore, WorkPublisher } from '@penstock/transport';
import { publishRun } from './accept.ts';

export interface QueueAgainWires {
  readonly store: Pick<RunStore, 'message' | 'requeue'>;
  readonly queue: Pick<WorkPublisher, 'publish'>;
}

/** `unkept`: there is no message to queue. `overdue`: no time is left. `changed`: it is final, or another attempt has begun. */
export type QueuedAgain = 'queued' | 'unkept' | 'overdue' | 'changed';

/**
 * The record first, then the message: repeating an interrupted call completes it. Nothing comes of it where something happened to the run meanwhile.
 * @param seen the run as it was when nobody had its message. @param now Unix ms.
 * @throws DispatchError where the queue refuses it.
 */
export async function queueAgain(
  { store, queue }: QueueAgainWires,
  seen: StoredRun,
  now: number,
): Promise<QueuedAgain> {
  if (isFinalStatus(seen.status)) return 'changed';
  const ttlMs = seen.deadlineAt - now;
  if (ttlMs <= 0) return 'overdue';
  const kept = await store.message(seen.id);
  if (kept === null || seen.address === null) return 'unkept';
  if (!(await store.requeue(seen.id, seen))) return 'changed';
  const { meta, body } = decodeEnvelope(kept);
  // Attempts count on from the record's, so that earlier ones stay fenced.
  const message = encodeEnvelope({ ...meta, attemptBase: seen.attempt, held: {} }, body);
  // The broker may remember the first message without having it; of two of a run it takes one.
  await publishRun(queue, seen, message, ttlMs, `${seen.id}-${seen.attempt}-${now}`);
  return 'queued';
}
