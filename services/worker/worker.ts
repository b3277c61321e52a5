/**
 * A worker: bids for work it has room for, runs it on its engine, reports to whoever asked.
 *
 * It holds no truth about a request. Deliveries are settled by the ingress that waits; the worker itself settles only
 * what it never started: surplus (NAK), work past its deadline or without anyone waiting (TERM).
 */
import {
  type Architecture,
  afterAttempt,
  afterProbe,
  type EngineHealth,
  HEARTBEAT_MS,
  kvNeed,
  LoadMeter,
  type SizeBoundaries,
  WELL,
  type WorkerLoad,
  type WorkerStanding,
} from '@penstock/policy';
import {
  decodeEnvelope,
  encodeMessage,
  heartbeatSubject,
  ingressControlSubject,
  type ModelInfo,
  readCancel,
  readResumeAnswer,
  toModelSlug,
  type WorkEnvelope,
  workerControlSubject,
} from '@penstock/protocol';
import type { Clock, Logger } from '@penstock/runtime';
import type { Delivery, ModelRegistry, ReplyBus, WorkQueue } from '@penstock/transport';
import { Attempt, type AttemptOutcome, attemptNumberOf } from './attempts/attempt.ts';
import { type Continuation, createContinuation } from './attempts/continuation.ts';
import { Outbox } from './attempts/frame-batcher.ts';
import { Starting } from './attempts/starting.ts';
import { Bidder } from './bidding/bidder.ts';
import type { Engine, EngineGauges } from './engine/engine.ts';
import type { ResumeState } from './stored/resume-state.ts';
import type { StoredRuns } from './stored/stored-runs.ts';

export interface WorkerOptions {
  readonly id: string;
  /** Of this process; see {@link Heartbeat.incarnation}. */
  readonly incarnation: string;
  readonly region: string;
  /** Stream of the region that it pulls from. */
  readonly shard: number;
  readonly slots: number;
  /** The operator's word on the engine's models. */
  readonly architecture: Architecture | null;
  readonly ackWaitMs: number;
  readonly boundaries: SizeBoundaries;
  readonly tickMs: number;
  readonly queue: WorkQueue;
  readonly bus: ReplyBus & ModelRegistry;
  readonly engine: Engine;
  readonly stored: StoredRuns;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Replies not yet taken by Redis, above which nothing new is started. */
const MAX_PENDING_REPLY_BYTES = 64 * 1024 * 1024;
const ASK_TIMEOUT_MS = 2000;
/** How long a redelivery whose ingress does not answer is kept alive by NAKs, in deliveries. */
const MAX_UNANSWERED = 20;

export class Worker {
  readonly #o: WorkerOptions;
  readonly #outbox: Outbox;
  readonly #attempts = new Map<string, Attempt>();
  readonly #bidder: Bidder;
  readonly #meter: LoadMeter;
  #models: ModelInfo[] = [];
  #health: EngineHealth = WELL;
  #gauges: EngineGauges | null = null;
  /** Prefill rate of the fleet's fastest worker as the ingress nodes know it, tokens/s; 0 before any work came. */
  #fleetRate = 0;
  readonly #starting = new Starting();
  #draining = false;
  #beat: NodeJS.Timeout | null = null;
  #probing: NodeJS.Timeout | null = null;

