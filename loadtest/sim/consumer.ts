/** A size class at the broker: the requests that wait for a worker, and the workers' bids for them. */
import { type PromptSize, TYPICAL_TOKENS } from '@penstock/policy';
import type { TraceRequest } from '../traces/trace.ts';

export interface Queued {
  readonly request: TraceRequest;
  readonly index: number;
}

/** Levels of a bid: 0 to 9. */
const LEVELS = 10;

/** Bids by level, each level in the order in which they were made: the broker serves the lowest in turn. */
export class Consumer<Worker> {
  readonly size: PromptSize;
  readonly queue: Queued[] = [];
  readonly #first: (Lot<Worker> | null)[] = Array.from({ length: LEVELS }, () => null);
  readonly #last: (Lot<Worker> | null)[] = Array.from({ length: LEVELS }, () => null);

  constructor(size: PromptSize) {
    this.size = size;
  }

  add(lot: Lot<Worker>): void {
    const last = this.#last[lot.level] ?? null;
    lot.before = last;
    lot.behind = null;
    if (last === null) this.#first[lot.level] = lot;
    else last.behind = lot;
    this.#last[lot.level] = lot;
  }

  remove(lot: Lot<Worker>): void {
    const { before, behind, level } = lot;
    if (before === null) this.#first[level] = behind;
    else before.behind = behind;
    if (behind === null) this.#last[level] = before;
    else behind.before = before;
  }

  /** Of the lowest level the bid that has waited longest. */
  get lowest(): Lot<Worker> | null {
    for (const first of this.#first) if (first !== null) return first;
    return null;
  }
}

/** A worker's bid at one consumer, and its place among the bids of the same level. */
export class Lot<Worker> {
  readonly worker: Worker;
  readonly consumer: Consumer<Worker>;
  /** −1 while there is no bid. */
  level = -1;
  overSince = -1;
  meanTokens: number;
  before: Lot<Worker> | null = null;
  behind: Lot<Worker> | null = null;

  constructor(worker: Worker, consumer: Consumer<Worker>) {
    this.worker = worker;
    this.consumer = consumer;
    this.meanTokens = TYPICAL_TOKENS[consumer.size];
  }

  /** @param level −1 takes the bid back. */
  bid(level: number): void {
    if (this.level === level) return;
    if (this.level >= 0) this.consumer.remove(this);
    this.level = level;
    if (level >= 0) this.consumer.add(this);
  }
}
