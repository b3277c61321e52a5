/**
 * Who is let in at the doors of this node, and what those are told that are not (decision 0014). A request that finds nothing waiting is let in
 * without a look.
 */
import {
  type Admission,
  decideAdmission,
  type Estimated,
  type Forecast,
  type Refusal,
  refusal,
} from '@penstock/policy';
import { DispatchError } from '@penstock/protocol';
import type { Clock, Counter } from '@penstock/runtime';
import type { DoorClaim, Doors } from './doors.ts';

/** `shadow`: what would be refused is counted, and let in. */
export const ADMISSION_MODES = ['on', 'shadow', 'off'] as const;
export type AdmissionMode = (typeof ADMISSION_MODES)[number];

const IDLE: Forecast = { isBusy: false, estimateS: 0 };

export interface AdmissionsOptions {
  /** Null where there are none: then nobody is refused. */
  readonly doors: Pick<Doors, 'answerMs' | 'forecast' | 'isServed' | 'whenLost'> | null;
  readonly mode: AdmissionMode;
  /** How long clients wait for the first token that do not say it, ms. */
  readonly usualPatienceMs: number;
  readonly clock: Pick<Clock, 'monotonic'>;
  readonly refused: Counter<'model' | 'mode' | 'reason'>;
  readonly standIns: Counter<'model'>;
  /** The label of a queue. */
  readonly modelOf: (slug: string) => string;
}

export class Admissions {
  readonly #o: AdmissionsOptions;

  constructor(options: AdmissionsOptions) {
    this.#o = options;
  }

  /** @param end ends a request that waits and can no longer be in time, unless a worker has it by now; whether it did. */
  whenLost(end: (id: string, error: DispatchError) => boolean): void {
    this.#o.doors?.whenLost((claim, estimateS) => {
      const patienceS = (claim.patientUntil - claim.arrivedAt) / 1000;
      if (end(claim.id, refusedBy(refusal('lost', estimateS, patienceS), patienceS)))
        this.#count(claim.slug, 'lost');
    });
  }

  get usualPatienceMs(): number {
    return this.#o.usualPatienceMs;
  }

  /** What answers of a queue take after their first token, ms. */
  answerMs(slug: string): number {
    return this.#o.doors?.answerMs(slug) ?? 0;
  }

  /** When a request that comes now is too late for its client, monotonic ms. */
  patientUntil(patienceMs: number): number {
    return this.#o.mode === 'on' ? this.#o.clock.monotonic() + patienceMs : Number.POSITIVE_INFINITY;
  }

  /**
   * Lets a request in. @param patienceMs how long its client waits for the first token.
   * @returns the claim, with the estimate where it has to wait. @throws DispatchError `queue_wait_too_long`
   */
  admit(claim: DoorClaim, patienceMs: number): DoorClaim {
    const { mode } = this.#o;
    const forecast = this.#forecast(claim);
    if (forecast === null) return claim;
    const admission = this.#decide(claim, forecast, patienceMs);
    if (admission.kind === 'refuse') {
      this.#count(claim.slug, admission.reason);
      if (mode === 'on') throw refusedBy(admission, patienceMs / 1000);
    }
    return { ...claim, estimateS: forecast.estimateS };
  }

  /**
   * Which of several models is to serve a request: the first that can in time, else the first.
   * @param claims of the same request in the queue of each. @returns its index.
   */
  soonest(claims: readonly DoorClaim[], patienceMs: number): number {
    const [asked, ...fallbacks] = claims.map(claim => this.#estimated(claim, this.#forecast(claim)));
    if (asked === undefined || this.#o.mode !== 'on') return 0;
    const admission = decideAdmission({ asked, fallbacks, patienceS: patienceMs / 1000 });
    if (admission.kind !== 'stand_in') return 0;
    this.#o.standIns.inc({ model: this.#o.modelOf(asked.model) });
    return claims.findIndex(({ slug }) => slug === admission.model);
  }

  #forecast(claim: DoorClaim): Forecast | null {
    return this.#o.mode === 'off' ? null : (this.#o.doors?.forecast(claim) ?? null);
  }

  #estimated({ slug }: DoorClaim, forecast: Forecast | null): Estimated {
    const isServed = this.#o.doors?.isServed(slug) === true;
    return { model: slug, isServed, ...(forecast ?? IDLE) };
  }

  #decide(claim: DoorClaim, forecast: Forecast, patienceMs: number): Admission {
    const asked = this.#estimated(claim, forecast);
    return decideAdmission({ asked, fallbacks: [], patienceS: patienceMs / 1000 });
  }

  #count(slug: string, reason: Refusal['reason']): void {
    const { refused, modelOf, mode } = this.#o;
    refused.inc({ model: modelOf(slug), reason, mode: mode === 'shadow' ? 'shadow' : 'enforced' });
  }
}

/** How long a request would wait, in the words of what is told of stored work. */
export const ETA_HEADER = 'x-penstock-queue-eta-ms';

function refusedBy({ estimateS, retryAfterS }: Refusal, patienceS: number): DispatchError {
  const seconds = (of: number) => `${Math.max(0, of).toFixed(of < 10 ? 1 : 0)} s`;
  const after = retryAfterS === null ? 'Try again later' : 'Try again after the time in Retry-After';
  return new DispatchError('queue_wait_too_long', {
    message: `So much waits for the model now that the answer would begin in about ${seconds(estimateS)}, and this request waits for ${seconds(patienceS)}. ${after}, or wait longer with x-request-timeout-ms.`,
    headers: { [ETA_HEADER]: String(Math.round(1000 * estimateS)) },
    ...(retryAfterS === null ? { shouldRetry: false } : { retryAfterMs: 1000 * retryAfterS }),
  });
}
