/** The broker's consumers, and the pulls at which workers bid for what waits there. */
import type { WorkKind } from '@penstock/policy';
import type { TraceRequest } from '../../workloads/trace.ts';
import type { Holding } from './prefix-owners.ts';

/** Levels of a bid: 0 to 9. */
const LEVELS = 10;

/** A request that waits for a worker. */
export interface Queued {
  readonly request: TraceRequest;
  readonly index: number;
  /** Whose caches are believed to hold some of it, as known when it arrived. */
  readonly holders: readonly Holding[];
}

/** One worker's pull at a consumer, and its place among those of the same level. */
export class BidSlot<Worker> {
  readonly id: string;
  readonly place: number;
  readonly worker: Worker;
  readonly consumer: Consumer<Worker>;
  /** −1 while there is no bid. */
  level = -1;
  /** Requests that the pull still promises to take. */
  left = 0;
  before: BidSlot<Worker> | null = null;
  behind: BidSlot<Worker> | null = null;

  /** @param place of its kind among those the worker bids for. */
  constructor(worker: Worker, consumer: Consumer<Worker>, place: number) {
    this.place = place;
    this.id = consumer.id;
    this.worker = worker;
    this.consumer = consumer;
  }

  /** A pull stays in its place while its level holds and it promises no more than there is room for. */
  offer(level: number, batch: number): void {
    if (this.level === level && this.left <= batch) return;
    this.withdraw();
    this.level = level;
    this.left = batch;
    this.consumer.add(this);
  }

  withdraw(): void {
    if (this.level < 0) return;
    this.consumer.remove(this);
    this.level = -1;
    this.left = 0;
  }

  /** A request went to this pull. If it promises more, it goes behind the others of its level. */
  spend(): void {
    const { level, left } = this;
    this.withdraw();
    if (left > 1) this.offer(level, left - 1);
  }
}

/**
 * What waits for one kind of work, and the pulls for it by level, each level in the order in which the pulls were made: the
 * broker serves the lowest level in turn.
 */
export class Consumer<Worker> {
  readonly kind: WorkKind;
  readonly id: string;
  readonly queue: Queued[] = [];
  readonly #first: (BidSlot<Worker> | null)[] = Array.from({ length: LEVELS }, () => null);
  readonly #last: (BidSlot<Worker> | null)[] = Array.from({ length: LEVELS }, () => null);

  constructor(kind: WorkKind) {
    this.kind = kind;
    this.id = `${kind.lane} ${kind.size}`;
  }

  add(slot: BidSlot<Worker>): void {
    const last = this.#last[slot.level] ?? null;
    slot.before = last;
    slot.behind = null;
    if (last === null) this.#first[slot.level] = slot;
    else last.behind = slot;
    this.#last[slot.level] = slot;
  }

  remove(slot: BidSlot<Worker>): void {
    const { before, behind, level } = slot;
    if (before === null) this.#first[level] = behind;
    else before.behind = behind;
    if (behind === null) this.#last[level] = before;
    else behind.before = before;
  }

  /** Of the lowest level the pull that has waited longest. */
  get lowest(): BidSlot<Worker> | null {
    for (let level = 0; level < LEVELS; level++) {
      const first = this.#first[level];
      if (first !== null && first !== undefined) return first;
    }
    return null;
  }
}
