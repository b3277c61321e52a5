/**
 * The worker's live pulls: one for each model, lane and size class, and one for work that only this worker may take. All
 * are renewed together whenever something changed, and again when the quotes go out of date by themselves because the
 * prefill backlog melts.
 */
import {
  type BidDecision,
  type BidState,
  type BidTuning,
  DEFAULT_TUNING,
  decideBid,
  decideSpareBid,
  fitting,
  type PromptSize,
  paceOf,
  SIZE_CLASSES,
  type SizeBoundaries,
  typicalTokens,
  type WorkerLoad,
} from '@penstock/policy';
import type { WorkQueueKey } from '@penstock/protocol';
import type { Clock } from '@penstock/runtime';
import type { Delivery, Puller, WorkQueue } from '@penstock/transport';

/** Renewals are at least this far apart, ms: each revocation costs the broker three commands. */
const REQUOTE_MS = 2;
const LONGEST_TIMER_MS = 10_000;
/** Weight of one request in the mean prompt length of its class. */
const LEARN_MEAN = 0.1;

/** The state of the worker that all quotes depend on. */
export interface Standing {
  readonly load: WorkerLoad;
  readonly sick: boolean;
  readonly draining: boolean;
  readonly fleetTokensPerSec: number;
}

export interface BidderOptions {
  readonly queue: WorkQueue;
  readonly clock: Clock;
  readonly region: string;
  readonly shard: number;
  readonly worker: string;
  readonly ackWaitMs: number;
  readonly boundaries: SizeBoundaries;
  readonly standing: () => Standing;
  readonly onDelivery: (delivery: Delivery) => void;
}

interface Lot {
  readonly key: WorkQueueKey;
  readonly puller: Puller;
}

export class Bidder {
  readonly #o: BidderOptions;
  readonly #lots = new Map<string, Lot>();
  #sticky: Puller | null = null;
  readonly #tuning: BidTuning;
  readonly #meanTokens: Record<PromptSize, number>;
  /** Monotonic ms since when a class is over its reserve price. */
  readonly #overSince = new Map<PromptSize, number>();
  #due: NodeJS.Immediate | NodeJS.Timeout | null = null;
  #ageing: NodeJS.Timeout | null = null;
  #quotedAt = 0;
  #level = 0;

  constructor(options: BidderOptions) {
    this.#o = options;
    this.#tuning = { ...DEFAULT_TUNING, typical: typicalTokens(options.boundaries) };
    this.#meanTokens = { ...this.#tuning.typical };
  }

  /** Level quoted last for short interactive work. */
  get level(): number {
    return this.#level;
  }

  /** Makes the consumers of a model and begins to bid for its work. */
  async open(slug: string): Promise<void> {
    const { queue, region, shard, worker, ackWaitMs, onDelivery } = this.#o;
    if (this.#sticky === null) {
      await queue.ensureStickyConsumer(region, shard, worker, { ackWaitMs });
      this.#sticky ??= queue.pullSticky(region, shard, worker, onDelivery);
    }
    for (const key of keysOf(region, shard, slug)) {
      const name = `${slug} ${key.lane} ${key.size}`;
      if (this.#lots.has(name)) continue;
      await queue.ensureConsumer(key, { ackWaitMs });
      this.#lots.set(name, { key, puller: queue.pull(key, onDelivery) });
    }
  }

  /** A request was taken: what the next of its class is likely to weigh. */
  took(size: WorkQueueKey['size'], promptTokens: number): void {
    if (size !== 'any') this.#meanTokens[size] += LEARN_MEAN * (promptTokens - this.#meanTokens[size]);
  }

  /** Renews the bids, once however many things changed: at once after a quiet while, else {@link REQUOTE_MS} after the last. */
  requote(): void {
    if (this.#due !== null) return;
    const sinceMs = this.#o.clock.monotonic() - this.#quotedAt;
    const quote = () => this.#fallDue();
    this.#due = sinceMs >= REQUOTE_MS ? setImmediate(quote) : setTimeout(quote, REQUOTE_MS - sinceMs);
  }

  /** Timers count from the beginning of a turn of the event loop, and may come up to a millisecond early. */
  #fallDue(): void {
    this.#due = null;
    if (this.#o.clock.monotonic() - this.#quotedAt < REQUOTE_MS) this.requote();
    else this.#quote();
  }

  #quote(): void {
    const now = this.#o.clock.monotonic();
    this.#quotedAt = now;
    const standing = this.#o.standing();
    const decisions = this.#decide(standing, now);
    let validS = Number.POSITIVE_INFINITY;
    for (const { key, puller } of this.#lots.values()) {
      const bid = decisions.get(`${key.lane} ${key.size}`);
      if (bid === undefined) continue;
      if ('validS' in bid) validS = Math.min(validS, bid.validS);
      puller.bid(bid.kind === 'bid' ? bid : null);
    }
    const short = decisions.get('interactive short');
    if (short?.kind === 'bid') this.#level = short.level;
    const { load } = standing;
    const fits = fitting(load.kvFreeTokens, load.running, this.#tuning.typical.medium);
    const free = standing.sick || standing.draining ? 0 : Math.min(load.slots - load.running, fits);
    this.#sticky?.bid(free > 0 ? { level: 0, batch: Math.max(1, free >> 1) } : null);
    this.#age(validS);
  }

  /** One decision for each lane and size class: all models of an engine share its load. */
  #decide(standing: Standing, now: number): Map<string, BidDecision> {
    const decisions = new Map<string, BidDecision>();
    const pace = paceOf(standing.load);
    for (const size of SIZE_CLASSES) {
      const since = this.#overSince.get(size);
      const state: BidState = {
        ...standing,
        overReserveS: since === undefined ? 0 : (now - since) / 1000,
        meanTokens: this.#meanTokens[size],
      };
      const bid = decideBid(standing.load, size, state, this.#tuning, pace);
      // The price keeps rising while only the risen price lets the worker bid.
      const over = bid.kind === 'pass' ? bid.reason === 'over_reserve' : bid.overReserve;
      if (!over) this.#overSince.delete(size);
      else if (since === undefined) this.#overSince.set(size, now);
      decisions.set(`interactive ${size}`, bid);
    }
    for (const lane of ['background', 'batch'] as const)
      decisions.set(`${lane} any`, decideSpareBid(standing.load, lane, standing, this.#tuning));
    return decisions;
  }

  #age(validS: number): void {
    if (this.#ageing !== null) clearTimeout(this.#ageing);
    this.#ageing = null;
    const afterMs = Math.max(REQUOTE_MS, validS * 1000);
    if (afterMs < LONGEST_TIMER_MS) this.#ageing = setTimeout(() => this.requote(), afterMs);
  }

  /** Stops bidding and resolves once nothing can arrive any more. */
  async stop(): Promise<void> {
    const pullers = [...this.#lots.values()].map(lot => lot.puller);
    if (this.#sticky !== null) pullers.push(this.#sticky);
    await Promise.all(pullers.map(puller => puller.stop()));
    if (this.#ageing !== null) clearTimeout(this.#ageing);
  }
}

function keysOf(region: string, shard: number, slug: string): WorkQueueKey[] {
  const base = { region, shard, slug };
  return [
    ...SIZE_CLASSES.map(size => ({ ...base, lane: 'interactive' as const, size })),
    { ...base, lane: 'background', size: 'any' },
    { ...base, lane: 'batch', size: 'any' },
  ];
}
