/**
 * Whether requests are let in. While Redis is away nothing could be stored and no reply would come: a request that is let in would
 * hang, so it is refused at once and its client tries again. A short absence, as of a server that is restarted, is waited for.
 */
import { DispatchError } from '@penstock/protocol';
import type { Clock } from '@penstock/runtime';

/** Absences up to this are waited for, ms. */
export const PATIENCE_MS = 2000;

export interface DoorOptions {
  /** Whether Redis answers. */
  readonly isConnected: () => boolean;
  readonly clock: Pick<Clock, 'monotonic'>;
}

export class Door {
  readonly #o: DoorOptions;
  /** Since when Redis is away; null while it is there. */
  #awaySince: number | null = null;

  constructor(options: DoorOptions) {
    this.#o = options;
  }

  /** Looks whether Redis is there. Call once a second, since without requests nobody else would; and whenever it may be back, were it for a moment. */
  tick(): void {
    if (this.#o.isConnected()) this.#awaySince = null;
    else this.#awaySince ??= this.#o.clock.monotonic();
  }

  /** @throws DispatchError `store_unavailable` */
  pass(): void {
    this.tick();
    const since = this.#awaySince;
    if (since !== null && this.#o.clock.monotonic() - since > PATIENCE_MS)
      throw new DispatchError('store_unavailable');
  }
}
