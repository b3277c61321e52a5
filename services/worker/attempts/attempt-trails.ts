/** What attempts at stored runs went through, for the run's trail; an ingress that waits keeps that of its requests itself. */
import { isTrailSampled, type TrailEvent } from '@penstock/protocol';
import type { Clock } from '@penstock/runtime';
import type { RequestTrails } from '@penstock/transport';
import type { Attempt, AttemptOutcome } from './attempt.ts';
import type { AttemptObserver } from './running-attempts.ts';

export interface AttemptTrailsOptions {
  readonly trails: Pick<RequestTrails, 'append'>;
  /** Share of runs whose trail is kept although they go well, 0–1. */
  readonly share: number;
  readonly worker: string;
  readonly clock: Clock;
}

interface Times {
  readonly begunAt: number;
  firstTokenAt: number | null;
}

const WELL: ReadonlySet<AttemptOutcome> = new Set(['done', 'client_error']);

export class AttemptTrails implements AttemptObserver {
  readonly #o: AttemptTrailsOptions;
  readonly #times = new WeakMap<Attempt, Times>();

  constructor(options: AttemptTrailsOptions) {
    this.#o = options;
  }

  begun(attempt: Attempt): void {
    if (attempt.work.meta.stored)
      this.#times.set(attempt, { begunAt: this.#o.clock.now(), firstTokenAt: null });
  }

  firstToken(attempt: Attempt): void {
    const times = this.#times.get(attempt);
    if (times !== undefined) times.firstTokenAt = this.#o.clock.now();
  }

  ended(attempt: Attempt, outcome: AttemptOutcome, detail: string, brief: string): void {
    const { trails, share, worker, clock } = this.#o;
    const times = this.#times.get(attempt);
    const isWell = WELL.has(outcome);
    if (times === undefined || (isWell && !isTrailSampled(attempt.id, share))) return;
    const { begunAt, firstTokenAt } = times;
    const own = { by: worker, worker, attempt: attempt.number };
    const events: TrailEvent[] = [{ ...own, kind: 'taken', at: begunAt }];
    if (firstTokenAt !== null)
      events.push({ ...own, kind: 'first_token', at: firstTokenAt, ms: firstTokenAt - begunAt });
    const now = clock.now();
    if (isWell) events.push({ ...own, kind: 'ended', at: now, reason: outcome, ms: now - begunAt });
    else {
      // Trails are kept in the clear.
      const message = attempt.work.meta.seal === undefined ? detail : brief;
      events.push({ ...own, kind: 'attempt_failed', at: now, reason: outcome, message });
    }
    trails.append(attempt.id, events);
  }
}
