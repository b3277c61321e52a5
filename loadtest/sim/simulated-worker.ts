/** A worker of Penstock in the simulator, its bids, and the broker's consumers, at which it makes them. */
import { FIRST_ANSWER_TOKENS, PrefillQueue, type PromptSize, TYPICAL_TOKENS } from '@penstock/policy';
import type { TraceRequest } from '../traces/trace.ts';
import { Timer } from './agenda.ts';
import type { FluidEngine } from './fluid-engine.ts';

/** Levels of a bid: 0 to 9. */
const LEVELS = 10;

interface Queued {
  readonly request: TraceRequest;
  readonly index: number;
}

/** A worker's bid for one size class, and its place among the bids of the same level. */
class Lot {
  readonly worker: SimulatedWorker;
  readonly consumer: Consumer;
  /** −1 while there is no bid. */
  level = -1;
  overSince = -1;
  meanTokens: number;
  before: Lot | null = null;
  behind: Lot | null = null;

  constructor(worker: SimulatedWorker, consumer: Consumer) {
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

/**
 * A size class at the broker: what waits for a worker, and the bids for it by level, each level in the order in which they
 * were made: the broker serves the lowest in turn.
 */
export class Consumer {
  readonly size: PromptSize;
  readonly queue: Queued[] = [];
  readonly #first: (Lot | null)[] = Array.from({ length: LEVELS }, () => null);
  readonly #last: (Lot | null)[] = Array.from({ length: LEVELS }, () => null);

  constructor(size: PromptSize) {
    this.size = size;
  }

  add(lot: Lot): void {
    const last = this.#last[lot.level] ?? null;
    lot.before = last;
    lot.behind = null;
    if (last === null) this.#first[lot.level] = lot;
    else last.behind = lot;
    this.#last[lot.level] = lot;
  }

  remove(lot: Lot): void {
    const { before, behind, level } = lot;
    if (before === null) this.#first[level] = behind;
    else before.behind = behind;
    if (behind === null) this.#last[level] = before;
    else behind.before = before;
  }

  /** Of the lowest level the bid that has waited longest. */
  get lowest(): Lot | null {
    for (const first of this.#first) if (first !== null) return first;
    return null;
  }
}

export class SimulatedWorker {
  readonly index: number;
  readonly name: string;
  readonly prefill = new PrefillQueue<number>();
  /** In the order of the consumers. */
  readonly lots: readonly Lot[];
  readonly ageing: Timer;
  running = 0;
  answerTokens = FIRST_ANSWER_TOKENS;
  answers = 0;
  readonly cacheCapacity: number;
  /** Tokens ever put into its cache. */
  cacheTokens = 0;
  gone = false;
  firstTokenAt = Number.NEGATIVE_INFINITY;
  /** See {@link lately}; as of `loadAt`, ms. */
  load = 0;
  loadAt = 0;

  constructor(
    { worker, profile }: FluidEngine,
    consumers: readonly Consumer[],
    requote: (worker: SimulatedWorker) => void,
  ) {
    this.index = worker;
    this.name = String(worker);
    this.cacheCapacity = profile.kvCapacityTokens;
    this.lots = consumers.map(consumer => new Lot(this, consumer));
    this.ageing = new Timer(() => requote(this));
  }
}
