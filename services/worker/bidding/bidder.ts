/**
 * The worker's live pulls: one for each model, lane and size class, and one for work that only this worker may take. All
 * are renewed together whenever something changed, and again when the quotes go out of date by themselves because the
 * prefill backlog melts.
 *
 * A worker with one free slot offers it to every consumer at once, and hands back what comes too late. Where requests of several
 * consumers wait, the first in order gets nearly all, so one that goes on being handed back comes first in the end.
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

/**
 * Renewals are at least this far apart, ms, or this far for each pull where a worker has many models: each revocation costs the
 * broker three commands, and no worker may cost it more than 5,000 of them a second.
 */
const REQUOTE_MS = 2;
const REQUOTE_MS_A_PULL = 0.2;
const LONGEST_TIMER_MS = 10_000;
/**
 * Lower lanes are offered the room of a worker that was full only when no interactive work has taken it for this long, ms. A few
 * round trips to the broker.
 */
const VALLEY_MS = 20;
/** Work that a full worker has handed back for this long is offered its next room first, ms. */
const TURN_MS = 1000;
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
  /** @returns whether there was room for it; else it was handed back. */
  readonly onDelivery: (delivery: Delivery) => boolean;
}

const STICKY = 'sticky';
const NO_ROOM: BidDecision = { kind: 'pass', reason: 'full' };

interface Lot {
  readonly id: string;
  /** Lane and size class. */
  readonly kind: string;
  readonly puller: Puller;
}

export class Bidder {
  readonly #o: BidderOptions;
  readonly #lots = new Map<string, Lot>();
  #sticky: Lot | null = null;
  /** Whose work is handed back for want of room, and monotonic ms since when; longest ago first. */
  readonly #handedBack = new Map<string, number>();
  /** Monotonic ms when the worker was last seen full. */
  #fullAt = Number.NEGATIVE_INFINITY;
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
    const { queue, region, shard, worker, ackWaitMs } = this.#o;
    if (this.#sticky === null) {
      await queue.ensureStickyConsumer(region, shard, worker, { ackWaitMs });
      const { take, surplus } = this.#receiver(STICKY);
      const puller = queue.pullSticky(region, shard, worker, take, surplus);
      this.#sticky = { id: STICKY, kind: STICKY, puller };
    }
    for (const key of keysOf(region, shard, slug)) {
      const kind = `${key.lane} ${key.size}`;
      const id = `${slug} ${kind}`;
      if (this.#lots.has(id)) continue;
      await queue.ensureConsumer(key, { ackWaitMs });
      const { take, surplus } = this.#receiver(key.lane === 'interactive' ? id : null);
      this.#lots.set(id, { id, kind, puller: queue.pull(key, take, surplus) });
    }
  }

  /** @param id of a lot that gets its turn; null where it takes what is left. */
  #receiver(id: string | null) {
    const surplus = () => {
      if (id !== null && !this.#handedBack.has(id)) this.#handedBack.set(id, this.#o.clock.monotonic());
    };
    const take = (delivery: Delivery) => {
      if (!this.#o.onDelivery(delivery)) surplus();
      else if (id !== null) this.#handedBack.delete(id);
    };
    return { take, surplus };
  }

  /** A request was taken: what the next of its class is likely to weigh. */
  took(size: WorkQueueKey['size'], promptTokens: number): void {
    if (size !== 'any') this.#meanTokens[size] += LEARN_MEAN * (promptTokens - this.#meanTokens[size]);
  }

  /** Renews the bids, once however many things changed: at once after a quiet while, else a pause after the last. */
  requote(): void {
    if (this.#due !== null) return;
    const sinceMs = this.#o.clock.monotonic() - this.#quotedAt;
    const quote = () => this.#fallDue();
    this.#due = sinceMs >= this.#pauseMs ? setImmediate(quote) : setTimeout(quote, this.#pauseMs - sinceMs);
  }

  get #pauseMs(): number {
    return Math.max(REQUOTE_MS, REQUOTE_MS_A_PULL * this.#lots.size);
  }

  /** Timers count from the beginning of a turn of the event loop, and may come up to a millisecond early. */
  #fallDue(): void {
    this.#due = null;
    if (this.#o.clock.monotonic() - this.#quotedAt < this.#pauseMs) this.requote();
    else this.#quote();
  }

  #quote(): void {
    const now = this.#o.clock.monotonic();
    this.#quotedAt = now;
    const standing = this.#o.standing();
    const { load } = standing;
    if (load.running >= load.slots) this.#fullAt = now;
    const decisions = this.#decide(standing, now);
    const valleyS = (this.#fullAt + VALLEY_MS - now) / 1000;
    let validS = valleyS > 0 ? valleyS : Number.POSITIVE_INFINITY;
    for (const { kind, puller } of this.#inTurn(now)) {
      const bid = decisions.get(kind);
      if (bid === undefined) continue;
      if ('validS' in bid) validS = Math.min(validS, bid.validS);
      puller.bid(bid.kind === 'bid' ? bid : null);
    }
    const short = decisions.get('interactive short');
    if (short?.kind === 'bid') this.#level = short.level;
    this.#age(validS);
  }

  /** The broker serves pulls in the order they come in: first whose work has long been handed back. */
  #inTurn(now: number): readonly Lot[] {
    const lots = [...this.#lots.values()];
    if (this.#sticky !== null) lots.push(this.#sticky);
    const due = [...this.#handedBack].filter(([, since]) => now - since >= TURN_MS).map(([id]) => id);
    if (due.length === 0) return lots;
    return [
      ...due.flatMap(id => lots.find(lot => lot.id === id) ?? []),
      ...lots.filter(lot => !due.includes(lot.id)),
    ];
  }

  /** One decision for each lane and size class, and one for bound work: all models of an engine share its load. */
  #decide(standing: Standing, now: number): Map<string, BidDecision> {
    const decisions = new Map<string, BidDecision>([[STICKY, this.#decideBound(standing)]]);
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
    const isValley = now - this.#fullAt >= VALLEY_MS;
    for (const lane of ['background', 'batch'] as const)
      decisions.set(
        `${lane} any`,
        isValley ? decideSpareBid(standing.load, lane, standing, this.#tuning) : NO_ROOM,
      );
    return decisions;
  }

  /** What was sent here for its cache needs no quote, only room: nobody else bids for it. */
  #decideBound({ load, sick, draining }: Standing): BidDecision {
    const fits = fitting(load.kvFreeTokens, load.running, this.#tuning.typical.medium);
    const free = sick || draining ? 0 : Math.min(load.slots - load.running, fits);
    if (free <= 0) return NO_ROOM;
    const validS = Number.POSITIVE_INFINITY;
    return {
      kind: 'bid',
      level: 0,
      batch: Math.max(1, free >> 1),
      validS,
      overReserve: false,
      reason: 'room',
    };
  }

  #age(validS: number): void {
    if (this.#ageing !== null) clearTimeout(this.#ageing);
    this.#ageing = null;
    const afterMs = Math.max(this.#pauseMs, validS * 1000);
    if (afterMs < LONGEST_TIMER_MS) this.#ageing = setTimeout(() => this.requote(), afterMs);
  }

  /** Stops bidding and resolves once nothing can arrive any more. */
  async stop(): Promise<void> {
    await Promise.all(this.#inTurn(0).map(lot => lot.puller.stop()));
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