  constructor(options: WorkerOptions) {
    this.#o = options;
    this.#meter = new LoadMeter(options.clock.now() * 1000);
    const quote = () => {
      const { waitS, tokensPerSec, cacheTokens } = this.#meter.quote(options.clock.monotonic());
      return { waitMs: 1000 * waitS, tokensPerSec, cacheTokens };
    };
    this.#outbox = new Outbox(options.bus, options.id, options.tickMs, quote, options.log);
    this.#bidder = new Bidder({
      queue: options.queue,
      clock: options.clock,
      region: options.region,
      shard: options.shard,
      worker: options.id,
      ackWaitMs: options.ackWaitMs,
      boundaries: options.boundaries,
      standing: () => this.#standing(),
      onDelivery: delivery => this.#onDelivery(delivery),
    });
  }

  start(): void {
    this.#o.queue.listen(workerControlSubject(this.#o.id), payload => {
      const message = readCancel(payload);
      if (message === null) return;
      this.#starting.cancel(message.cancel, message.attempt);
      const attempt = this.#attempts.get(message.cancel);
      if (attempt !== undefined && attempt.number <= message.attempt) attempt.drop();
    });
    // Apart from the probes: an engine that hangs must not make its worker look dead.
    this.#beat = setInterval(() => this.#sendHeartbeat(false), HEARTBEAT_MS);
    const probe = async () => {
      await this.#probe();
      if (!this.#draining) this.#probing = setTimeout(probe, HEARTBEAT_MS);
    };
    void probe();
  }

  /** Looks at the engine: health, gauges, and its models until they are known. */
  async #probe(): Promise<void> {
    const { engine, log } = this.#o;
    const before = this.#health.state;
    this.#health = afterProbe(this.#health, await engine.healthy());
    if (this.#health.state !== before) {
      log.warn({ state: this.#health.state }, 'engine health changed');
      this.#sendHeartbeat(false);
      // It may have been started anew, with an empty cache.
      this.#meter.emptied(this.#o.clock.now() * 1000);
    }
    this.#gauges = await engine.gauges();
    this.#meter.recover(this.#o.clock.monotonic());
    if (this.#models.length === 0) {
      await this.#findModels().catch((err: Error) =>
        log.warn(
          { err: err.message },
          'not pulling yet: the engine lists no models, or no ingress has made the queue',
        ),
      );
    }
    this.#bidder.requote();
  }

  async #findModels(): Promise<void> {
    const { engine, bus, region, log } = this.#o;
    const models = (await engine.models()).map(model => ({
      ...model,
      slug: toModelSlug(model.name),
      architecture: this.#o.architecture ?? model.architecture,
    }));
    for (const model of models) {
      await this.#bidder.open(model.slug);
      await bus.announce(region, model.slug, encodeMessage(model));
    }
    this.#models = models;
    this.#sendHeartbeat(false);
    log.info({ models: models.map(model => model.name) }, 'pulling');
  }

  #load(): WorkerLoad {
    const readings = {
      running: this.#attempts.size + this.#starting.size,
      slots: this.#o.slots,
      kvUse: this.#gauges?.kvUse ?? null,
      kvCapacity: this.#gauges?.kvCapacity ?? null,
      errorRate: this.#health.errorRate,
    };
    return this.#meter.load(readings, this.#o.clock.monotonic());
  }

  #standing(): WorkerStanding {
    const clogged = this.#o.bus.pendingBytes > MAX_PENDING_REPLY_BYTES;
    return {
      load: this.#load(),
      sick: this.#health.state === 'sick' || clogged,
      draining: this.#draining,
      fleetTokensPerSec: this.#fleetRate === 0 ? this.#meter.tokensPerSec : this.#fleetRate,
    };
  }

  /** @returns whether there was room for it. */
  #onDelivery(delivery: Delivery): boolean {
    const { queue, clock, slots, log } = this.#o;
    if (this.#draining || this.#attempts.size + this.#starting.size >= slots) {
      queue.settle(delivery.ackSubject, 'nak');
      return false;
    }
    let work: WorkEnvelope;
    try {
      work = decodeEnvelope(delivery.data);
    } catch (err) {
      log.error({ err: (err as Error).message }, 'unreadable work dropped');
      queue.settle(delivery.ackSubject, 'term');
      return true;
    }
    if (work.meta.fleetRate > 0) this.#fleetRate = work.meta.fleetRate;
    this.#bidder.took(work.meta.size, work.meta.promptTokens);
    this.#bidder.requote();
    if (work.meta.stored) {
      void this.#beginStored(delivery, work);
      return true;
    }
    // By this clock, which may be wrong: a worker that dropped what it takes for late would drain the queue. Whoever waits knows.
    const late = clock.now() >= work.meta.deadlineAt;
    if (delivery.deliveryCount === 1 && !work.meta.ask && !late) this.#run(delivery, work, null);
    else void this.#askAndRun(delivery, work, late);
    return true;
  }

  /** A redelivery may be superseded, unwanted, or half shown already: its ingress knows. */
  async #askAndRun(delivery: Delivery, work: WorkEnvelope, late: boolean): Promise<void> {
    const { queue, id } = this.#o;
    const question = { id: work.meta.id, attempt: attemptNumberOf(delivery, work), worker: id };
    const { known: answer, isCancelled } = await this.#starting.during(
      question.id,
      question.attempt,
      queue.ask(ingressControlSubject(work.meta.from), encodeMessage(question), ASK_TIMEOUT_MS),
    );
    const resume = answer.kind === 'answer' ? readResumeAnswer(answer.payload) : null;
    if (isCancelled) {
      queue.settle(delivery.ackSubject, 'term');
      this.#bidder.requote();
    } else if (resume === null || resume.kind === 'gone') {
      const stored = await this.#o.stored.asStored(work).catch(() => null);
      const giveUp =
        answer.kind !== 'timeout' && (resume !== null || late || delivery.deliveryCount > MAX_UNANSWERED);
      if (stored !== null && answer.kind !== 'timeout') await this.#beginStored(delivery, stored);
      else queue.settle(delivery.ackSubject, giveUp ? 'term' : 'nak', 1000);
      this.#bidder.requote();
    } else {
      this.#run(delivery, work, resume.kind === 'continue' ? createContinuation(work, resume) : null);
    }
  }

  /** The record knows whether anybody still wants it. */
  async #beginStored(delivery: Delivery, work: WorkEnvelope): Promise<void> {
    const { stored, queue } = this.#o;
    const isFirst = delivery.deliveryCount === 1 && work.meta.attemptBase === 0;
    const attempt = attemptNumberOf(delivery, work);
    const { known: beginning, isCancelled } = await this.#starting.during(
      work.meta.id,
      attempt,
      stored
        .begin(work, attempt, isFirst)
        .catch((err: Error) => this.#o.log.error({ id: work.meta.id, err: err.message }, 'not begun')),
    );
    if (isCancelled) queue.settle(delivery.ackSubject, 'term');
    // Redis refused; the delivery comes again.
    else if (beginning === undefined) queue.settle(delivery.ackSubject, 'nak', 1000);
    else if (beginning.kind === 'begun')
      this.#run(delivery, work, beginning.continuation, beginning.resumeState);
    // Fenced: the delivery belongs to a later attempt, and settling it would be settling that one.
    else if (beginning.kind === 'gone') queue.settle(delivery.ackSubject, 'term');
    this.#bidder.requote();
  }

  #run(
    delivery: Delivery,
    work: WorkEnvelope,
    continuation: Continuation | null,
    resumeState: ResumeState | null = null,
  ): void {
    const { clock, engine } = this.#o;
    // A redelivery of what still runs here supersedes it.
    this.#attempts.get(work.meta.id)?.drop();
    const attempt = new Attempt({
      work,
      number: attemptNumberOf(delivery, work),
      ackSubject: delivery.ackSubject,
      subject: delivery.subject,
      incarnation: this.#o.incarnation,
      waitMs: Math.max(0, clock.now() - work.meta.acceptedAt),
      continuation,
      hooks: {
        ready: (source, urgent) =>
          work.meta.stored ? this.#o.stored.collect(source) : this.#outbox.add(source, urgent),
        firstToken: source => this.#onFirstToken(source),
        ended: (source, outcome, detail) => this.#onEnded(source, outcome, detail),
      },
    });
    this.#attempts.set(work.meta.id, attempt);
    if (work.meta.stored) this.#o.stored.attach(attempt, resumeState);
    const { promptTokens, held, stream, endpoint } = work.meta;
    const silent = !stream && endpoint !== 'embeddings';
    const request = { promptTokens, heldTokens: held[this.#o.id] ?? 0, kvTokens: needOf(work), silent };
    this.#meter.begin(attempt.id, request, clock.monotonic());
    attempt.start(engine);
  }

  #onFirstToken(attempt: Attempt): void {
    this.#meter.firstToken(attempt.id, this.#o.clock.monotonic());
    this.#bidder.requote();
  }

  #onEnded(attempt: Attempt, outcome: AttemptOutcome, detail: string): void {
    if (this.#attempts.get(attempt.id) === attempt) {
      this.#attempts.delete(attempt.id);
      this.#meter.end(attempt.id, needOf(attempt.work));
    }
    if (outcome === 'done') this.#meter.answered(attempt.answerTokens);
    if (outcome === 'dropped') this.#o.stored.release(attempt);
    else this.#health = afterAttempt(this.#health, outcome !== 'failed');
    if (outcome === 'failed')
      this.#o.log.warn({ id: attempt.id, attempt: attempt.number, detail }, 'attempt failed');
    this.#bidder.requote();
  }

  #sendHeartbeat(leaving: boolean): void {
    const now = this.#o.clock.monotonic();
    const heartbeat = {
      v: 1 as const,
      worker: this.#o.id,
      incarnation: this.#o.incarnation,
      models: this.#models,
      shard: this.#o.shard,
      slots: this.#o.slots,
      running: this.#attempts.size,
      pulling: !this.#draining && this.#health.state === 'well',
      leaving,
      level: this.#bidder.level,
      ...this.#meter.quote(now),
      load: this.#meter.worked(now),
      cacheCapacity: this.#gauges?.kvCapacity ?? null,
    };
    this.#o.queue.send(heartbeatSubject(this.#o.region, this.#o.id), encodeMessage(heartbeat));
  }

  /** Stops bidding and resolves once nothing can arrive any more. Running attempts go on. */
  async drain(): Promise<void> {
    this.#draining = true;
    // What waits for this worker alone need not wait for the next heartbeat.
    this.#sendHeartbeat(false);
    await this.#bidder.stop();
  }

  get running(): number {
    return this.#attempts.size + this.#starting.size;
  }

  /** Hands every running request back, for another worker to run or continue. */
  handBack(): void {
    for (const attempt of [...this.#attempts.values()]) attempt.handBack();
  }

  /** Says goodbye and sends what is left. */
  leave(): void {
    if (this.#beat !== null) clearInterval(this.#beat);
    if (this.#probing !== null) clearTimeout(this.#probing);
    this.#sendHeartbeat(true);
    this.#outbox.flush();
  }
}

function needOf({ meta }: WorkEnvelope): number {
  return kvNeed(meta.promptTokens, meta.maxTokens);
}
