/**
 * A worker: bids for work that it has room for, runs it on its engine, and reports to the ingress that waits or into the run's
 * record. Neither is owned here: an ingress settles the deliveries of the requests it holds, and a record fences its attempts.
 */
import {
  type Architecture,
  type BidDecision,
  LoadMeter,
  type SizeBoundaries,
  SlotMeter,
  type WorkerStanding,
  type WorkKind,
} from '@penstock/policy';
import { type AttemptKey, encodeMessage, isMeant, type ModelInfo, queuesOf } from '@penstock/protocol';
import type { Clock, DroppedMessages, Logger } from '@penstock/runtime';
import type {
  ControlChannel,
  GivenSeals,
  ModelRegistry,
  QueueAdmin,
  ReplyBus,
  WorkConsumer,
} from '@penstock/transport';
import { Admission } from './admission/admission.ts';
import { StillWanted } from './admission/still-wanted.ts';
import type { Attempt } from './attempts/attempt.ts';
import type { BodyLoader } from './attempts/body-loader.ts';
import type { Continuing } from './attempts/continuing.ts';
import type { StreamLimits } from './attempts/phase-limit.ts';
import { type AttemptObserver, type AttemptTracer, RunningAttempts } from './attempts/running-attempts.ts';
import { Bidder } from './bidding/bidder.ts';
import { type Engine, MAX_ANSWER_BYTES } from './engine/engine.ts';
import { EngineWatch } from './engine/engine-watch.ts';
import { hearOrders } from './orders.ts';
import { Presence, type Vitals } from './presence.ts';
import { FrameBatcher } from './replies/frame-batcher.ts';
import type { WorkerStatus } from './status.ts';
import type { StoredRuns } from './stored/stored-runs.ts';

export interface WorkerOptions {
  readonly id: string;
  /** Identifies this process; see {@link Heartbeat.incarnation}. */
  readonly incarnation: string;
  readonly region: string;
  /** Pool that it is deployed with; absent for none. */
  readonly pool?: string | undefined;
  /** Stream of the region that it pulls from. */
  readonly shard: number;
  /** Most requests run at once; fewer where the engine runs fewer, see {@link SlotMeter}. */
  readonly slots: number;
  /** Of the engine's models, as the operator states it; null leaves it to the engine. */
  readonly architecture: Architecture | null;
  /** See {@link EngineWatchOptions.serves}. */
  readonly serves: (name: string) => boolean;
  readonly mostModels: number;
  /** How often the engine's models are listed again, ms. */
  readonly listEveryMs: number;
  readonly ackWaitMs: number;
  readonly boundaries: SizeBoundaries;
  readonly tickMs: number;
  /** How long the engine may take over streams of a model, by the model's slug. */
  readonly limitsOf: (slug: string) => StreamLimits;
  readonly queue: QueueAdmin & WorkConsumer & ControlChannel;
  readonly bus: Pick<ReplyBus, 'connected' | 'onConnection' | 'pendingBytes' | 'publish' | 'publishPaced'>;
  readonly models: Pick<ModelRegistry, 'announce'>;
  readonly bodies: Pick<BodyLoader, 'load'>;
  readonly engine: Pick<Engine, 'ask' | 'endpoints' | 'gauges' | 'healthy' | 'models' | 'run' | 'slotLimit'>;
  readonly continuing: Continuing;
  readonly stored: StoredRuns;
  /** Of what this worker is given. */
  readonly seals: Pick<GivenSeals, 'sealFrame'>;
  /** Are told of every attempt. */
  readonly observers: readonly AttemptObserver[];
  /** Null where it is off. */
  readonly tracing: AttemptTracer | null;
  readonly clock: Clock;
  /** Counts what other processes say that is wrong. */
  readonly dropped: DroppedMessages;
  readonly log: Logger;
}

/** With more reply bytes than this unconfirmed by the reply bus, the worker takes nothing new. */
const MAX_PENDING_REPLY_BYTES = 64 * 1024 * 1024;
/** Nor with more than this of long answers that wait for their ingress: sixteen of the longest. Short ones go past them. */
const MAX_UNSENT_BYTES = 16 * MAX_ANSWER_BYTES;

