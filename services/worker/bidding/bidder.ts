/**
 * The worker's live pulls: one for each model, lane and size class, and one for work bound to this worker. All bids are renewed
 * together whenever something changed, and again when the quotes expire because the prefill backlog shrinks.
 *
 * A worker with one free slot offers it to every consumer at once, and hands back what comes too late. Where work of several
 * consumers waits, the first in order would get nearly every slot, so a consumer whose work keeps being handed back goes first
 * in the end.
 */
import {
  type BidDecision,
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
  type SizeBoundaries,
  typicalTokens,
  WORK_KINDS,
  type WorkerStanding,
  type WorkKind,
} from '@penstock/policy';
import { queueKeys, type WorkQueueKey } from '@penstock/protocol';
import type { Clock } from '@penstock/runtime';
import type { Delivery, Puller, QueueAdmin, WorkConsumer } from '@penstock/transport';

/** Quotes that expire later need no timer: each probe of the engine renews the bids. */
const LONGEST_TIMER_MS = 10_000;

export interface BidderOptions {
  readonly queue: QueueAdmin & WorkConsumer;
  readonly clock: Clock;
  readonly region: string;
  readonly shard: number;
  readonly worker: string;
  readonly ackWaitMs: number;
  readonly boundaries: SizeBoundaries;
  /** As of a time, monotonic ms. */
  readonly standing: (now: number) => WorkerStanding;
  /** @returns whether there was room for it; else it was handed back. */
  readonly onDelivery: (delivery: Delivery) => boolean;
  /** Told of every renewal and of what it depends on beside the standing. */
  readonly observe?: ((event: BidEvent) => void) | undefined;
}

export type BidEvent =
  | { readonly kind: 'handed_back'; readonly slot: string; readonly now: number }
  | { readonly kind: 'had_turn'; readonly slot: string }
  | {
      readonly kind: 'renewed';
      readonly now: number;
      readonly standing: WorkerStanding;
      /** In the order of {@link WORK_KINDS}. */
      readonly decisions: readonly BidDecision[];
    };

const BOUND = 'bound any';
/** In the order of {@link WORK_KINDS}. */
const KINDS = WORK_KINDS.map(({ lane, size }) => `${lane} ${size}`);

/**
 * How old the offer may be that the broker holds for work whose first token nobody waits for, or of which there is little, ms. Its
 * consumers are most of a worker's pulls, and replacing them with each change of the load cost more than the work itself.
 */
const RELAXED_MS = 100;

/** What became of deliveries since the start. */
export interface DeliveryCounts {
  /** There was room, and the worker took them. */
  readonly taken: number;
  /** They came when the last slot was gone, or after their pull had been withdrawn. */
  readonly handedBack: number;
}

/** One pull, and what it is for. */
interface BidSlot {
  readonly id: string;
  /** Slug of the queue; empty for bound work. */
  readonly queue: string;
  /** Lane and size class. */
  readonly kind: string;
  readonly lagMs: number;
  readonly puller: Puller;
}

export class Bidder {
  readonly #o: BidderOptions;
  readonly #slots = new Map<string, BidSlot>();
  #bound: BidSlot | null = null;
  readonly #tuning: BidTuning;
  #memory: BidMemory;
  #due: NodeJS.Immediate | NodeJS.Timeout | null = null;
  #expiry: NodeJS.Timeout | null = null;
  #quotedAt = 0;
  #stopped = false;
  #decisions: readonly BidDecision[] = [];
  #renewals = 0;
  readonly #deliveries = { taken: 0, handedBack: 0 };

  constructor(options: BidderOptions) {
    this.#o = options;
    this.#tuning = { ...DEFAULT_TUNING, typical: typicalTokens(options.boundaries) };
    this.#memory = newBidMemory(this.#tuning);
  }

