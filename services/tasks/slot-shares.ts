/** Slots of this process that all tenants share: one alone may hold two thirds of them, and whoever comes next finds some. Nobody waits here: who gets none comes again. */
import { fitsShare } from '@penstock/policy';

/** What is refused comes again after so long, ms, spread over as much again. */
const PAUSE_MS = 1000;

/** Nothing was done, for want of a slot. */
interface Later {
  readonly kind: 'later';
  readonly delayMs: number;
}

export class SlotShares {
  readonly #total: number;
  readonly #rand: () => number;
  readonly #held = new Map<string, number>();
  #taken = 0;

  /** @param rand uniform in [0, 1). */
  constructor(total: number, rand: () => number) {
    this.#total = total;
    this.#rand = rand;
  }

  /** @returns what comes of the work, which holds a slot meanwhile; `later` where the owner has its share. */
  async during<T>(owner: string, work: () => Promise<T>): Promise<T | Later> {
    const held = this.#held.get(owner) ?? 0;
    if (!fitsShare({ total: this.#total, taken: this.#taken }, held, 1))
      return { kind: 'later', delayMs: PAUSE_MS * (1 + this.#rand()) };
    this.#add(owner, 1);
    try {
      return await work();
    } finally {
      this.#add(owner, -1);
    }
  }

  #add(owner: string, slots: number): void {
    this.#taken += slots;
    const held = (this.#held.get(owner) ?? 0) + slots;
    if (held === 0) this.#held.delete(owner);
    else this.#held.set(owner, held);
  }
}
