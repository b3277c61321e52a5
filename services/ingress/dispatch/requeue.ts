/** Requests that are taken out of the queue and put in again, elsewhere or as something else. */
import type { Fleet } from '@penstock/fleet';
import { decodeEnvelope, encodeEnvelope, type WorkMeta } from '@penstock/protocol';
import type { Clock } from '@penstock/runtime';
import type { WorkPublisher } from '@penstock/transport';
import { moveDeadline, nextAttemptBase, type OpenRequest } from './open-request.ts';

/** Attempts at queueing again work that was purged, and the pause between them, ms. */
const HAND_OVER_TRIES = 60;
const HAND_OVER_PAUSE_MS = 500;

export interface RequeueOptions {
  readonly queue: WorkPublisher;
  readonly fleet: Pick<Fleet, 'shardFor'>;
  readonly clock: Clock;
}

export class Requeue {
  readonly #o: RequeueOptions;

  constructor(options: RequeueOptions) {
    this.#o = options;
  }

  /**
   * The last worker of its model in its shard is gone: it moves to a shard that has one.
   * @returns whether it moved. @throws where it is in no queue any more.
   */
  async leaveShard(request: OpenRequest): Promise<boolean> {
    const { queue, fleet } = this.#o;
    const { address } = request;
    // A broker that does not answer now is asked again.
    const stored = await queue.read(address).catch(() => null);
    if (stored === null || request.gone || request.running !== null || request.address !== address)
      return false;
    queue.purge(address);
    request.address = { ...address, shard: fleet.shardFor(request.slug) };
    request.attempt = nextAttemptBase(request.attempt);
    await this.#publishAgain(request, stored, { ask: request.shown });
    return true;
  }

  /**
   * From here on the record is authoritative, and everything from the old message is fenced.
   * @returns `gone` if its time in the queue was over, `refused` if the queue does not accept it for half a minute.
   * @throws where the broker cannot say whether it has it: then it still has, and delivers it again by itself.
   */
  async handOver(request: OpenRequest, deadlineAt: number): Promise<'moved' | 'gone' | 'refused'> {
    const { queue } = this.#o;
    const stored = await queue.read(request.address);
    if (stored === null) return 'gone';
    // Where this fails the message may be there still, and then the publish below changes nothing: it is delivered again.
    await queue.clear(request.address).catch(() => {});
    request.attempt = nextAttemptBase(request.attempt);
    moveDeadline(request, deadlineAt);
    const change = { stored: true, ask: false, deadlineAt, held: {} };
    for (let tries = 0; tries < HAND_OVER_TRIES; tries++) {
      try {
        await this.#publishAgain(request, stored, change);
        return 'moved';
      } catch {
        await new Promise(resolve => setTimeout(resolve, HAND_OVER_PAUSE_MS));
      }
    }
    return 'refused';
  }

  async #publishAgain(request: OpenRequest, stored: Uint8Array, change: Partial<WorkMeta>): Promise<void> {
    const { queue, clock } = this.#o;
    const { meta, body } = decodeEnvelope(stored);
    const again = { ...meta, ...change, attemptBase: request.attempt };
    await queue.publish(request.address, encodeEnvelope(again, body), {
      messageId: `${request.id}-${request.attempt}`,
      ttlMs: Math.max(1, request.keptUntil - clock.monotonic()),
    });
  }
}
