/**
 * What happened to a request whose client waits here, noted in memory. Kept for others where it failed, or is one of the sample; the rest is
 * forgotten with the request.
 */
import type { Placement } from '@penstock/policy';
import { type FailedMeta, isTrailSampled, type TrailEvent, type WorkMeta } from '@penstock/protocol';
import type { RequestTrails } from '@penstock/transport';
import type { HeldReason } from '../shares/doors.ts';

/** Where trails go. */
export interface TrailKeeping {
  readonly trails: Pick<RequestTrails, 'append'>;
  /** Share of requests whose trail is kept although they went well, 0–1. */
  readonly share: number;
  /** Whether what failures say is kept, in an engine's words: not where requests are sealed. */
  readonly hasWords: boolean;
  /** Name of this node. */
  readonly node: string;
  /** Unix ms. */
  readonly now: () => number;
}

/** Nothing to explain: they went well, or were refused at once with an error that says all. */
const WELL: ReadonlySet<string> = new Set([
  ...(['done', 'client_left', 'queue_full', 'queue_wait_too_long', 'broker_unavailable'] as const),
]);
/** A stream may be tried again and again for an hour. */
const MOST_EVENTS = 50;

export class RequestTrail {
  readonly #o: TrailKeeping;
  readonly #id: string;
  readonly #events: TrailEvent[] = [];
  #outcome: string | null = null;

  constructor(
    options: TrailKeeping,
    tenant: string,
    { id, acceptedAt, endpoint, model, lane, size, promptTokens }: WorkMeta,
  ) {
    this.#o = options;
    this.#id = id;
    this.#note('accepted', { tenant, endpoint, model, lane, size, promptTokens }, acceptedAt);
  }

  get events(): readonly TrailEvent[] {
    return this.#events;
  }

  heldAtDoor(reason: HeldReason): void {
    this.#note('held_at_door', { reason });
  }

  placed(placement: Placement): void {
    const { reason } = placement;
    this.#note('placed', placement.kind === 'bound' ? { reason, worker: placement.worker } : { reason });
  }

  published(): void {
    this.#note('queued', {});
  }

  taken(worker: string, attempt: number, waitMs: number): void {
    this.#note('taken', { worker, attempt, ms: waitMs });
  }

  firstToken(ms: number): void {
    this.#note('first_token', { ms });
  }

  attemptFailed(worker: string | undefined, failure: FailedMeta | null): void {
    this.#note('attempt_failed', {
      ...(worker === undefined ? {} : { worker }),
      ...(failure === null ? {} : { reason: failure.code, ...this.#wordsOf(failure) }),
    });
  }

  offeredToAll(reason: string): void {
    this.#note('offered_to_all', { reason });
  }

  outcome(outcome: string): void {
    this.#outcome = outcome;
    if (outcome === 'converted') this.#note('converted', {});
  }

  /** Nobody waits for it here any more. Its outcome may be told in the same turn. */
  gone(ageMs: number, failure: () => FailedMeta | null): void {
    queueMicrotask(() => {
      const outcome = this.#outcome ?? 'client_left';
      const isWell = WELL.has(outcome);
      const words = isWell ? {} : this.#wordsOf(failure());
      // What became a job goes on.
      if (outcome !== 'converted') this.#note('ended', { reason: outcome, ms: ageMs, ...words });
      if (!isWell || isTrailSampled(this.#id, this.#o.share)) this.#o.trails.append(this.#id, this.#events);
    });
  }

  #wordsOf(failure: FailedMeta | null): Pick<TrailEvent, 'message'> {
    return failure === null || !this.#o.hasWords ? {} : { message: failure.message };
  }

  #note(kind: TrailEvent['kind'], about: Partial<TrailEvent>, at = this.#o.now()): void {
    if (this.#events.length < MOST_EVENTS || kind === 'ended')
      this.#events.push({ kind, at, by: this.#o.node, ...about });
  }
}
