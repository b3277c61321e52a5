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
  decideBid,
  decidePrefix,
  decideSpare,
  effectiveRate,
  fewOf,
  isFast,
  LEAST_SPARING_TOKENS,
  lately,
  learnAnswer,
  mayBeCached,
  type PromptSize,
  prefillAheadS,
  SIZE_CLASSES,
  sizeClassOf,
  timeToFirstToken,
  type WorkerLoad,
  workS,
} from '@penstock/policy';
import { BLOCK_TOKENS, type TraceRequest } from '../traces/trace.ts';
import type { Dispatcher, DispatcherFactory, SimulatedFleet } from './dispatcher.ts';
import type { Job } from './fluid-engine.ts';
import { PullList, SimulatedWorker } from './simulated-worker.ts';

interface Queued {
  readonly request: TraceRequest;
  readonly index: number;
}

/** A worker that served a block, and how many tokens it had put into its cache by then. */
interface Owner {
  readonly worker: number;
  readonly stamp: number;
}

export interface PenstockOptions {
  readonly affinity?: boolean;
  readonly tuning?: BidTuning;
  readonly placing?: AffinityTuning;
}

/** Shortest time between two renewals of a worker's bids, ms. */
const REQUOTE_MS = 2;
const LEARN_MEAN = 0.1;
const MAX_OWNERS = 4;
const RATES_EVERY_MS = 1000;
const NONE: ReadonlyMap<number, number> = new Map();