export class Worker {
  readonly #o: WorkerOptions;
  readonly #meter: LoadMeter;
  readonly #slots: SlotMeter;
  readonly #watch: EngineWatch;
  readonly #presence: Presence;
  readonly #batcher: FrameBatcher<Attempt>;
  readonly #running: RunningAttempts;
  readonly #admission: Admission;
  readonly #bidder: Bidder;
  readonly #stillWanted: StillWanted;
  /** Prefill rate of the fleet's fastest worker as the ingress nodes know it, tokens/s; 0 before any work came. */
  #fleetTokensPerSec = 0;

  constructor(options: WorkerOptions) {
    this.#o = options;
    this.#meter = new LoadMeter(cacheCountAt(options.clock), this.#traced());
    this.#slots = new SlotMeter(options.slots);
    this.#watch = this.#createWatch();
    this.#presence = this.#createPresence();
    this.#batcher = this.#createBatcher();
    this.#running = this.#createRunningAttempts();
    this.#admission = this.#createAdmission();
    this.#bidder = this.#createBidder();
    this.#stillWanted = this.#createStillWanted();
  }

  #createWatch(): EngineWatch {
    const { engine, architecture, serves, mostModels, listEveryMs, continuing, log, clock } = this.#o;
    return new EngineWatch({
      ...{ engine, architecture, serves, mostModels, listEveryMs, log },
      open: model => this.#open(model),
      retain: models => this.#bidder.retain(new Set(models.flatMap(queuesOf))),
      onSlotLimit: limit => this.#slots.told(limit),
      onOpened: () => {
        this.#presence.beat();
        void continuing.learn(this.#watch.models);
      },
      onHealthChanged: () => {
        this.#presence.beat();
        // The engine may have been restarted, with an empty cache, or be another one.
        this.#meter.emptied(cacheCountAt(clock));
        continuing.forget();
      },
      onProbed: () => {
        this.#meter.recover(clock.monotonic());
        this.#readSlots();
        this.#bidder.requote();
      },
    });
  }

