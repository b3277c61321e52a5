/** Requests that are taken out of the queue and put in again, elsewhere or as something else. */
import type { Fleet } from '@penstock/fleet';
import {
  asBuffer,
  decodeEnvelope,
  encodeEnvelope,
  type NewRun,
  nextAttemptBase,
  type QueueAddress,
  subjectOf,
  type WorkEnvelope,
} from '@penstock/protocol';
import { asStoredWork } from '@penstock/runs';
import { type Clock, drawKey } from '@penstock/runtime';
import type { ClaimCheck, WorkPublisher } from '@penstock/transport';
import { type Bound, moveDeadline, type OpenRequest } from './open-request.ts';

/** Attempts at queueing again work that was purged, and the pause between them, ms. */
const HAND_OVER_TRIES = 60;
const HAND_OVER_PAUSE_MS = 500;

/** The record of a converted call. */
export interface Converted {
  readonly run: NewRun;
  move(address: QueueAddress): Promise<void>;
}

export interface RequeueOptions {
  readonly queue: WorkPublisher;
  readonly fleet: Pick<Fleet, 'shardFor'>;
  readonly clock: Clock;
  /** Stored work is sealed where that of waiting clients is not. */
  readonly claims: Pick<ClaimCheck, 'sealed'>;
}

export class Requeue {
  readonly #o: RequeueOptions;
  /** Moves under way: until they end, their requests are in no queue. */
  readonly #moving = new Map<OpenRequest, Promise<unknown>>();

  constructor(options: RequeueOptions) {
    this.#o = options;
  }

  isMoving(request: OpenRequest): boolean {
    return this.#moving.has(request);
  }

  /** From the subject of one worker to the shared one. @throws where it is in no queue any more. */
  release(request: OpenRequest, bound: Bound, from: QueueAddress): Promise<void> {
    this.#o.queue.purge(from);
    const { address, attempt: attemptBase, shown: ask } = request;
    return this.track(request, bound.republish(address, { attemptBase, ask, key: newKey(request) }));
  }

  /**
   * The last worker of its model in its shard is gone: it moves to a shard that has one.
   * @returns whether it moved. @throws where it is in no queue any more.
   */
  async leaveShard(request: OpenRequest): Promise<boolean> {
    // At the door it is in no shard yet.
    if (request.unsent !== null || this.#moving.has(request)) return false;
    return this.track(request, this.#leaveShard(request));
  }

  async #leaveShard(request: OpenRequest): Promise<boolean> {
    const { queue, fleet } = this.#o;
    const { address } = request;
    // A broker that does not answer now is asked again.
    const stored = await queue.read(address).catch(() => null);
    if (stored === null || request.gone || request.running !== null || request.address !== address)
      return false;
    queue.purge(address);
    request.address = { ...address, shard: fleet.shardFor(request.slug) };
    request.attempt = nextAttemptBase(request.attempt);
    const { meta, body } = decodeEnvelope(stored);
    await this.#publishAgain(request, { meta: { ...meta, ask: request.shown }, body });
    return true;
  }

  /** Notes that it is on its way from one place to another. */
  async track<T>(request: OpenRequest, move: Promise<T>): Promise<T> {
    this.#moving.set(request, move);
    try {
      const moved = await move;
      request.keptAt = this.#o.clock.monotonic();
      return moved;
    } finally {
      this.#moving.delete(request);
    }
  }

  /**
   * From here on the record is authoritative, and everything from the old message is fenced.
   * @param converted the record, which says where the message is: whoever cancels it looks there. A worker to which the call was bound may be
   * gone, so any may take it now.
   * @returns `gone` if its time in the queue was over, `refused` if the queue does not accept it for half a minute.
   * @throws where the broker has confirmed it, and does not answer now: then it still has it, and delivers it again by itself.
   */
  async handOver(request: OpenRequest, converted: Converted): Promise<'moved' | 'gone' | 'refused'> {
    const { run } = converted;
    try {
      await this.#moving.get(request);
    } catch {
      return 'refused';
    }
    const isSent = await settled(request.sending);
    const waiting = await this.#takeBack(request).catch((err: Error) => {
      if (isSent) throw err;
      return null;
    });
    if (waiting === null) return isSent ? 'gone' : 'refused';
    request.address = { ...request.address, worker: null };
    request.attempt = nextAttemptBase(request.attempt);
    moveDeadline(request, run.deadlineAt);
    const { meta, body } = await this.#o.claims.sealed(run.tenant, asStoredWork(waiting, run));
    const work = { meta: { ...meta, ask: false, held: {} }, body };
    for (let tries = 0; tries < HAND_OVER_TRIES; tries++) {
      try {
        await this.#publishAgain(request, work, HAND_OVER_PAUSE_MS);
      } catch {
        await new Promise(resolve => setTimeout(resolve, HAND_OVER_PAUSE_MS));
        continue;
      }
      // Once it is queued: it runs wherever its record thinks it is.
      if (!isSamePlace(request.address, run.address)) await converted.move(request.address).catch(() => {});
      return 'moved';
    }
    return 'refused';
  }

  /** From the queue, or from the door. Null where it is nowhere any more. */
  async #takeBack(request: OpenRequest): Promise<WorkEnvelope | null> {
    const { unsent, address } = request;
    request.unsent = null;
    if (unsent !== null) return { meta: unsent.meta, body: asBuffer(unsent.body) };
    const { queue } = this.#o;
    const stored = await queue.read(address);
    if (stored === null) return null;
    // Where this fails the message may be there still, and then publishing it again changes nothing: it is delivered again.
    await queue.clear(address).catch(() => {});
    return decodeEnvelope(stored);
  }

  #publishAgain(request: OpenRequest, { meta, body }: WorkEnvelope, holdMs?: number): Promise<void> {
    const { queue, clock } = this.#o;
    const again = encodeEnvelope({ ...meta, attemptBase: request.attempt, key: newKey(request) }, body);
    return queue.publish(request.address, again, {
      messageId: `${request.id}-${request.attempt}`,
      ...(holdMs === undefined ? {} : { holdMs }),
      ttlMs: Math.max(1, request.keptUntil - clock.monotonic()),
    });
  }
}

/** Whether it went well; so did what never began. */
function settled(action: Promise<void> | null): Promise<boolean> {
  return (action ?? Promise.resolve()).then(
    () => true,
    () => false,
  );
}

/** Whoever was given the message before it was moved cannot answer any more. */
function newKey(request: OpenRequest): string {
  request.key = drawKey();
  return request.key;
}

function isSamePlace(address: QueueAddress, known: QueueAddress | null): boolean {
  return known !== null && subjectOf(address) === subjectOf(known);
}
