/** A worker of Penstock in the simulator: its load is metered and its bids are decided by the product's own rules. */
import {
  type BidMemory,
  type BidRound,
  type BidTuning,
  decideBids,
  type EngineReadings,
  type Filled,
  forgetHandedBack,
  inTurn,
  LoadMeter,
  newBidMemory,
  type PromptSize,
  rememberHandedBack,
  rememberTaken,
  renewalPauseMs,
  SIZE_CLASSES,
  WORK_KINDS,
  type WorkerStanding,
  type WorkKind,
} from '@penstock/policy';
import { Timer } from '../engine/agenda.ts';
import { BidSlot, Consumer } from './broker.ts';

/** There is no work for the lower lanes here. */
const SHARED_KINDS: readonly WorkKind[] = SIZE_CLASSES.map(size => ({ lane: 'interactive', size }));
const BOUND_KIND: WorkKind = { lane: 'bound', size: 'any' };
const BOUND_KINDS = [BOUND_KIND];
/** Bound work last, as in the product. */
const ALL_KINDS = [...SHARED_KINDS, BOUND_KIND];
const PAUSE_MS = renewalPauseMs(WORK_KINDS.length);

/** The consumers from which every worker pulls, one for each size class. */
export function sharedConsumers(): readonly Consumer<SimulatedWorker>[] {
  return SHARED_KINDS.map(kind => new Consumer(kind));
}

/** What a worker sees of its engine. */
export interface WatchedEngine {
  readonly worker: number;
  readonly profile: { readonly kvCapacityTokens: number | null };
  readonly kvUse: number | null;
}

