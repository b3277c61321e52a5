/**
 * Penstock in the simulator: the broker's queues and levels, the workers' bids and the ingress's placements, decided by
 * the product's own functions. Quotes and placements are as fresh as the real ones on a quiet network: at once.
 */
import {
  type AffinityTuning,
  type BidState,
  type BidTuning,
  type Candidate,
  DEFAULT_AFFINITY,
  DEFAULT_TUNING,
  decideAmongOwners,
  decideBid,
  decideOffload,
  effectiveRate,
  fewOf,
  isFast,
  LEAST_OFFLOAD_TOKENS,
  lately,
  learnAnswer,
  mayBeCached,
  type Placement,
  type PrefillLoad,
  paceOf,
  prefillAheadS,
  SAME_STEP_MS,
  SIZE_CLASSES,
  sizeClassOf,
  timeToFirstToken,
  type WorkerLoad,
  workS,
} from '@penstock/policy';
import type { TraceRequest } from '../traces/trace.ts';
import type { Dispatcher, DispatcherFactory, SimulatedFleet } from './dispatcher.ts';
import type { Job } from './fluid-engine.ts';
import { type Holding, type Owner, PrefixOwners } from './prefix-owners.ts';
import { Consumer, SimulatedWorker } from './simulated-worker.ts';

export interface PenstockOptions {
  readonly affinity?: boolean;
  readonly tuning?: BidTuning;
  readonly placing?: AffinityTuning;
}

/** Shortest time between two renewals of a worker's bids, ms. */
const REQUOTE_MS = 2;
const LEARN_MEAN = 0.1;
const RATES_EVERY_MS = 1000;

