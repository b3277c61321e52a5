/** Waiting until a run is final. */
import { isFinalStatus } from '@penstock/protocol';
import type { RunStore } from '@penstock/transport';

/** Interval at which the record of an awaited run is read, ms. */
const LOOK_MS = 2000;

export class RunWaiters {
  readonly #store: Pick<RunStore, 'progress'>;
  readonly #waiting = new Map<string, Set<() => void>>();

  constructor(store: Pick<RunStore, 'progress'>) {
    this.#store = store;
  }

  /** A run is final, as announced on the {@link DoneChannel}. */
  heard(id: string): void {
    for (const wake of this.#waiting.get(id) ?? []) wake();
  }

  /**
   * Resolves when the run is final or gone, or after `waitMs`. The announcement may have come
   * before the call, or be lost with the process that should have sent it, so the record is read at intervals, too.
   */
  async untilDone(id: string, waitMs: number): Promise<void> {
    await new Promise<void>(resolve => {
      const wakers = this.#waiting.get(id) ?? new Set();
      this.#waiting.set(id, wakers);
      const wake = () => {
        clearTimeout(timer);
        clearInterval(looking);
        wakers.delete(wake);
        if (wakers.size === 0) this.#waiting.delete(id);
        resolve();
      };
      const look = () => {
        this.#store.progress([id]).then(
          ([found = null]) => {
            if (found === null || isFinalStatus(found.status)) wake();
          },
          () => {},
        );
      };
      const timer = setTimeout(wake, waitMs);
      const looking = setInterval(look, LOOK_MS);
      wakers.add(wake);
      look();
    });
  }
}