class Penstock implements Dispatcher {
  readonly #fleet: SimulatedFleet;
  readonly #o: PenstockOptions;
  readonly #workers: SimulatedWorker[];
  readonly #pulls: Readonly<Record<PromptSize, PullList>>;
  readonly #queues: Readonly<Record<PromptSize, Queued[]>> = { short: [], medium: [], long: [] };
  /** Block → workers that served it, latest first. */
  readonly #owners = new Map<number, Owner[]>();
  /** Workers whose standing changes as time passes; of all others the rate is below, 0 for the former. */
  readonly #unsettled: Set<SimulatedWorker>;
  readonly #idleRates: Float64Array;
  /** Filled anew for each decision: nine a request are a tenth of the time when each makes its own. */
  readonly #bidState: { -readonly [key in keyof BidState]: BidState[key] } = {
    sick: false,
    draining: false,
    fleetTokensPerSec: 0,
    overReserveS: 0,
    meanTokens: 0,
  };
  #fleetRate = 0;
  /** More idle fast workers than these are enough for everybody. */
  #few = 0;
  #meanLoad = 0;
  #ratesAt = Number.NEGATIVE_INFINITY;

  constructor(fleet: SimulatedFleet, options: PenstockOptions) {
    this.#fleet = fleet;
    this.#o = options;
    this.#pulls = { short: new PullList(), medium: new PullList(), long: new PullList() };
    this.#workers = fleet.engines.map(
      ({ worker }) => new SimulatedWorker(worker, each => this.#requote(each)),
    );
    this.#unsettled = new Set(this.#workers);
    this.#idleRates = new Float64Array(this.#workers.length);
    for (const worker of this.#workers) this.#requote(worker);
  }

  arrive(request: TraceRequest, index: number): void {
    this.#renewRates();
    const owner = this.#o.affinity === false ? null : (this.#place(request) ?? this.#spare(request));
    if (owner !== null && owner.running < this.#fleet.slots) {
      this.#take(owner, request, index);
      return;
    }
    const size = sizeClassOf(request.inputTokens);
    this.#queues[size].push({ request, index });
    this.#serve(size);
  }

  firstToken(job: Job, index: number): void {
    const worker = this.#workers[index];
    if (worker === undefined) return;
    worker.prefill.done(job.index, this.#now);
    this.#unsettled.add(worker);
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
    for (const size of SIZE_CLASSES) this.#bid(worker, size, -1);
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
      const rate = worker.prefill.learnedRate === 0 || worker.gone ? 0 : effectiveRate(this.#loadOf(worker));
      this.#fleetRate = Math.max(this.#fleetRate, rate);
    }
    this.#meanLoad = load / Math.max(1, alive);
    this.#few = fewOf(
      this.#workers.filter(worker => !worker.gone && isFast(worker.prefill.rate, this.#fleetRate)).length,
    );
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

  /** The decision needs those who hold some of the prompt, and of all others only the best. */
  #place(request: TraceRequest): SimulatedWorker | null {
    const matched = this.#matched(request);
    if (matched.size === 0) return null;
    const candidates: Candidate[] = [];
    for (const index of [...matched.keys()].sort((a, b) => a - b)) {
      const worker = this.#workers[index];
      if (worker !== undefined && !worker.gone)
        candidates.push(this.#candidate(worker, matched.get(index) ?? 0));
    }
    const best = this.#bestOfOthers(request.inputTokens, matched);
    if (best !== null) candidates.push(best);
    const tuning = this.#o.placing ?? DEFAULT_AFFINITY;
    const placement = decidePrefix(request.inputTokens, candidates, this.#meanLoad, tuning);
    return placement.kind === 'sticky' ? (this.#workers[Number(placement.worker)] ?? null) : null;
  }

  /** A slower worker for a long prompt, while few of the fast are idle. */
  #spare(request: TraceRequest): SimulatedWorker | null {
    if (request.inputTokens < LEAST_SPARING_TOKENS || this.#hasIdle()) return null;
    const candidates = this.#workers
      .filter(worker => !worker.gone && worker.running < this.#fleet.slots)
      .map(worker => this.#candidate(worker, 0));
    const placement = decideSpare(request.inputTokens, candidates, this.#fleetRate);
    return placement?.kind === 'sticky' ? (this.#workers[Number(placement.worker)] ?? null) : null;
  }

  /** Whether enough fast workers are idle, without asking each: large fleets mostly have some. */
  #hasIdle(): boolean {
    let idle = 0;
    for (let index = 0; index < this.#idleRates.length && idle <= this.#few; index++)
      if (isFast(this.#idleRates[index] ?? 0, this.#fleetRate)) idle++;
    return idle > this.#few;
  }

  #candidate(worker: SimulatedWorker, matchedTokens: number): Candidate {
    const load = this.#loadOf(worker);
    return {
      worker: String(worker.index),
      waitS: prefillAheadS(load),
      tokensPerSec: effectiveRate(load),
      matchedTokens,
      load: matchedTokens === 0 ? 0 : this.#worked(worker, 0),
    };
  }

  /** The worker without any of the prompt that would compute it soonest. */
  #bestOfOthers(inputTokens: number, matched: ReadonlyMap<number, number>): Candidate | null {
    let best: Candidate | null = null;
    let bestS = Number.POSITIVE_INFINITY;
    for (const worker of this.#unsettled) {
      if (worker.gone) continue;
      const candidate = this.#candidate(worker, 0);
      this.#settle(worker);
      const seconds = timeToFirstToken(candidate, inputTokens);
      if (matched.has(worker.index) || seconds >= bestS) continue;
      best = candidate;
      bestS = seconds;
    }
    const fastest = this.#fastestIdle(matched);
    const tokensPerSec = this.#idleRates[fastest];
    if (tokensPerSec === undefined || inputTokens / tokensPerSec >= bestS) return best;
    return { worker: String(fastest), waitS: 0, tokensPerSec, matchedTokens: 0, load: 0 };
  }

  /** −1 where there is none. An indexed loop: over a thousand workers it takes a tenth of what an iterator does. */
  #fastestIdle(matched: ReadonlyMap<number, number>): number {
    const rates = this.#idleRates;
    let fastest = -1;
    let most = 0;
    for (let index = 0; index < rates.length; index++) {
      const rate = rates[index] ?? 0;
      if (rate <= most || matched.has(index)) continue;
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

  #take(worker: SimulatedWorker, request: TraceRequest, index: number): void {
    const lot = worker.lots[sizeClassOf(request.inputTokens)];
    lot.meanTokens += LEARN_MEAN * (request.inputTokens - lot.meanTokens);
    worker.running++;
    const matched = this.#matched(request).get(worker.index) ?? 0;
    worker.prefill.add(index, Math.max(1, request.inputTokens - matched), this.#now, false);
    this.#unsettled.add(worker);
    this.#idleRates[worker.index] = 0;
    worker.cacheTokens += request.inputTokens - matched;
    this.#worked(worker, workS(request.inputTokens - matched, worker.prefill.rate));
    this.#learn(request, worker);
    this.#fleet.send(request, index, worker.index);
    this.#requote(worker);
  }

  /** Worker → tokens of the longest prefix that its cache is believed to hold. */
  #matched(request: TraceRequest): ReadonlyMap<number, number> {
    if (request.blocks.length === 0) return NONE;
    const matched = new Map<number, number>();
    for (const [i, block] of request.blocks.entries()) {
      const known = this.#owners.get(block);
      if (known === undefined) break;
      for (const owner of known) if (this.#holds(owner)) matched.set(owner.worker, (i + 1) * BLOCK_TOKENS);
    }
    return matched;
  }

  /** Whether the worker's cache has not been filled anew since. */
  #holds({ worker, stamp }: Owner): boolean {
    const capacity = this.#fleet.engines[worker]?.profile.kvCapacityTokens ?? 0;
    return mayBeCached(stamp, this.#workers[worker]?.cacheTokens ?? 0, capacity);
  }

  #learn(request: TraceRequest, worker: SimulatedWorker): void {
    const own: Owner = { worker: worker.index, stamp: worker.cacheTokens };
    for (const block of request.blocks) {
      const others = this.#owners.get(block)?.filter(other => other.worker !== own.worker) ?? [];
      this.#owners.set(block, [own, ...others].slice(0, MAX_OWNERS));
    }
  }

  #requote(worker: SimulatedWorker): void {
    if (worker.gone) return;
    const load = this.#loadOf(worker);
    const now = this.#now;
    const state = this.#bidState;
    state.fleetTokensPerSec = this.#fleetRate === 0 ? worker.prefill.rate : this.#fleetRate;
    let validS = Number.POSITIVE_INFINITY;
    for (const size of SIZE_CLASSES) {
      const lot = worker.lots[size];
      state.overReserveS = lot.overSince < 0 ? 0 : (now - lot.overSince) / 1000;
      state.meanTokens = lot.meanTokens;
      const bid = decideBid(load, size, state, this.#o.tuning ?? DEFAULT_TUNING);
      const over = bid.kind === 'pass' ? bid.reason === 'over_reserve' : bid.overReserve;
      if (!over) lot.overSince = -1;
      else if (lot.overSince < 0) lot.overSince = now;
      if (bid.kind === 'bid' || bid.reason === 'over_reserve') validS = Math.min(validS, bid.validS);
      this.#bid(worker, size, bid.kind === 'bid' ? bid.level : -1);
    }
    const { agenda } = this.#fleet;
    if (validS === Number.POSITIVE_INFINITY) agenda.cancel(worker.ageing);
    else agenda.set(worker.ageing, now + Math.max(REQUOTE_MS, validS * 1000));
    for (const size of SIZE_CLASSES) if (this.#queues[size].length > 0) this.#serve(size);
  }

  #bid(worker: SimulatedWorker, size: PromptSize, level: number): void {
    const lot = worker.lots[size];
    if (lot.level === level) return;
    if (lot.level >= 0) this.#pulls[size].remove(lot);
    lot.level = level;
    if (level >= 0) this.#pulls[size].add(lot);
  }

  #serve(size: PromptSize): void {
    const queue = this.#queues[size];
    while (queue.length > 0) {
      const worker = this.#pulls[size].lowest;
      if (worker === undefined) return;
      const next = queue.shift();
      if (next === undefined) return;
      // A served pull is spent: the next one is a new bid, behind the others of its level.
      this.#bid(worker, size, -1);
      this.#take(worker, next.request, next.index);
    }
  }
}

export const penstock =
  (options: PenstockOptions = {}): DispatcherFactory =>
  fleet =>
    new Penstock(fleet, options);
