import { fitsLimit, type LimitCharge, usedAfter, usedWith, windowAt } from '@penstock/policy';
import {
  counterOf,
  type LimitLease,
  type LimitLedger,
  type LimitSettlement,
  type LimitsTaken,
  type LimitTake,
} from '../ports/limits/limit-ledger.ts';
import type { MemoryClock } from './clock.ts';

export class MemoryLimitLedger implements LimitLedger {
  connected = true;
  readonly #clock: MemoryClock;
  /** Of rates: when they are full again, Unix ms. Of budgets: what is spent in a window. */
  readonly #numbers = new Map<string, { value: number; window: number }>();
  /** Counter → id → when its place ends, Unix ms. */
  readonly #leases = new Map<string, Map<string, number>>();

  constructor(clock: MemoryClock) {
    this.#clock = clock;
  }

  async take({ project, id, charges, leaseMs }: LimitTake): Promise<LimitsTaken> {
    const at = this.#clock.now();
    const before = charges.map(charge => this.#used(project, charge));
    const isRefused = charges.some((charge, i) => charge.isEnforced && !fitsLimit(charge, before[i] ?? 0));
    if (isRefused) return { at, isRefused, used: before };
    const used = charges.map((charge, i) => usedWith(charge, before[i] ?? 0));
    for (const [i, charge] of charges.entries()) this.#put(project, charge, used[i] ?? 0, id, at + leaseMs);
    return { at, isRefused, used };
  }

  async settle({ project, id, charges, more, takenAt }: LimitSettlement): Promise<void> {
    const agoMs = this.#clock.now() - takenAt;
    for (const [i, charge] of charges.entries()) {
      const by = more[i] ?? 0;
      if (charge.kind === 'parallel') this.#leasesOf(project, charge).delete(id);
      // The window in which too much was taken is over.
      else if (by !== 0 && !this.#isOfPastWindow(charge, by, takenAt))
        this.#put(project, charge, usedAfter(charge, this.#used(project, charge), by, agoMs), id, 0);
    }
  }

  async renew(leases: readonly LimitLease[], leaseMs: number): Promise<void> {
    for (const { project, id, charges } of leases)
      for (const charge of charges)
        if (charge.kind === 'parallel') this.#leasesOf(project, charge).set(id, this.#clock.now() + leaseMs);
  }

  async look({ project, charges }: Pick<LimitTake, 'project' | 'charges'>): Promise<number[]> {
    return charges.map(charge => this.#used(project, charge));
  }

  /** Too much was taken in a window that is over. */
  #isOfPastWindow(charge: LimitCharge, by: number, takenAt: number): boolean {
    return charge.kind === 'budget' && by < 0 && windowAt(takenAt, charge.periodMs) !== this.#window(charge);
  }

  #used(project: string, charge: LimitCharge): number {
    const now = this.#clock.now();
    if (charge.kind === 'parallel') {
      const leases = this.#leasesOf(project, charge);
      for (const [id, endsAt] of leases) if (endsAt <= now) leases.delete(id);
      return leases.size;
    }
    const kept = this.#numbers.get(`${project} ${counterOf(charge)}`);
    if (charge.kind === 'rate') return Math.max(0, (kept?.value ?? 0) - now);
    return kept !== undefined && kept.window === this.#window(charge) ? kept.value : 0;
  }

  #put(project: string, charge: LimitCharge, used: number, id: string, leaseEndsAt: number): void {
    if (charge.kind === 'parallel') return void this.#leasesOf(project, charge).set(id, leaseEndsAt);
    const value = charge.kind === 'rate' ? this.#clock.now() + used : used;
    this.#numbers.set(`${project} ${counterOf(charge)}`, { value, window: this.#window(charge) });
  }

  #window({ periodMs }: LimitCharge): number {
    return windowAt(this.#clock.now(), periodMs);
  }

  #leasesOf(project: string, { name }: LimitCharge): Map<string, number> {
    const key = `${project} ${name}`;
    const leases = this.#leases.get(key) ?? new Map<string, number>();
    this.#leases.set(key, leases);
    return leases;
  }
}
