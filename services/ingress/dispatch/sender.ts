/**
 * Brings requests onto the queue: at once where there is no backlog, else when their turn at the door comes (decision 0012). A request is placed by what
 * is known then. It is open already, so whatever ends it takes it out of the door, too.
 */
import type { ServerResponse } from 'node:http';
import type { Fleet } from '@penstock/fleet';
import { keptMs, type Placement } from '@penstock/policy';
import { asBuffer, encodeEnvelope, type QueueAddress } from '@penstock/protocol';
import { type Clock, type Logger, unixMs } from '@penstock/runtime';
import type { ClaimCheck, WorkPublisher } from '@penstock/transport';
import { asFault } from '../http/errors.ts';
import type { IngressMetrics } from '../metrics.ts';
import type { Affinity } from '../placement/affinity.ts';
import type { Doors } from '../shares/doors.ts';
import { destinationOf } from '../telemetry/request-trace.ts';
import type { Bound, OpenRequest, UnsentWork } from './open-request.ts';
import type { OpenRequests } from './open-requests.ts';

export interface SenderOptions {
  readonly queue: WorkPublisher;
  readonly fleet: Pick<Fleet, 'expectAt' | 'shardFor' | 'shardOfWorker'>;
  readonly affinity: Pick<Affinity, 'place'>;
  readonly open: OpenRequests;
  readonly claims: Pick<ClaimCheck, 'isSealing' | 'sealed'>;
  /** Null where they are off: all go at once, first come, first served. */
  readonly doors: Pick<Doors, 'arrive' | 'whenTurn'> | null;
  readonly clock: Clock;
  readonly metrics: Pick<IngressMetrics, 'placements'>;
  readonly log: Pick<Logger, 'error'>;
}

type Message = Pick<UnsentWork, 'body' | 'meta' | 'tenant'>;

export class Sender {
  readonly #o: SenderOptions;

  constructor(options: SenderOptions) {
    this.#o = options;
    options.doors?.whenTurn(id => {
      const request = options.open.get(id);
      if (request !== undefined) options.open.moves(request, this.#send(request, true));
    });
  }

  /** Resolves when it is on the queue, when it waits at the door, or when its client got the error. Never rejects. */
  async send(request: OpenRequest): Promise<void> {
    const { door, trace, trail } = request;
    const held = door === null ? null : (this.#o.doors?.arrive(door) ?? null);
    if (held === null) return this.#send(request, false);
    if (request.unsent?.raw.destroyed === true) return this.#o.open.cancel(request.id);
    trace?.event('waits at the door', held);
    trail?.heldAtDoor(held);
  }

  /** Most requests need no look-up: they go out in the same turn of the event loop. Never rejects. */
  async #send(request: OpenRequest, hasWaited: boolean): Promise<void> {
    const { affinity, fleet, open } = this.#o;
    const { id, unsent } = request;
    if (unsent === null) return;
    try {
      const from = unixMs();
      const looked = affinity.place(unsent.placing);
      const { placement, lookup, held } = looked instanceof Promise ? await looked : looked;
      // It has ended meanwhile, or is stored work by now.
      if (request.gone) return;
      this.#placed(request, placement, looked instanceof Promise ? { from, to: unixMs() } : null);
      request.lookup = lookup;
      const meta = Object.keys(held).length === 0 ? unsent.meta : { ...unsent.meta, held };
      const work = { tenant: unsent.tenant, meta, body: unsent.body };
      request.address = this.#addressFor(request, placement, hasWaited);
      request.bound = this.#boundOf(work, request.address);
      request.unsent = null;
      if (placement.kind === 'bound')
        fleet.expectAt(placement.worker, meta.promptTokens - placement.matchedTokens);
      request.sending = this.#put(request, work, unsent.raw);
      await request.sending;
    } catch (err) {
      // A broker that was slow, or was killed before it said so, has stored the message after all.
      if (request.gone || request.running !== null) return open.published(id);
      this.#refuse(request, err);
    }
  }

  #placed(
    { trace, trail }: OpenRequest,
    placement: Placement,
    look: { readonly from: number; readonly to: number } | null,
  ): void {
    this.#o.metrics.placements.inc({ reason: placement.reason });
    trace?.placed(placement, look);
    trail?.placed(placement);
  }

  /** Which shard is best may have changed while it waited. */
  #addressFor({ address, slug }: OpenRequest, placement: Placement, hasWaited: boolean): QueueAddress {
    const { fleet } = this.#o;
    if (placement.kind === 'bound')
      return { ...address, shard: fleet.shardOfWorker(placement.worker), worker: placement.worker };
    return hasWaited ? { ...address, shard: fleet.shardFor(slug) } : address;
  }

  /** How a request that is bound to a worker gets from there to its shared address. */
  #boundOf(work: Message, { worker }: QueueAddress): Bound | null {
    if (worker === null) return null;
    return {
      worker,
      republish: (address, change) => this.#publish(address, { ...work, meta: { ...work.meta, ...change } }),
    };
  }

  async #put(request: OpenRequest, work: Message, raw: ServerResponse): Promise<void> {
    const { open, queue } = this.#o;
    const { id, address, trace, trail } = request;
    const from = unixMs();
    await this.#publish(address, work);
    trace?.published(from, destinationOf(address));
    trail?.published();
    if (raw.destroyed) open.cancel(id);
    if (!request.gone) return open.published(id);
    // It ended while it was held, before there was anything to purge. What became stored work is taken off by whoever stores it.
    if (request.converted === null) queue.purge(address);
  }

  #refuse(request: OpenRequest, err: unknown): void {
    const { id, trace, trail, meter, sink } = request;
    const error = asFault(err, id, this.#o.log);
    trace?.outcome(error.code);
    trail?.outcome(error.code);
    meter?.refused();
    this.#o.open.cancel(id);
    sink.error(error, null);
  }

  /** The broker remembers message ids, and drops what repeats one: the attempt base makes those of each address differ. */
  #publish(address: QueueAddress, work: Message): Promise<void> {
    const { claims } = this.#o;
    if (!claims.isSealing) return this.#store(address, work);
    const { tenant, meta, body } = work;
    return claims.sealed(tenant, { meta, body: asBuffer(body) }).then(sealed => this.#store(address, sealed));
  }

  #store(address: QueueAddress, { meta, body }: Pick<Message, 'body' | 'meta'>): Promise<void> {
    const messageId = meta.attemptBase === 0 ? meta.id : `${meta.id}-${meta.attemptBase}`;
    const keptUntil = meta.acceptedAt + keptMs(meta.deadlineAt - meta.acceptedAt, meta.stream);
    const now = this.#o.clock.now();
    return this.#o.queue.publish(address, encodeEnvelope(meta, body), {
      messageId,
      ttlMs: Math.max(1, keptUntil - now),
      holdMs: Math.max(1, meta.deadlineAt - now),
    });
  }
}
