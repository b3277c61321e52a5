/**
 * Finds out which of the attempts that run here nobody wants any more. An ingress cancels once, and what it sends while a connection is
 * down is lost; one that died cancels nothing. Left alone, engines would work on for nobody. So each ingress is asked about the attempts of its
 * clients, and the records about those of stored runs; an ingress hears from it as well what runs here, and what does not.
 */
import { encodeMessage, readWantedAnswer, type WantedQuestion } from '@penstock/protocol';
import type { Clock, Logger } from '@penstock/runtime';
import type { ControlChannel } from '@penstock/transport';
import type { Attempt } from '../attempts/attempt.ts';
import type { RunningAttempts } from '../attempts/running-attempts.ts';
import type { StoredRuns } from '../stored/stored-runs.ts';

/** How often all of them are asked, ms. */
const ASK_EVERY_MS = 1500;
const ASK_TIMEOUT_MS = 1000;
/**
 * An ingress at which nobody has listened for so long has died, ms: with the second question after the first that nobody heard, engines
 * stop within 5 s. One that lost its connection to NATS alone is back sooner.
 */
const GONE_AFTER_MS = 2900;
/** An ingress is asked for so long after its last attempt here has ended: it may believe that one still runs, ms. */
const ASKED_FOR_MS = 30_000;

export interface StillWantedOptions {
  readonly worker: string;
  readonly incarnation: string;
  /** What runs, and what has run and is being sent. */
  readonly running: { all(): readonly Attempt[] } & Pick<RunningAttempts, 'cancel'>;
  readonly stored: Pick<StoredRuns, 'ended'>;
  readonly control: Pick<ControlChannel, 'ask' | 'connected'>;
  readonly clock: Pick<Clock, 'monotonic'>;
  readonly log: Logger;
}

export class StillWanted {
  readonly #o: StillWantedOptions;
  /** By ingress: when an attempt of it last ran here. */
  readonly #ranAt = new Map<string, number>();
  /** By ingress: since when nobody listens there. */
  readonly #nobodySince = new Map<string, number>();
  #timer: NodeJS.Timeout | null = null;

  constructor(options: StillWantedOptions) {
    this.#o = options;
  }

  start(): void {
    this.#timer = setInterval(() => this.#askAll(), ASK_EVERY_MS);
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
  }

  #askAll(): void {
    const { running, control, clock } = this.#o;
    const all = running.all();
    const stored = all.filter(({ work }) => work.meta.stored);
    if (stored.length > 0) void this.#askRecords(stored);
    // Nobody can be heard now, which says nothing about anybody.
    if (!control.connected) return this.#nobodySince.clear();
    const now = clock.monotonic();
    const waited = Map.groupBy(
      all.filter(({ work }) => !work.meta.stored),
      ({ ingressId }) => ingressId,
    );
    for (const ingress of waited.keys()) this.#ranAt.set(ingress, now);
    for (const [ingress, at] of this.#ranAt)
      if (now - at < ASKED_FOR_MS) void this.#askIngress(ingress, waited.get(ingress) ?? []);
      else this.#forget(ingress);
  }

  #forget(ingress: string): void {
    this.#ranAt.delete(ingress);
    this.#nobodySince.delete(ingress);
  }

  async #askIngress(ingress: string, attempts: readonly Attempt[]): Promise<void> {
    const { control, worker, incarnation } = this.#o;
    const running = attempts.map(({ id, number: attempt, nonce }) => ({ id, attempt, nonce }));
    const question: WantedQuestion = { running, worker, incarnation };
    const answer = await control.ask({ kind: 'ingress', ingress }, encodeMessage(question), ASK_TIMEOUT_MS);
    if (answer.kind === 'nobody') return this.#unheard(ingress, attempts);
    this.#nobodySince.delete(ingress);
    if (answer.kind === 'timeout') return;
    const unwanted = new Set(readWantedAnswer(answer.payload)?.unwanted);
    this.#stop(attempts.filter(({ id }) => unwanted.has(id)));
  }

  /** Handed back, not dropped: an ingress that was only cut off hears of it by Redis and queues its requests again. */
  #unheard(ingress: string, attempts: readonly Attempt[]): void {
    const now = this.#o.clock.monotonic();
    const since = this.#nobodySince.get(ingress) ?? now;
    this.#nobodySince.set(ingress, since);
    if (now - since < GONE_AFTER_MS) return;
    this.#o.log.warn(
      { ingress, attempts: attempts.length },
      'an ingress is gone: what runs for it is stopped',
    );
    for (const attempt of attempts) attempt.handBack('its ingress does not answer');
    this.#forget(ingress);
  }

  async #askRecords(attempts: readonly Attempt[]): Promise<void> {
    // A store that is away is asked again.
    const ended = new Set(await this.#o.stored.ended(attempts.map(({ id }) => id)).catch(() => []));
    this.#stop(attempts.filter(({ id }) => ended.has(id)));
  }

  #stop(attempts: readonly Attempt[]): void {
    for (const { id, number, nonce } of attempts) {
      this.#o.log.info({ id, attempt: number }, 'nobody wants it any more: stopped');
      this.#o.running.cancel(id, { number, nonce });
    }
  }
}
