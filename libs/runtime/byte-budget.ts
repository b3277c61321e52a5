/** Memory that large bodies may take at once in this process. Who finds no room waits in order. */

/** Gives back what was taken. Doing it twice changes nothing. */
export type GiveBack = () => void;

interface Waiting {
  readonly bytes: number;
  readonly go: (giveBack: GiveBack | null) => void;
}

export class ByteBudget {
  readonly #total: number;
  readonly #waiting: Waiting[] = [];
  #taken = 0;

  constructor(totalBytes: number) {
    this.#total = totalBytes;
  }

  get takenBytes(): number {
    return this.#taken;
  }

  /**
   * Takes room for so many bytes; more than the whole budget counts as all of it.
   * @param limitMs how long to wait for it, or a signal that ends the wait. @returns null where it did not come.
   */
  take(bytes: number, limit: number | AbortSignal): Promise<GiveBack | null> {
    const wanted = Math.min(bytes, this.#total);
    if (this.#waiting.length === 0 && this.#taken + wanted <= this.#total)
      return Promise.resolve(this.#grant(wanted));
    const signal = typeof limit === 'number' ? AbortSignal.timeout(limit) : limit;
    if (signal.aborted) return Promise.resolve(null);
    return new Promise(resolve => {
      const giveUp = () => {
        this.#waiting.splice(this.#waiting.indexOf(place), 1);
        resolve(null);
        this.#serve();
      };
      const place: Waiting = {
        bytes: wanted,
        go: giveBack => {
          signal.removeEventListener('abort', giveUp);
          resolve(giveBack);
        },
      };
      this.#waiting.push(place);
      signal.addEventListener('abort', giveUp, { once: true });
    });
  }

  #grant(bytes: number): GiveBack {
    this.#taken += bytes;
    let isHeld = true;
    return () => {
      if (!isHeld) return;
      isHeld = false;
      this.#taken -= bytes;
      this.#serve();
    };
  }

  #serve(): void {
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      if (this.#taken + next.bytes > this.#total) return;
      this.#waiting.shift();
      next.go(this.#grant(next.bytes));
    }
  }
}