  /**
   * Creates the consumers of a queue and begins to bid for its work. May be repeated after it rejected.
   * @param isSized its interactive work is told apart by size; else all of it is of the shortest class.
   */
  async open(slug: string, isSized = true): Promise<void> {
    const { queue, region, shard, worker, ackWaitMs } = this.#o;
    if (this.#bound === null) {
      await queue.ensureBoundConsumer(region, shard, worker, { ackWaitMs });
      const { take, surplus } = this.#receiver(BOUND);
      const puller = queue.pullBound(region, shard, worker, take, surplus);
      this.#bound = { id: BOUND, queue: '', kind: BOUND, lagMs: 0, puller };
    }
    const idOf = ({ lane, size }: WorkQueueKey) => `${slug} ${lane} ${size}`;
    const missing = queueKeys(region, shard, slug, isSized).filter(key => !this.#slots.has(idOf(key)));
    // At once: on a cluster each waits until its consumer has a leader.
    await Promise.all(missing.map(key => queue.ensureConsumer(key, { ackWaitMs })));
    for (const key of missing) {
      const kind = `${key.lane} ${key.size}`;
      const id = idOf(key);
      const isInteractive = key.lane === 'interactive';
      const { take, surplus } = this.#receiver(isInteractive ? id : null);
      const lagMs = isInteractive && isSized ? 0 : RELAXED_MS;
      this.#slots.set(id, { id, queue: slug, kind, lagMs, puller: queue.pull(key, take, surplus) });
    }
  }

  /** Bids for the work of these queues only. Resolves when no delivery of another can arrive any more. */
  async retain(queues: ReadonlySet<string>): Promise<void> {
    const left = [...this.#slots.values()].filter(({ queue }) => !queues.has(queue));
    for (const { id } of left) this.#slots.delete(id);
    await Promise.all(left.map(({ puller }) => puller.stop()));
  }

  /** The latest decision for each kind of work; none before the first. */
  get bids(): readonly (readonly [WorkKind, BidDecision])[] {
    return WORK_KINDS.flatMap((kind, i) => {
      const decision = this.#decisions[i];
      return decision === undefined ? [] : [[kind, decision] as const];
    });
  }

  /** How often all bids were renewed. */
  get renewals(): number {
    return this.#renewals;
  }

  get deliveries(): DeliveryCounts {
    return this.#deliveries;
  }

  /** @param id of a bid slot that takes turns; null for one that takes idle capacity. */
  #receiver(id: string | null) {
    const surplus = () => {
      this.#deliveries.handedBack++;
      if (id === null) return;
      const now = this.#o.clock.monotonic();
      this.#memory = rememberHandedBack(this.#memory, id, now);
      this.#o.observe?.({ kind: 'handed_back', slot: id, now });
    };
    const take = (delivery: Delivery) => {
      if (!this.#o.onDelivery(delivery)) return surplus();
      this.#deliveries.taken++;
      if (id === null) return;
      this.#memory = forgetHandedBack(this.#memory, id);
      this.#o.observe?.({ kind: 'had_turn', slot: id });
    };
    return { take, surplus };
  }

  /** A request was taken: the next of its class is expected to be similar. */
  took(size: WorkQueueKey['size'], promptTokens: number): void {
    if (size !== 'any') this.#memory = rememberTaken(this.#memory, size, promptTokens);
  }

  /** Renews the bids soon: at once after a quiet time, else a pause after the last renewal, however many things changed. */
  requote(): void {
    if (this.#due !== null || this.#stopped) return;
    const sinceMs = this.#o.clock.monotonic() - this.#quotedAt;
    const quote = () => this.#onDue();
    this.#due = sinceMs >= this.#pauseMs ? setImmediate(quote) : setTimeout(quote, this.#pauseMs - sinceMs);
  }

  get #pauseMs(): number {
    return renewalPauseMs(this.#slots.size);
  }

  /** Timers count from the start of a turn of the event loop, and may fire up to a millisecond early. */
  #onDue(): void {
    this.#due = null;
    if (this.#stopped) return;
    if (this.#o.clock.monotonic() - this.#quotedAt < this.#pauseMs) this.requote();
    else this.#quote();
  }

  #quote(): void {
    const now = this.#o.clock.monotonic();
    this.#quotedAt = now;
    const standing = this.#o.standing(now);
    const round = decideBids(WORK_KINDS, standing, this.#memory, this.#tuning, now);
    this.#memory = round.memory;
    this.#decisions = round.decisions;
    this.#renewals++;
    this.#o.observe?.({ kind: 'renewed', now, standing, decisions: round.decisions });
    for (const { kind, lagMs, puller } of this.#inTurn(now)) {
      const bid = round.decisions[KINDS.indexOf(kind)];
      puller.bid(bid?.kind === 'bid' ? { level: bid.level, batch: bid.batch, lagMs } : null);
    }
    this.#renewAfter(round.validS);
  }

  #inTurn(now: number): readonly BidSlot[] {
    const slots = [...this.#slots.values()];
    if (this.#bound !== null) slots.push(this.#bound);
    return inTurn(slots, this.#memory, now);
  }

  #renewAfter(validS: number): void {
    if (this.#expiry !== null) clearTimeout(this.#expiry);
    this.#expiry = null;
    const afterMs = Math.max(this.#pauseMs, validS * 1000);
    if (afterMs < LONGEST_TIMER_MS) this.#expiry = setTimeout(() => this.requote(), afterMs);
  }

  /** Stops bidding. Resolves when no delivery can arrive any more. */
  async stop(): Promise<void> {
    this.#stopped = true;
    if (this.#expiry !== null) clearTimeout(this.#expiry);
    await Promise.all(this.#inTurn(0).map(slot => slot.puller.stop()));
  }
}