  /** The gauges are those of the probe that has just ended. */
  #readSlots(): void {
    const { running = null, waiting = null } = this.#watch.gauges ?? {};
    const now = this.#o.clock.monotonic();
    this.#learning(() =>
      this.#slots.read({ running, waiting }, this.#running.size, this.#meter.unstarted, now),
    );
  }

  #createPresence(): Presence {
    const { id: worker, incarnation, region, pool, shard, queue: control } = this.#o;
    const vitals = () => this.#vitals();
    return new Presence({ worker, incarnation, region, pool, shard, control, vitals });
  }

  #createBatcher(): FrameBatcher<Attempt> {
    const { id: worker, bus, seals, tickMs, clock, log } = this.#o;
    const quote = () => {
      const { waitS, tokensPerSec, cacheTokens } = this.#meter.quote(clock.monotonic());
      return { waitMs: 1000 * waitS, tokensPerSec, cacheTokens };
    };
    return new FrameBatcher({ bus, worker, tickMs, quote, log, seal: frame => seals.sealFrame(frame) });
  }

  #createRunningAttempts(): RunningAttempts {
    const { id: worker, incarnation, engine, bodies, observers, tracing, clock, log, limitsOf } = this.#o;
    return new RunningAttempts({
      ...{ worker, incarnation, engine, bodies, tracing, clock, log, limitsOf },
      observers: [...observers, this.#roomObserver()],
      meter: this.#meter,
      isModelLeaving: model => this.#watch.missedModel(model),
      onFirstToken: () => this.#bidder.requote(),
      onEnded: (outcome, attempt) => {
        const isFirst = attempt.number - attempt.work.meta.attemptBase === 1;
        if (outcome === 'done' || outcome === 'client_error') this.#watch.answered(isFirst);
        if (outcome === 'failed') this.#watch.failed(attempt.work, isFirst);
        this.#bidder.requote();
      },
    });
  }

  /** What attempts say of the engine's room. */
  #roomObserver(): AttemptObserver {
    const { clock } = this.#o;
    const slots = this.#slots;
    return {
      begun: ({ id }) => slots.asked(id, this.#running.size - 1, clock.monotonic()),
      firstToken: ({ id }) => this.#learning(() => slots.taken(id)),
      ended: ({ id }, outcome) => {
        if (outcome !== 'busy') slots.left(id);
        else this.#learning(() => slots.refused(id, this.#running.size, clock.monotonic()));
      },
    };
  }

  #learning(learn: () => void): void {
    const before = this.#slots.learned;
    learn();
    const { learned } = this.#slots;
    if (learned !== before) this.#o.log.info({ slots: learned, before }, 'slots learned');
  }

  #createAdmission(): Admission {
    const { id: worker, queue, stored, continuing, dropped, clock, log } = this.#o;
    return new Admission({
      slots: () => this.#slots.slots,
      ...{ worker, queue, stored, continuing, dropped, clock, log },
      running: this.#running,
      replies: {
        attach() {},
        ready: (attempt, urgent) => this.#batcher.add(attempt, urgent),
        release() {},
      },
      // Without Redis nobody would hear of an answer: another worker may reach it.
      isClosed: () => this.#presence.isResting || !this.#o.bus.connected,
      onTaken: ({ fleetRate, size, promptTokens }) => {
        this.#traced()?.({ kind: 'taken', fleetRate, size, promptTokens });
        this.#slots.begin(this.#admission.slotsTaken + 1, clock.monotonic());
        if (fleetRate > 0) this.#fleetTokensPerSec = fleetRate;
        this.#bidder.took(size, promptTokens);
        this.#bidder.requote();
      },
      onSettled: () => {
        this.#traced()?.({ kind: 'settled', running: this.#admission.slotsTaken });
        this.#bidder.requote();
      },
    });
  }

  #createBidder(): Bidder {
    const { id: worker, queue, clock, region, shard, ackWaitMs, boundaries } = this.#o;
    return new Bidder({
      ...{ worker, queue, clock, region, shard, ackWaitMs, boundaries },
      standing: now => this.#standing(now),
      onDelivery: delivery => this.#admission.take(delivery),
      observe: this.#traced(),
    });
  }

  #createStillWanted(): StillWanted {
    const { id: worker, incarnation, queue: control, stored, clock, log } = this.#o;
    const all = () => [...this.#running.all, ...this.#batcher.unsent];
    const running = { all, cancel: (id: string, attempt: AttemptKey) => this.#cancel(id, attempt) };
    return new StillWanted({ worker, incarnation, running, stored, control, clock, log });
  }

  #cancel(id: string, attempt: AttemptKey): void {
    this.#admission.cancel(id, attempt);
    for (const unsent of this.#batcher.unsent)
      if (unsent.id === id && isMeant(unsent, attempt)) unsent.drop();
  }

  /** Writes at level debug what its bids follow from and what they are: every decision can be worked out again from these lines. */
  #traced(): ((event: object) => void) | undefined {
    const { log } = this.#o;
    return log.isLevelEnabled('debug') ? event => log.debug({ event }, 'bidding') : undefined;
  }

  start(): void {
    const { id: worker, incarnation, queue, stored, dropped, bus, log } = this.#o;
    hearOrders({
      ...{ worker, incarnation, queue, stored, dropped },
      cancel: (id, attempt) => this.#cancel(id, attempt),
      drain: isOn => this.#drain(isOn),
    });
    bus.onConnection(() => {
      if (bus.connected) log.info('Redis answers again');
      else log.warn('cut off from Redis: nothing new is taken');
      this.#bidder.requote();
      this.#presence.beat();
    });
    this.#presence.start();
    this.#stillWanted.start();
    this.#watch.start();
  }

  /** An operator says so. */
  #drain(isOn: boolean): void {
    this.#o.log.info({ drain: isOn }, isOn ? 'told to take nothing new' : 'told to take work again');
    this.#presence.order(isOn);
    this.#bidder.requote();
  }

  async #open(model: ModelInfo): Promise<void> {
    for (const queue of queuesOf(model)) await this.#bidder.open(queue, queue === model.slug);
    await this.#o.models.announce(this.#o.region, model.slug, encodeMessage(model));
  }

  /** Why it could not serve what it would take: its engine, or that nobody would hear what that says. */
  get #trouble(): Vitals['trouble'] {
    const { bus } = this.#o;
    if (!this.#watch.isWell) return 'engine_sick';
    const isFull = bus.pendingBytes > MAX_PENDING_REPLY_BYTES || this.#batcher.unsentBytes > MAX_UNSENT_BYTES;
    return bus.connected && !isFull ? null : 'cut_off';
  }

  #standing(now: number): WorkerStanding {
    const { gauges, errorRate } = this.#watch;
    const readings = {
      running: this.#admission.slotsTaken,
      slots: this.#slots.slots,
      kvUse: gauges?.kvUse ?? null,
      kvCapacity: gauges?.kvCapacity ?? null,
      kvPending: this.#admission.kvPending,
      errorRate,
    };
    return {
      load: this.#meter.load(readings, now),
      sick: this.#trouble !== null,
      draining: this.#presence.isResting,
      fleetTokensPerSec: this.#fleetTokensPerSec === 0 ? this.#meter.tokensPerSec : this.#fleetTokensPerSec,
    };
  }

  #vitals(): Vitals {
    const now = this.#o.clock.monotonic();
    return {
      models: [...this.#watch.models],
      ...this.#meter.quote(now),
      slots: this.#slots.learned,
      load: this.#meter.worked(now),
      cacheCapacity: this.#watch.gauges?.kvCapacity ?? null,
      trouble: this.#trouble,
      report: {
        running: this.#admission.slotsTaken,
        kvUse: this.#watch.gauges?.kvUse ?? null,
        errorRate: this.#watch.errorRate,
        outputTokens: this.#running.outputTokens,
        interactive: this.#running.interactive,
        bids: Object.fromEntries(this.#bidder.bids.map(shownBid)),
      },
    };
  }

  /** What its metrics show. */
  status(): WorkerStatus {
    const now = this.#o.clock.monotonic();
    return {
      models: this.#watch.models.length,
      isWell: this.#watch.isWell,
      isDraining: this.#presence.isResting,
      errorRate: this.#watch.errorRate,
      gauges: this.#watch.gauges,
      running: this.#admission.slotsTaken,
      slots: this.#slots.slots,
      learnedSlots: this.#slots.learned,
      quote: this.#meter.quote(now),
      load: this.#meter.worked(now),
      pendingReplyBytes: this.pendingReplyBytes,
      bids: this.#bidder.bids,
      deliveries: this.#bidder.deliveries,
      renewals: this.#bidder.renewals,
    };
  }

  /** Stops bidding. Resolves when no delivery can arrive any more; running attempts go on. */
  async drain(): Promise<void> {
    this.#presence.drain();
    this.#watch.stop();
    await this.#bidder.stop();
  }

  /** Requests that run or are about to. */
  get running(): number {
    return this.#admission.slotsTaken;
  }

  /** Bytes of answers that are not sent, or not confirmed by the reply bus. */
  get pendingReplyBytes(): number {
    return this.#o.bus.pendingBytes + this.#batcher.unsentBytes;
  }

  /** Ends every running attempt so that another worker runs or continues its request. */
  handBack(): void {
    this.#running.handBack();
  }

  /** Sends the last heartbeat and the last frames. */
  leave(): void {
    this.#stillWanted.stop();
    this.#presence.leave();
    this.#batcher.flush();
  }
}

/** For people: the level, or why there is none. */
function shownBid([{ lane, size }, decision]: readonly [WorkKind, BidDecision]) {
  return [`${lane}_${size}`, decision.kind === 'bid' ? decision.level : decision.reason] as const;
}

/** Where the count of tokens put into the cache begins: above that of any process of this name before, whose cache is gone. */
function cacheCountAt(clock: Clock): number {
  return clock.now() * 1000;
}
