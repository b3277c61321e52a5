/**
 * Penstock in the simulator: the broker's queues and levels, the workers' bids and the ingress's placements, all decided by
 * what the product decides with ({@link decideBids}, {@link decidePlacement}, {@link LoadMeter}).
 */
import {
  type AffinityTuning,
  type BidTuning,
  BOUND_WAIT_MS,
  DEFAULT_AFFINITY,
  DEFAULT_TUNING,
  decidePlacement,
  kvNeed,
  LEAST_PREFIX_TOKENS,
  SIZE_CLASSES,
  sizeClassOf,
  startsNow,
  trustedTokens,
} from '@penstock/policy';
import type { TraceRequest } from '../../workloads/trace.ts';
import type { Dispatcher, DispatcherFactory, SimulatedFleet } from '../dispatchers/dispatcher.ts';
import { Timer } from '../engine/agenda.ts';
import type { Job } from '../engine/fluid-engine.ts';
import type { Consumer, Queued } from './broker.ts';
import { Doors, type DoorsOptions } from './doors.ts';
import { FleetView } from './fleet-view.ts';
import { type Holding, PrefixOwners } from './prefix-owners.ts';
import { SimulatedWorker, sharedConsumers } from './worker.ts';

export interface PenstockOptions {
  readonly affinity?: boolean;
  readonly tuning?: BidTuning;
  readonly placing?: AffinityTuning;
  /** Ingress nodes, at which requests pass in shares; null: all go to the queue at once, first come, first served. Default: one node. */
  readonly doors?: DoorsOptions | null;
  /** Shown the queues and the workers before anything happens. */
  readonly inspect?: (parts: PenstockParts) => void;
}

export interface PenstockParts {
  readonly workers: readonly SimulatedWorker[];
  /** Of work that any worker may take, in the order of the size classes. */
  readonly consumers: readonly Consumer<SimulatedWorker>[];
}

const NO_HOLDERS: readonly Holding[] = [];

class Penstock implements Dispatcher {
  readonly #fleet: SimulatedFleet;
  readonly #affinity: boolean;
  readonly #placing: AffinityTuning;
  readonly #workers: readonly SimulatedWorker[];
  readonly #consumers = sharedConsumers();
  readonly #view: FleetView<SimulatedWorker>;
  readonly #owners: PrefixOwners;
  readonly #doors: Doors | null;
  #alive: number;
  /** By request: share of its prompt that the cache of the worker which took it was expected to hold. */
  readonly #expected: number[] = [];