export class SimulatedWorker {
  readonly index: number;
  readonly name: string;
  readonly meter = new LoadMeter<number>();
  /** Work that only this worker may take. */
  readonly bound = new Consumer<SimulatedWorker>(BOUND_KIND);
  readonly #engine: WatchedEngine;
  readonly #tuning: BidTuning;
  /** In the order of {@link ALL_KINDS}. */
  readonly #slots: readonly BidSlot<SimulatedWorker>[];
  readonly #boundSlot: BidSlot<SimulatedWorker>;
  #memory: BidMemory;
  readonly #readings: Filled<EngineReadings> = {
    running: 0,
    slots: 0,
    kvUse: 0,
    kvCapacity: 0,
    kvPending: 0,
    errorRate: 0,
  };
  readonly #standing: Filled<WorkerStanding>;
  #fleetRate = 0;
  readonly #renewal: Timer;
  #renewedAt = Number.NEGATIVE_INFINITY;
  /** Its quote when its process died, and when that was, ms: nothing newer is ever heard. */
  #last: { readonly waitS: number; readonly tokensPerSec: number; readonly at: number } | null = null;

  /** @param requests it may hold at once. @param renewed called when its bids have changed. */
  constructor(
    engine: WatchedEngine,
    consumers: readonly Consumer<SimulatedWorker>[],
    requests: number,
    tuning: BidTuning,
    renewed: (worker: SimulatedWorker) => void,
  ) {
    this.index = engine.worker;
    this.name = String(engine.worker);
    this.#engine = engine;
    this.#readings.slots = requests;
    this.#tuning = tuning;
    this.#memory = newBidMemory(tuning);
    const load = this.meter.load(this.#readings, 0);
    this.#standing = { load, sick: false, draining: false, fleetTokensPerSec: 0 };
    this.#boundSlot = new BidSlot(this, this.bound, consumers.length);
    this.#slots = [
      ...consumers.map((consumer, place) => new BidSlot(this, consumer, place)),
      this.#boundSlot,
    ];
    this.#renewal = new Timer(() => renewed(this));
  }

  /** Requests taken, in whatever state. */
  set running(requests: number) {
    this.#readings.running = requests;
  }

  /** Requests it may hold at once. */
  set slots(requests: number) {
    this.#readings.slots = requests;
  }

  /** As in {@link EngineReadings}. Nothing here asks before it begins: for what is replayed. */
  set kvPending(tokens: number) {
    this.#readings.kvPending = tokens;
  }

  /** Tokens; null where the engine does not tell. */
  get cacheCapacity(): number | null {
    return this.#engine.profile.kvCapacityTokens;
  }

  get occupancy(): { readonly slots: number; readonly running: number } {
    return this.#readings;
  }

  get isFull(): boolean {
    return this.#readings.running >= this.#readings.slots;
  }

  get isDead(): boolean {
    return this.#last !== null;
  }

  /** Whether it bids for all shared work at the lowest level. */
  get bidsBest(): boolean {
    for (const slot of this.#slots) if (slot.level !== 0 && slot !== this.#boundSlot) return false;
    return true;
  }

  /** When to renew the bids at the earliest: something changed. Not before the pause after the last time is over. */
  get renewableAt(): number {
    return this.#renewedAt + PAUSE_MS;
  }

  get renewal(): Timer {
    return this.#renewal;
  }

  /** The record is the worker's own, and filled anew by each call. */
  standing(now: number): WorkerStanding {
    this.#readings.kvUse = this.#engine.kvUse;
    this.#readings.kvCapacity = this.cacheCapacity;
    const standing = this.#standing;
    standing.load = this.meter.load(this.#readings, now);
    standing.fleetTokensPerSec = this.#fleetRate === 0 ? this.meter.tokensPerSec : this.#fleetRate;
    return standing;
  }

  /** What it offers for each of the kinds of work. */
  decide(kinds: readonly WorkKind[], now: number): BidRound {
    const round = decideBids(kinds, this.standing(now), this.#memory, this.#tuning, now);
    this.#memory = round.memory;
    return round;
  }

  /** @returns when the bids are out of date, ms. */
  renew(now: number): number {
    this.#renewedAt = now;
    // Its offer for bound work is made up for when there is some.
    const round = this.decide(this.bound.queue.length === 0 ? SHARED_KINDS : ALL_KINDS, now);
    const inOrder = inTurn(this.#slots, round.memory, now);
    for (let i = 0; i < inOrder.length; i++) {
      const slot = inOrder[i];
      const bid = slot === undefined ? undefined : round.decisions[slot.place];
      if (bid?.kind === 'bid') slot?.offer(bid.level, bid.batch);
      else slot?.withdraw();
    }
    return now + Math.max(PAUSE_MS, round.validS * 1000);
  }

  /** Its offer for bound work, where no renewal was due since there is some. */
  offerForBound(now: number): void {
    if (this.isDead) return;
    const [bid] = decideBids(BOUND_KINDS, this.standing(now), this.#memory, this.#tuning, now).decisions;
    if (bid?.kind === 'bid') this.#boundSlot.offer(bid.level, bid.batch);
  }

  /** Its consumers in the order in which a room that became free is offered to them. */
  consumersInTurn(now: number): readonly Consumer<SimulatedWorker>[] {
    return inTurn(this.#slots, this.#memory, now).map(slot => slot.consumer);
  }

  handBack(slot: string, now: number): void {
    this.#memory = rememberHandedBack(this.#memory, slot, now);
  }

  /** A request was accepted: it takes a slot. @param fleetRate as its ingress knows it. */
  accept(size: PromptSize, promptTokens: number, fleetRate: number): void {
    this.#memory = rememberTaken(this.#memory, size, promptTokens);
    this.#readings.running++;
    if (fleetRate > 0) this.#fleetRate = fleetRate;
  }

  /** A consumer's work was taken: it has had its turn. */
  served(slot: string): void {
    this.#memory = forgetHandedBack(this.#memory, slot);
  }

  /** A request left the engine. */
  end(index: number, kvTokens: number): void {
    this.#readings.running--;
    this.meter.end(index, kvTokens);
  }

  /** Its process ends: the broker drops its pulls with its connection. */
  die(now: number): void {
    this.#last = { waitS: this.meter.waitS(now), tokensPerSec: this.meter.quotedRate(now), at: now };
    for (const slot of this.#slots) slot.withdraw();
  }

  /** The wait that it quotes, as far as can be known. The backlog shrinks between its messages. */
  waitS(now: number): number {
    if (this.#last === null) return this.meter.waitS(now);
    return Math.max(0, this.#last.waitS - (now - this.#last.at) / 1000);
  }

  /** The rate that it quotes, as far as can be known. */
  quotedRate(now: number): number {
    return this.#last === null ? this.meter.quotedRate(now) : this.#last.tokensPerSec;
  }
}
