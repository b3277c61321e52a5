/**
 * Whether the store has room for something new to be kept. The last fifth of its memory is for what has begun: answers of runs that were
 * accepted, replies on their way, events. A store that is full would refuse those, too.
 */
import { DispatchError } from '@penstock/protocol';
import { oneAtATime } from '@penstock/runtime';
import type { RunStore } from '@penstock/transport';

/** Part of its memory that new work may take. */
const NEW_WORK = 0.8;

export class StoreRoom {
  readonly #store: Pick<RunStore, 'memory'>;
  /** While it is away nothing is let in anyhow: a failure changes nothing. */
  readonly #ask = oneAtATime(() => this.#look());
  #isFull = false;

  constructor(store: Pick<RunStore, 'memory'>) {
    this.#store = store;
  }

  /** Call once a second. */
  tick(): void {
    void this.#ask();
  }

  /** @throws DispatchError `store_full` */
  pass(): void {
    if (this.#isFull) throw new DispatchError('store_full');
  }

  async #look(): Promise<void> {
    const { usedBytes, mostBytes } = await this.#store.memory();
    this.#isFull = mostBytes !== null && usedBytes >= NEW_WORK * mostBytes;
  }
}
