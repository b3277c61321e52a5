/** Requests that are taken out of the queue and put in again, elsewhere or as something else. */

import type { Fleet } from '@penstock/fleet';
import { decodeEnvelope, encodeEnvelope, inShard, type WorkMeta, workStream } from '@penstock/protocol';
import type { Clock } from '@penstock/runtime';
import type { WorkQueue } from '@penstock/transport';
import { moveDeadline, type OpenRequest } from './open-request.ts';

/** Attempts a request can have on one subject: above the broker's own limit on deliveries. A frame has room for 64 times as many. */
const ATTEMPTS_A_SUBJECT = 1024;

/** Above every attempt that may still come of the old subject. */
export function nextBase(attempt: number): number {
  return (Math.floor(attempt / ATTEMPTS_A_SUBJECT) + 1) * ATTEMPTS_A_SUBJECT;
}

export interface MoveDeps {
  readonly queue: WorkQueue;
  readonly fleet: Fleet;
  readonly clock: Clock;
  readonly region: string;
}

/**
 * The last worker of its model in its shard is gone: it moves to a shard that has one.
 * @param isStill whether the request still waits as it did. @returns whether it moved. @throws where it is in no queue any more.
 */
export async function leaveShard(
  deps: MoveDeps,
  request: OpenRequest,
  isStill: () => boolean,
): Promise<boolean> {
  const { queue, fleet, region } = deps;
  const { stream, subject } = request;
  // A broker that does not answer now is asked again.
  const stored = await queue.read(stream, subject).catch(() => null);
  if (stored === null || !isStill() || request.running !== null || request.subject !== subject) return false;
  queue.purge(stream, subject);
  request.shard = fleet.shardFor(request.slug);
  request.stream = workStream(region, request.shard);
  request.subject = inShard(subject, request.shard);
  request.attempt = nextBase(request.attempt);
  await publishAgain(deps, request, stored, { ask: request.shown });
  return true;
}

/** How often work that was taken off the queue is offered to it again, and the pause between, ms. */
const HAND_OVER_TRIES = 60;
const HAND_OVER_PAUSE_MS = 500;

/**
 * From here on the record is the truth. Whatever still comes of the old message is fenced.
 * @returns `gone` where its time in the queue was over, `refused` where the queue does not take it for a minute.
 * @throws where the broker cannot say whether it has it: then it still has, and delivers it again by itself.
 */
export async function handOver(
  deps: MoveDeps,
  request: OpenRequest,
  deadlineAt: number,
): Promise<'moved' | 'gone' | 'refused'> {
  const stored = await deps.queue.read(request.stream, request.subject);
  if (stored === null) return 'gone';
  // Where this fails the message may be there still, and then the publish below changes nothing: it is delivered again.
  await deps.queue.clear(request.stream, request.subject).catch(() => {});
  request.attempt = nextBase(request.attempt);
  moveDeadline(request, deadlineAt);
  const change = { stored: true, ask: false, deadlineAt, held: {} };
  for (let tries = 0; tries < HAND_OVER_TRIES; tries++) {
    try {
      await publishAgain(deps, request, stored, change);
      return 'moved';
    } catch {
      await new Promise(resolve => setTimeout(resolve, HAND_OVER_PAUSE_MS));
    }
  }
  return 'refused';
}

async function publishAgain(
  { queue, clock }: MoveDeps,
  request: OpenRequest,
  stored: Uint8Array,
  change: Partial<WorkMeta>,
): Promise<void> {
  const { meta, body } = decodeEnvelope(stored);
  const again = { ...meta, ...change, attemptBase: request.attempt };
  await queue.publish(request.subject, encodeEnvelope(again, body), {
    messageId: `${request.id}-${request.attempt}`,
    ttlMs: Math.max(1, request.endsAt - clock.monotonic()),
  });
}
