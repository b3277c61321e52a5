/**
 * The worker's live pulls: one for each model, lane and size class, and one for work that only this worker may take. All
 * are renewed together whenever something changed, and again when the quotes go out of date by themselves because the
 * prefill backlog melts.
 *
 * A worker with one free slot offers it to every consumer at once, and hands back what comes too late. Where requests of several
 * consumers wait, the first in order gets nearly all, so one that goes on being handed back comes first in the end.
 */
import {
  type BidMemory,
  type BidTuning,
  DEFAULT_TUNING,
  decideBids,
  forgetHandedBack,
  inTurn,
  newBidMemory,
  rememberHandedBack,
  rememberTaken,
  renewalPauseMs,
  SIZE_CLASSES,
  type SizeBoundaries,
  typicalTokens,
  WORK_KINDS,
  type WorkerStanding,
} from '@penstock/policy';
import type { WorkQueueKey } from '@penstock/protocol';
import type { Clock } from '@penstock/runtime';
import type { Delivery, Puller, WorkQueue } from '@penstock/transport';

const LONGEST_TIMER_MS = 10_000;

export interface BidderOptions {
  readonly queue: WorkQueue;
  readonly clock: Clock;
  readonly region: string;
  readonly shard: number;
  readonly worker: string;
  readonly ackWaitMs: number;
  readonly boundaries: SizeBoundaries;
  readonly standing: () => WorkerStanding;
  /** @returns whether there was room for it; else it was handed back. */
  readonly onDelivery: (delivery: Delivery) => boolean;
}

const BOUND = 'bound any';
/** In the order of {@link WORK_KINDS}. */
const KINDS = WORK_KINDS.map(({ lane, size }) => `${lane} ${size}`);

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
  readonly #tuning: BidTuning;
  #memory: BidMemory;
  #due: NodeJS.Immediate | NodeJS.Timeout | null = null;
  #ageing: NodeJS.Timeout | null = null;
  #quotedAt = 0;
  #level = 0;

  constructor(options: BidderOptions) {
    this.#o = options;
    this.#tuning = { ...DEFAULT_TUNING, typical: typicalTokens(options.boundaries) };
    this.#memory = newBidMemory(this.#tuning);
  }

  /** Level quoted last for short interactive work. */
  get level(): number {
    return this.#level;
  }

  /** Makes the consumers of a model and begins to bid for its work. */
  async open(slug: string): Promise<void> {
    const { queue, region, shard, worker, ackWaitMs } = this.#o;
    if (this.#sticky === null) {
      await queue.ensureBoundConsumer(region, shard, worker, { ackWaitMs });
      const { take, surplus } = this.#receiver(BOUND);
      const puller = queue.pullBound(region, shard, worker, take, surplus);
      this.#sticky = { id: BOUND, kind: BOUND, puller };
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
      if (id !== null) this.#memory = rememberHandedBack(this.#memory, id, this.#o.clock.monotonic());
    };
    const take = (delivery: Delivery) => {
      if (!this.#o.onDelivery(delivery)) surplus();
      else if (id !== null) this.#memory = forgetHandedBack(this.#memory, id);
    };
    return { take, surplus };
  }

  /** A request was taken: what the next of its class is likely to weigh. */
  took(size: WorkQueueKey['size'], promptTokens: number): void {
    if (size !== 'any') this.#memory = rememberTaken(this.#memory, size, promptTokens);
  }

  /** Renews the bids, once however many things changed: at once after a quiet while, else a pause after the last. */
  requote(): void {
    if (this.#due !== null) return;
    const sinceMs = this.#o.clock.monotonic() - this.#quotedAt;
    const quote = () => this.#fallDue();
    this.#due = sinceMs >= this.#pauseMs ? setImmediate(quote) : setTimeout(quote, this.#pauseMs - sinceMs);
  }

  get #pauseMs(): number {
    return renewalPauseMs(this.#lots.size);
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
    const round = decideBids(WORK_KINDS, this.#o.standing(), this.#memory, this.#tuning, now);
    this.#memory = round.memory;
    for (const { kind, puller } of this.#inTurn(now)) {
      const bid = round.decisions[KINDS.indexOf(kind)];
      puller.bid(bid?.kind === 'bid' ? bid : null);
    }
    const short = round.decisions[KINDS.indexOf('interactive short')];
    if (short?.kind === 'bid') this.#level = short.level;
    this.#age(round.validS);
  }

  #inTurn(now: number): readonly Lot[] {
    const lots = [...this.#lots.values()];
    if (this.#sticky !== null) lots.push(this.#sticky);
    return inTurn(lots, this.#memory, now);
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
