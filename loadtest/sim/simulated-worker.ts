/** A worker of Penstock in the simulator, its bids, and the broker's lists of them. */
import { FIRST_ANSWER_TOKENS, type PromptSize, TYPICAL_TOKENS } from '@penstock/policy';
import { PrefillQueue } from '../../services/worker/prefill-queue.ts';
import { Timer } from './agenda.ts';

/** Levels of a bid: 0 to 9. */
const LEVELS = 10;

/** A worker's bid for one size class, and its place among the bids of the same level. */
class Lot {
  readonly worker: SimulatedWorker;
  /** −1 while there is no bid. */
  level = -1;
  overSince = -1;
  meanTokens: number;
  before: Lot | null = null;
  behind: Lot | null = null;

  constructor(worker: SimulatedWorker, size: PromptSize) {
    this.worker = worker;
    this.meanTokens = TYPICAL_TOKENS[size];
  }
}

/** Bids for one size class by level, each level in the order in which they were made: the broker serves the lowest in turn. */
export class PullList {
  readonly #first: (Lot | null)[] = Array.from({ length: LEVELS }, () => null);
  readonly #last: (Lot | null)[] = Array.from({ length: LEVELS }, () => null);

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

  /** Of the lowest level the worker that has waited longest. */
  get lowest(): SimulatedWorker | undefined {
    for (const first of this.#first) if (first !== null) return first.worker;
    return undefined;
  }
}

export class SimulatedWorker {
  readonly index: number;
  readonly prefill = new PrefillQueue<number>();
  readonly lots: Readonly<Record<PromptSize, Lot>>;
  readonly ageing: Timer;
  running = 0;
  answerTokens = FIRST_ANSWER_TOKENS;
  answers = 0;
  /** Tokens ever put into its cache. */
  cacheTokens = 0;
  gone = false;
  /** See {@link lately}; as of `loadAt`, ms. */
  load = 0;
  loadAt = 0;

  constructor(index: number, requote: (worker: SimulatedWorker) => void) {
    this.index = index;
    this.lots = {
      short: new Lot(this, 'short'),
      medium: new Lot(this, 'medium'),
      long: new Lot(this, 'long'),
    };
    this.ageing = new Timer(() => requote(this));
  }
}