class Penstock implements Dispatcher {
  readonly #fleet: SimulatedFleet;
  readonly #o: PenstockOptions;
  readonly #workers: SimulatedWorker[];
  readonly #consumers = SIZE_CLASSES.map(size => new Consumer(size));
  readonly #owners = new PrefixOwners(owner => this.#holds(owner));
  /** Workers whose standing changes as time passes; of all others the rate is below, 0 for the former. */
  readonly #unsettled: Set<SimulatedWorker>;
  readonly #idleRates: Float64Array;
  /** Workers of which a first token may still show the rate, oldest first. */
  readonly #shown: Set<SimulatedWorker>;
  /** Filled anew for each decision: nine a request are a tenth of the time when each makes its own. */
  readonly #bidState: { -readonly [key in keyof BidState]: BidState[key] } = {
    sick: false,
    draining: false,
    fleetTokensPerSec: 0,
    overReserveS: 0,
    meanTokens: 0,
  };
  #fleetRate = 0;
  /** No worker was ever seen to be faster, tokens/s. */
  #fastestRate = 0;
  /** More idle fast workers than these are enough for everybody. */
  #few = 0;
  #meanLoad = 0;
  #ratesAt = Number.NEGATIVE_INFINITY;

  constructor(fleet: SimulatedFleet, options: PenstockOptions) {
    this.#fleet = fleet;
    this.#o = options;
    this.#workers = fleet.engines.map(
      engine => new SimulatedWorker(engine, this.#consumers, each => this.#requote(each)),
    );
    this.#unsettled = new Set(this.#workers);
    this.#shown = new Set(this.#workers);
    this.#idleRates = new Float64Array(this.#workers.length);
    for (const worker of this.#workers) this.#requote(worker);
  }

  arrive(request: TraceRequest, index: number): void {
    this.#renewRates();
    const placement = this.#o.affinity === false ? null : this.#place(request);
    if (placement?.kind === 'sticky') {
      const worker = this.#workers[Number(placement.worker)];
      if (worker !== undefined && worker.running < this.#fleet.slots) {
        const { reason, matchedTokens } = placement;
        this.#take(
          worker,
          request,
          index,
          reason === 'cached' ? matchedTokens : this.#heldBy(worker, request),
        );
        return;
      }
    }
    const consumer = this.#consumers[classOf(request)];
    if (consumer === undefined) return;
    consumer.queue.push({ request, index });
    this.#serve(consumer);
  }

  firstToken(job: Job, index: number): void {
    const worker = this.#workers[index];
    if (worker === undefined) return;
    worker.prefill.done(job.index, this.#now);
    this.#unsettled.add(worker);
    worker.firstTokenAt = this.#now;
    this.#shown.delete(worker);
    this.#shown.add(worker);
    this.#requote(worker);
  }

  finished({ request }: Job, index: number): void {
    const worker = this.#workers[index];
    if (worker === undefined) return;
    worker.running--;
    worker.answerTokens = learnAnswer(worker.answerTokens, request.outputTokens, worker.answers++);
    this.#requote(worker);
  }

  lost(index: number): void {
    const worker = this.#workers[index];
    if (worker === undefined) return;
    worker.gone = true;
    this.#idleRates[index] = 0;
    for (const lot of worker.lots) lot.bid(-1);
  }

  get #now(): number {
    return this.#fleet.agenda.now;
  }

  #renewRates(): void {
    if (this.#now - this.#ratesAt < RATES_EVERY_MS) return;
    this.#ratesAt = this.#now;
    this.#fleetRate = 0;
    let load = 0;
    let alive = 0;
    for (const worker of this.#workers) {
      if (!worker.gone) {
        load += this.#worked(worker, 0);
        alive++;
      }
      const rate =
        worker.prefill.learnedRate === 0 || worker.gone ? 0 : effectiveRate(this.#prefillOf(worker));
      this.#fleetRate = Math.max(this.#fleetRate, rate);
    }
    this.#meanLoad = load / Math.max(1, alive);
    this.#few = fewOf(
      this.#workers.filter(worker => !worker.gone && isFast(worker.prefill.rate, this.#fleetRate)).length,
    );
  }

  /** A first token shows a rate once its step is over: every worker's, not only of those that are weighed. */
  #learnRates(): void {
    for (const worker of this.#shown) {
      if (this.#now - worker.firstTokenAt < SAME_STEP_MS) return;
      this.#shown.delete(worker);
      if (worker.gone) continue;
      worker.prefill.look(this.#now);
      this.#fastestRate = Math.max(this.#fastestRate, worker.prefill.rate);
      this.#settle(worker);
    }
  }

  #prefillOf({ prefill }: SimulatedWorker): PrefillLoad {
    const { tokens, head } = prefill.look(this.#now);
    return { prefillBacklogTokens: tokens, head, prefillTokensPerSec: prefill.rate };
  }

  #loadOf(worker: SimulatedWorker): WorkerLoad {
    const { tokens, head } = worker.prefill.look(this.#now);
    return {
      prefillBacklogTokens: tokens,
      head,
      prefillTokensPerSec: worker.prefill.rate,
      running: worker.running,
      slots: this.#fleet.slots,
      kvUse: this.#fleet.engines[worker.index]?.kvUse ?? null,
      kvFreeTokens: null,
      errorRate: 0,
      answerTokens: worker.answerTokens,
    };
  }

  /** null where the shared queue is to decide. */
  #place(request: TraceRequest): Placement | null {
    const placement = this.#follow(request);
    return placement?.kind === 'sticky' ? placement : this.#spare(request);
  }

  /** The decision needs those who hold some of the prompt, and of all others at most the best. */
  #follow(request: TraceRequest): Placement | null {
    const holders = this.#owners.holdersOf(request.blocks);
    if (holders.length === 0) return null;
    this.#learnRates();
    const candidates: Candidate[] = [];
    for (const { worker: index, tokens } of holders) {
      const worker = this.#workers[index];
      if (worker !== undefined && !worker.gone) candidates.push(this.#candidate(worker, tokens));
    }
    const others = {
      fastestTokensPerSec: this.#fastestRate,
      soonest: () => this.#bestOfOthers(request.inputTokens, holders),
    };
    const tuning = this.#o.placing ?? DEFAULT_AFFINITY;
    return decideAmongOwners(request.inputTokens, candidates, others, this.#meanLoad, tuning);
  }

  /** A slower worker for a long prompt, while few of the fast are idle. */
  #spare(request: TraceRequest): Placement | null {
    if (request.inputTokens < LEAST_OFFLOAD_TOKENS || this.#hasIdle()) return null;
    const candidates = this.#workers
      .filter(worker => !worker.gone && worker.running < this.#fleet.slots)
      .map(worker => this.#candidate(worker, 0));
    return decideOffload(request.inputTokens, candidates, this.#fleetRate);
  }

  /** Whether enough fast workers are idle, without asking each: large fleets mostly have some. */
  #hasIdle(): boolean {
    let idle = 0;
    for (let index = 0; index < this.#idleRates.length && idle <= this.#few; index++)
      if (isFast(this.#idleRates[index] ?? 0, this.#fleetRate)) idle++;
    return idle > this.#few;
  }

  #candidate(worker: SimulatedWorker, matchedTokens: number): Candidate {
    const load = this.#prefillOf(worker);
    return {
      worker: worker.name,
      waitS: prefillAheadS(load),
      tokensPerSec: effectiveRate(load),
      matchedTokens,
      load: matchedTokens === 0 ? 0 : this.#worked(worker, 0),
    };
  }

  /** The worker without any of the prompt that would compute it soonest. */
  #bestOfOthers(inputTokens: number, holders: readonly Holding[]): Candidate | null {
    let best: Candidate | null = null;
    let bestS = Number.POSITIVE_INFINITY;
    for (const worker of this.#unsettled) {
      if (worker.gone) continue;
      const candidate = this.#candidate(worker, 0);
      this.#settle(worker);
      const seconds = timeToFirstToken(candidate, inputTokens);
      if (has(holders, worker.index) || seconds >= bestS) continue;
      best = candidate;
      bestS = seconds;
    }
    const fastest = this.#fastestIdle(holders);
    const tokensPerSec = this.#idleRates[fastest];
    if (tokensPerSec === undefined || inputTokens / tokensPerSec >= bestS) return best;
    return { worker: String(fastest), waitS: 0, tokensPerSec, matchedTokens: 0, load: 0 };
  }

  /** −1 where there is none. An indexed loop: over a thousand workers it takes a tenth of what an iterator does. */
  #fastestIdle(holders: readonly Holding[]): number {
    const rates = this.#idleRates;
    let fastest = -1;
    let most = 0;
    for (let index = 0; index < rates.length; index++) {
      const rate = rates[index] ?? 0;
      if (rate <= most || has(holders, index)) continue;
      fastest = index;
      most = rate;
    }
    return fastest;
  }

  /** A worker with nothing to prefill and nothing to learn is as it is until it takes something. */
  #settle(worker: SimulatedWorker): void {
    if (!worker.prefill.settled) return;
    this.#unsettled.delete(worker);
    this.#idleRates[worker.index] = Math.max(1, worker.prefill.rate);
  }

  /** Its load as of now, `busyS` more of work included. */
  #worked(worker: SimulatedWorker, busyS: number): number {
    worker.load = lately(worker.load, busyS, (this.#now - worker.loadAt) / 1000);
    worker.loadAt = this.#now;
    return worker.load;
  }

  /** @param held prompt tokens that the worker's cache is believed to hold. */
  #take(worker: SimulatedWorker, request: TraceRequest, index: number, held: number): void {
    const lot = worker.lots[classOf(request)];
    if (lot !== undefined) lot.meanTokens += LEARN_MEAN * (request.inputTokens - lot.meanTokens);
    worker.running++;
    const uncached = request.inputTokens - held;
    worker.prefill.add(index, Math.max(1, uncached), this.#now, false);
    this.#unsettled.add(worker);
    this.#idleRates[worker.index] = 0;
    worker.cacheTokens += uncached;
    this.#worked(worker, workS(uncached, worker.prefill.rate));
    this.#owners.learn(request.blocks, { worker: worker.index, stamp: worker.cacheTokens });
    this.#fleet.send(request, index, worker.index);
    this.#requote(worker);
  }

  #heldBy(worker: SimulatedWorker, request: TraceRequest): number {
    const holders = this.#owners.holdersOf(request.blocks);
    return holders.find(holding => holding.worker === worker.index)?.tokens ?? 0;
  }

  /** Whether the worker's cache has not been filled anew since. */
  #holds({ worker: index, stamp }: Owner): boolean {
    const worker = this.#workers[index];
    return worker !== undefined && mayBeCached(stamp, worker.cacheTokens, worker.cacheCapacity);
  }

  #requote(worker: SimulatedWorker): void {
    if (worker.gone) return;
    const load = this.#loadOf(worker);
    const pace = paceOf(load);
    const tuning = this.#o.tuning ?? DEFAULT_TUNING;
    const now = this.#now;
    const state = this.#bidState;
    state.fleetTokensPerSec = this.#fleetRate === 0 ? worker.prefill.rate : this.#fleetRate;
    let validS = Number.POSITIVE_INFINITY;
    for (const lot of worker.lots) {
      state.overReserveS = lot.overSince < 0 ? 0 : (now - lot.overSince) / 1000;
      state.meanTokens = lot.meanTokens;
      const bid = decideBid(load, lot.consumer.size, state, tuning, pace);
      const over = bid.kind === 'pass' ? bid.reason === 'over_reserve' : bid.overReserve;
      if (!over) lot.overSince = -1;
      else if (lot.overSince < 0) lot.overSince = now;
      if (bid.kind === 'bid' || bid.reason === 'over_reserve') validS = Math.min(validS, bid.validS);
      lot.bid(bid.kind === 'bid' ? bid.level : -1);
    }
    const { agenda } = this.#fleet;
    if (validS === Number.POSITIVE_INFINITY) agenda.cancel(worker.ageing);
    else agenda.set(worker.ageing, now + Math.max(REQUOTE_MS, validS * 1000));
    for (const consumer of this.#consumers) if (consumer.queue.length > 0) this.#serve(consumer);
  }

  #serve(consumer: Consumer): void {
    const { queue } = consumer;
    for (let lot = consumer.lowest; lot !== null; lot = consumer.lowest) {
      const next = queue.shift();
      if (next === undefined) return;
      // A served pull is spent: the next one is a new bid, behind the others of its level.
      lot.bid(-1);
      this.#take(lot.worker, next.request, next.index, this.#heldBy(lot.worker, next.request));
    }
  }
}

/** The place of a request's size class among the consumers. */
function classOf(request: TraceRequest): number {
  return SIZE_CLASSES.indexOf(sizeClassOf(request.inputTokens));
}

function has(holders: readonly Holding[], index: number): boolean {
  return holders.some(({ worker }) => worker === index);
}

export const penstock =
  (options: PenstockOptions = {}): DispatcherFactory =>
  fleet =>
    new Penstock(fleet, options);
