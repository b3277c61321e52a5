/**
 * Lets requests through within the limits of their projects. One question to the ledger for each request of a project that has limits, none for
 * others; and one word when it is over, so that what it was taken to cost becomes what it did cost.
 */
import { isOver, type LimitCharge, type TokenUse } from '@penstock/policy';
import { DispatchError, type ProjectLimits, type Use } from '@penstock/protocol';
import { within } from '@penstock/runtime';
import type { LimitLease, LimitLedger, LimitsTaken } from '@penstock/transport';
import { chargesOf, correctionsOf, hasAny, type LimitedWork, type LimitSettings } from './limit-terms.ts';
import { limitHeaders, limitOf, refusalOf } from './limit-words.ts';

/** How long a place among the parallel requests lasts, and how often it is renewed, ms. */
const LEASE_MS = 15_000;
const RENEW_MS = 5000;
/** How long a request waits for the ledger, ms. */
const PATIENCE_MS = 1000;
const RETRY_AFTER_MS = 2000;

/** What a limit refused. */
export interface LimitRefused {
  readonly project: string;
  readonly limit: string;
  /** What was asked for. */
  readonly endpoint: Use;
  /** It was let through, and would have been refused. */
  readonly isShadow: boolean;
}

/** Is told what limits do. */
export interface LimitObserver {
  refused(refusal: LimitRefused): void;
  /** Nobody could count it. */
  uncounted(): void;
  /** Something was let through. @param part of the limit that is used with it, 0 for none. */
  used(project: string, limit: string, part: number): void;
}

/** Whose request it is. */
export interface LimitedCaller {
  readonly project: string;
  readonly limits: ProjectLimits;
}

/** A request that was let through. */
export interface LimitPass {
  /** For its answer. */
  readonly headers: Readonly<Record<string, string>>;
  /** Whether anything depends on how many tokens it turns out to need. */
  readonly countsTokens: boolean;
  /** It is over. @param use what it needed; null where it was refused after all, and is to count for nothing. Only the first call counts. */
  settle(use: TokenUse | null): void;
}

/** Of a request that nothing limits. */
export const FREE_PASS: LimitPass = { headers: {}, countsTokens: false, settle() {} };

export interface ProjectLimiterOptions {
  readonly ledger: LimitLedger;
  readonly settings: LimitSettings;
  readonly targetOf: (name: string) => string;
  readonly observer: LimitObserver;
  readonly clock: { monotonic(): number };
}

export class ProjectLimiter {
  readonly #o: ProjectLimiterOptions;
  /** Places among the parallel requests that requests here have. */
  readonly #leases = new Set<LimitLease>();
  #renewedAt = 0;

  constructor(options: ProjectLimiterOptions) {
    this.#o = options;
  }

  /** @throws DispatchError `rate_limit_exceeded`, `insufficient_quota`, `limits_unavailable` */
  enter({ project, limits }: LimitedCaller, work: LimitedWork): LimitPass | Promise<LimitPass> {
    const { settings, targetOf } = this.#o;
    const charges = chargesOf(limits, settings, work, targetOf);
    return charges.length === 0 ? FREE_PASS : this.#enter(project, work, charges);
  }

  /** Whether requests of a project may be refused. */
  isLimited(limits: ProjectLimits): boolean {
    return hasAny(this.#o.settings.defaults) || hasAny(limits);
  }

  /** Call once a second. Never rejects. */
  tick(): void {
    const { ledger, clock } = this.#o;
    const now = clock.monotonic();
    if (this.#leases.size === 0 || now - this.#renewedAt < RENEW_MS || !ledger.connected) return;
    this.#renewedAt = now;
    void ledger.renew([...this.#leases], LEASE_MS).catch(() => {});
  }

  async #enter(project: string, work: LimitedWork, charges: readonly LimitCharge[]): Promise<LimitPass> {
    const { id, model } = work;
    const lease = { project, id, model: model.slug, charges };
    const taken = await this.#take(lease);
    if (taken === null) return FREE_PASS;
    if (taken.isRefused) {
      const { charge, error } = refusalOf(project, charges, taken);
      const { limit } = limitOf(charge);
      this.#o.observer.refused({ project, limit, endpoint: work.endpoint, isShadow: false });
      throw error;
    }
    this.#observe(project, work, charges, taken);
    if (work.isParallel && charges.some(({ kind }) => kind === 'parallel')) this.#leases.add(lease);
    return this.#passOf(lease, taken);
  }

  /** Null where it passes uncounted. @throws DispatchError `limits_unavailable` */
  async #take(lease: LimitLease): Promise<LimitsTaken | null> {
    const { ledger, settings, observer } = this.#o;
    // Not asked while it is away: the question would wait for it, and be counted later.
    const asked = ledger.connected
      ? ledger.take({ ...lease, leaseMs: LEASE_MS })
      : Promise.reject(new Error('away'));
    try {
      return await within(PATIENCE_MS, asked);
    } catch (err) {
      // Who is not waited for any more is counted for nothing.
      asked.then(late => this.#settle(lease, late, null)).catch(() => {});
      observer.uncounted();
      if (settings.passesUncounted) return null;
      throw new DispatchError('limits_unavailable', { retryAfterMs: RETRY_AFTER_MS, cause: err });
    }
  }

  #observe(
    project: string,
    { endpoint }: LimitedWork,
    charges: readonly LimitCharge[],
    { used }: LimitsTaken,
  ): void {
    const { observer } = this.#o;
    for (const [i, charge] of charges.entries()) {
      const now = used[i] ?? 0;
      const { limit } = limitOf(charge);
      const whole = charge.kind === 'rate' ? charge.periodMs : charge.most;
      if (whole > 0) observer.used(project, limit, now / whole);
      if (!charge.isEnforced && isOver(charge, now))
        observer.refused({ project, limit, endpoint, isShadow: true });
    }
  }

  #passOf(lease: LimitLease, taken: LimitsTaken): LimitPass {
    const { charges } = lease;
    let isOpen = true;
    return {
      headers: limitHeaders(charges, taken),
      countsTokens: charges.some(({ kind, name }) => kind === 'budget' || name.startsWith('tpm_limit')),
      settle: use => {
        if (!isOpen) return;
        isOpen = false;
        this.#settle(lease, taken, use);
      },
    };
  }

  #settle(lease: LimitLease, taken: LimitsTaken, use: TokenUse | null): void {
    this.#leases.delete(lease);
    if (taken.isRefused) return;
    const { ledger, settings } = this.#o;
    const more = correctionsOf(lease.charges, use, settings.priceOf(lease.model));
    const isDue = more.some(each => each !== 0) || lease.charges.some(({ kind }) => kind === 'parallel');
    // What is not corrected stays as it was taken to be, and the place ends by itself.
    if (isDue && ledger.connected) void ledger.settle({ ...lease, more, takenAt: taken.at }).catch(() => {});
  }
}