  constructor(fleet: SimulatedFleet, options: PenstockOptions) {
    this.#fleet = fleet;
    this.#affinity = options.affinity !== false;
    this.#placing = options.placing ?? DEFAULT_AFFINITY;
    const tuning = options.tuning ?? DEFAULT_TUNING;
    this.#workers = fleet.engines.map(
      engine =>
        new SimulatedWorker(engine, this.#consumers, fleet.slots, tuning, worker => this.#renew(worker)),
    );
    this.#alive = this.#workers.length;
    this.#view = new FleetView(this.#workers, fleet.agenda);
    this.#owners = new PrefixOwners(owner => this.#view.mayHold(owner));
    const { doors = { nodes: 1 } } = options;
    this.#doors = doors === null ? null : new Doors(doors, this.#behindDoors());
    options.inspect?.({ workers: this.#workers, consumers: this.#consumers });
    for (const worker of this.#workers) this.#renew(worker);
  }

  arrive(request: TraceRequest, index: number): void {
    if (this.#doors === null) this.#admit(request, index);
    else this.#doors.arrive(request, index);
  }

  #behindDoors() {
    const roomOf = (worker: SimulatedWorker) => ({
      ...worker.occupancy,
      ...{ waitS: worker.waitS(this.#now), tokensPerSec: worker.quotedRate(this.#now) },
    });
    return {
      agenda: this.#fleet.agenda,
      workers: () => this.#alive,
      quotes: () => this.#quotes(),
      starts: (promptTokens: number) =>
        this.#workers.reduce(
          (sum, worker) => sum + (worker.isDead ? 0 : startsNow(roomOf(worker), promptTokens)),
          0,
        ),
      send: (request: TraceRequest, index: number) => this.#admit(request, index),
      withdraw: (index: number) => this.#withdraw(index),
      refuse: (request: TraceRequest, index: number) => this.#fleet.refuse(request, index),
    };
  }

  #withdraw(index: number): boolean {
    for (const { queue } of [...this.#consumers, ...this.#workers.map(({ bound }) => bound)]) {
      const at = queue.findIndex(each => each.index === index);
      if (at >= 0) return queue.splice(at, 1).length > 0;
    }
    return false;
  }

  #quotes() {
    let quotedS = Number.POSITIVE_INFINITY;
    let rates = 0;
    for (const worker of this.#workers) {
      if (worker.isDead) continue;
      quotedS = Math.min(quotedS, worker.waitS(this.#now));
      rates += worker.quotedRate(this.#now);
    }
    return {
      quotedS: Number.isFinite(quotedS) ? quotedS : 0,
      tokensPerSec: rates / Math.max(1, this.#alive),
    };
  }

  #admit(request: TraceRequest, index: number): void {
    // Believed to be faster, it can bid no better than it does.
    this.#view.renew(worker => {
      if (!worker.bidsBest) this.#changed(worker);
    });
    const holders = this.#affinity ? this.#holdersOf(request) : NO_HOLDERS;
    const queued = { request, index, holders };
    const worker = this.#affinity ? this.#place(queued) : null;
    if (worker !== null) this.#bind(queued, worker);
    else this.#share(queued);
  }

  firstToken(job: Job, index: number): void {
    const worker = this.#workers[index];
    if (worker === undefined) return;
    worker.meter.firstToken(job.index, this.#now);
    this.#view.heardFirstToken(index);
    this.#doors?.begun(job.index);
    this.#changed(worker);
  }

  finished(job: Job, index: number): void {
    const worker = this.#workers[index];
    if (worker === undefined) return;
    worker.end(job.index, needOf(job.request));
    worker.meter.answered(job.request.outputTokens);
    this.#view.hear(index);
    const found = job.cachedTokens / Math.max(1, job.request.inputTokens);
    this.#view.judgeCache(index, this.#expected[job.index] ?? 0, found);
    this.#changed(worker);
  }

  died(index: number): void {
    const worker = this.#workers[index];
    if (worker === undefined) return;
    worker.die(this.#now);
    this.#alive--;
    this.#fleet.agenda.cancel(worker.renewal);
  }

  lost(index: number): void {
    this.#view.lose(index);
    const worker = this.#workers[index];
    for (const queued of worker?.bound.queue.splice(0) ?? []) this.#share(queued);
  }

  get #now(): number {
    return this.#fleet.agenda.now;
  }

  #holdersOf({ inputTokens, blocks }: TraceRequest): readonly Holding[] {
    if (inputTokens < LEAST_PREFIX_TOKENS) return NO_HOLDERS;
    const holders = this.#owners.holdersOf(blocks);
    for (const holding of holders)
      holding.trusted = trustedTokens(holding.tokens, this.#view.trustIn(holding.worker));
    return holders;
  }

  /** The worker that a request is bound to; null where the shared queue is to decide. */
  #place({ request, holders }: Queued): SimulatedWorker | null {
    const { inputTokens } = request;
    const fleet = this.#view.for(inputTokens, holders);
    const placement = decidePlacement(inputTokens, holders.length > 0, fleet, this.#placing);
    return placement.kind === 'bound' ? (this.#workers[Number(placement.worker)] ?? null) : null;
  }

  #share(queued: Queued): void {
    const consumer = this.#consumers[SIZE_CLASSES.indexOf(sizeClassOf(queued.request.inputTokens))];
    if (consumer === undefined) return;
    consumer.queue.push(queued);
    this.#serve(consumer);
  }

  #bind(queued: Queued, worker: SimulatedWorker): void {
    if (worker.bound.queue.length === 0) worker.offerForBound(this.#now);
    worker.bound.queue.push(queued);
    this.#serve(worker.bound);
    if (!worker.bound.queue.includes(queued)) return;
    this.#view.expectAt(worker.index, uncachedTokens(queued, worker));
    const release = () => this.#release(queued, worker);
    this.#fleet.agenda.set(new Timer(release), this.#now + BOUND_WAIT_MS);
  }

  /** Bound work that its worker did not take in time moves to where any worker may take it. */
  #release(queued: Queued, worker: SimulatedWorker): void {
    const at = worker.bound.queue.indexOf(queued);
    if (at < 0) return;
    worker.bound.queue.splice(at, 1);
    this.#view.suspect(worker.index);
    this.#share(queued);
  }

  /** Something changed at a worker: its bids are renewed, once however many things change within the pause. */
  #changed(worker: SimulatedWorker): void {
    if (worker.isDead) return;
    const { agenda } = this.#fleet;
    if (this.#now >= worker.renewableAt) this.#renew(worker);
    else if (worker.renewal.at > worker.renewableAt) agenda.set(worker.renewal, worker.renewableAt);
  }

  #renew(worker: SimulatedWorker): void {
    const { agenda } = this.#fleet;
    const dueAt = worker.renew(this.#now);
    if (dueAt === Number.POSITIVE_INFINITY) agenda.cancel(worker.renewal);
    else agenda.set(worker.renewal, dueAt);
    if (this.#hasWaiting || worker.bound.queue.length > 0)
      for (const consumer of worker.consumersInTurn(this.#now)) this.#serve(consumer);
  }

  get #hasWaiting(): boolean {
    const consumers = this.#consumers;
    for (let i = 0; i < consumers.length; i++) if (consumers[i]?.queue.length !== 0) return true;
    return false;
  }

  #serve(consumer: Consumer<SimulatedWorker>): void {
    const { queue } = consumer;
    while (queue.length > 0) {
      const slot = consumer.lowest;
      if (slot === null) return;
      slot.spend();
      const { worker } = slot;
      if (worker.isFull) {
        worker.handBack(slot.id, this.#now);
        continue;
      }
      const next = queue.shift();
      if (next === undefined) return;
      worker.served(slot.id);
      this.#take(worker, next);
    }
  }

  #take(worker: SimulatedWorker, queued: Queued): void {
    const { request, index, holders } = queued;
    const holding = holders.find(each => each.worker === worker.index);
    const size = sizeClassOf(request.inputTokens);
    const { inputTokens: promptTokens } = request;
    worker.accept(size, promptTokens, this.#view.fleetTokensPerSec);
    const heldTokens = holding?.trusted ?? 0;
    const metered = { promptTokens, heldTokens, kvTokens: needOf(request), silent: false };
    worker.meter.begin(index, metered, this.#now);
    this.#expected[index] = (holding?.tokens ?? 0) / Math.max(1, request.inputTokens);
    this.#view.heardTaking(worker.index);
    if (this.#affinity && request.inputTokens >= LEAST_PREFIX_TOKENS)
      this.#owners.learn(request.blocks, { worker: worker.index, stamp: worker.meter.cacheTokens });
    this.#fleet.send(request, index, worker.index);
    this.#changed(worker);
  }
}

function needOf({ inputTokens, outputTokens }: TraceRequest): number {
  return kvNeed(inputTokens, outputTokens);
}

function uncachedTokens({ request, holders }: Queued, worker: SimulatedWorker): number {
  const held = holders.find(each => each.worker === worker.index)?.trusted ?? 0;
  return Math.max(0, request.inputTokens - held);
}

export const penstock =
  (options: PenstockOptions = {}): DispatcherFactory =>
  fleet =>
    new Penstock(fleet, options);
