/** Memory that the tenants of a process share: each gets no more than its share of what is free, and who finds no room waits for it. */
import { fitsShare, largestShare } from '@penstock/policy';
import type { GiveBack } from './byte-budget.ts';

interface Waiting {
  readonly owner: string;
  readonly bytes: number;
  readonly go: (giveBack: GiveBack) => void;
}

export class SharedRoom {
  readonly #total: number;
  readonly #held = new Map<string, number>();
  readonly #waiting: Waiting[] = [];
  #taken = 0;

  constructor(totalBytes: number) {
    this.#total = totalBytes;
  }

  get takenBytes(): number {
    return this.#taken;
  }

  get isOver(): boolean {
    return this.#taken > this.#total;
  }

  /** Whether somebody waits for room. */
  get isWanted(): boolean {
    return this.#waiting.length > 0;
  }

  /**
   * Takes room for so many bytes; more than the largest share counts as that. Those that wait come in order, of two owners the one that
   * holds less. @param limitMs how long to wait for it. @returns null where it did not come.
   */
  take(owner: string, bytes: number, limitMs: number): Promise<GiveBack | null> {
    const wanted = Math.min(bytes, largestShare(this.#total));
    const isNext = !this.#waiting.some(each => each.owner === owner);
    if (isNext && this.#fits(owner, wanted)) return Promise.resolve(this.#grant(owner, wanted));
    return new Promise(resolve => {
      const place: Waiting = {
        ...{ owner, bytes: wanted },
        go: giveBack => {
          clearTimeout(timer);
          resolve(giveBack);
        },
      };
      const timer = setTimeout(() => {
        this.#waiting.splice(this.#waiting.indexOf(place), 1);
        resolve(null);
        this.#serve();
      }, limitMs);
      this.#waiting.push(place);
    });
  }

  /** Takes what cannot wait, were it more than there is. @param bytes below zero gives back. */
  add(owner: string, bytes: number): void {
    this.#taken += bytes;
    const held = (this.#held.get(owner) ?? 0) + bytes;
    if (held === 0) this.#held.delete(owner);
    else this.#held.set(owner, held);
    if (bytes < 0) this.#serve();
  }

  #fits(owner: string, bytes: number): boolean {
    return fitsShare({ total: this.#total, taken: this.#taken }, this.#held.get(owner) ?? 0, bytes);
  }

  #grant(owner: string, bytes: number): GiveBack {
    this.add(owner, bytes);
    let isHeld = true;
    return () => {
      if (!isHeld) return;
      isHeld = false;
      this.add(owner, -bytes);
    };
  }

  #serve(): void {
    for (let next = this.#next(); next !== null; next = this.#next()) {
      this.#waiting.splice(this.#waiting.indexOf(next), 1);
      next.go(this.#grant(next.owner, next.bytes));
    }
  }

  /** Of the first that each owner waits for, what fits and is of the owner that holds least. */
  #next(): Waiting | null {
    const seen = new Set<string>();
    let best: Waiting | null = null;
    for (const place of this.#waiting) {
      if (seen.has(place.owner)) continue;
      seen.add(place.owner);
      if (!this.#fits(place.owner, place.bytes)) continue;
      const isBetter =
        best === null || (this.#held.get(place.owner) ?? 0) < (this.#held.get(best.owner) ?? 0);
      if (isBetter) best = place;
    }
    return best;
  }
}
