/**
 * A worker: bids for work it has room for, runs it on its engine, reports to whoever asked.
 *
 * It holds no truth about a request. Deliveries are settled by the ingress that waits; the worker itself settles only
 * what it never started: surplus (NAK), work past its deadline or without anyone waiting (TERM).
 */
import {
  afterAttempt,
  afterProbe,
  decideBid,
  type EngineHealth,
  learnRate,
  WELL,
  type WorkerLoad,
} from '@penstock/policy';
import {
  decodeEnvelope,
  encodeMessage,
  heartbeatSubject,
  ingressControlSubject,
  type ModelInfo,
  type ResumeAnswer,
  readCancel,
  readResumeAnswer,
  toModelSlug,
  type WorkEnvelope,
  workerControlSubject,
} from '@penstock/protocol';
import type { Clock, Logger } from '@penstock/runtime';
import type { Delivery, ModelRegistry, Puller, ReplyBus, WorkQueue } from '@penstock/transport';
import { Attempt, type AttemptOutcome } from './attempt.ts';
import { createContinuation } from './continuation.ts';
import type { Engine, EngineGauges } from './engine.ts';
import { Outbox } from './outbox.ts';

export interface WorkerOptions {
  readonly id: string;
  readonly region: string;
  readonly slots: number;
  readonly ackWaitMs: number;
  readonly tickMs: number;
  readonly queue: WorkQueue;
  readonly bus: ReplyBus & ModelRegistry;
  readonly engine: Engine;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Prefill rate believed before anything was measured, tokens/s. */
const FIRST_RATE = 20_000;
/** Replies not yet taken by Redis, above which nothing new is started. */
const MAX_PENDING_REPLY_BYTES = 64 * 1024 * 1024;
const ASK_TIMEOUT_MS = 2000;
/** How long a redelivery whose ingress does not answer is kept alive by NAKs, in deliveries. */
const MAX_UNANSWERED = 20;
const BEAT_MS = 1000;
const REQUOTE_MS = 2;

export class Worker {
  readonly #o: WorkerOptions;
  readonly #outbox: Outbox;
  readonly #attempts = new Map<string, Attempt>();
  readonly #pullers = new Map<string, Puller>();
  #models: ModelInfo[] = [];
  #health: EngineHealth = WELL;
  #gauges: EngineGauges | null = null;
  #rate = FIRST_RATE;
  #backlogTokens = 0;
  #decoding = 0;
  /** Deliveries taken whose attempt has not started yet: an ingress is being asked. */
  #asking = 0;
  #draining = false;
  #quoteDue = false;
  #quotedAt = 0;
  #beat: NodeJS.Timeout | null = null;
  #probing: NodeJS.Timeout | null = null;
  #level = 0;

  constructor(options: WorkerOptions) {
    this.#o = options;
    this.#outbox = new Outbox(options.bus, options.id, options.tickMs, options.log);
  }

  start(): void {
    this.#o.queue.listen(workerControlSubject(this.#o.id), payload => {
      const message = readCancel(payload);
      if (message === null) return;
      const attempt = this.#attempts.get(message.cancel);
      if (attempt !== undefined && attempt.o.attempt <= message.attempt) attempt.drop();
    });
    // Apart from the probes: an engine that hangs must not make its worker look dead.
    this.#beat = setInterval(() => this.#sendHeartbeat(false), BEAT_MS);
    const probe = async () => {
      await this.#probe();
      if (!this.#draining) this.#probing = setTimeout(probe, BEAT_MS);
    };
    void probe();
  }

  /** Looks at the engine: health, gauges, and its models until they are known. */
  async #probe(): Promise<void> {
    const { engine, log } = this.#o;
    const before = this.#health.state;
    this.#health = afterProbe(this.#health, await engine.healthy());
    if (this.#health.state !== before) log.warn({ state: this.#health.state }, 'engine health changed');
    this.#gauges = await engine.gauges();
    if (this.#models.length === 0) {
      await this.#findModels().catch((err: Error) =>
        log.warn({ err: err.message }, 'no models from the engine yet'),
      );
    }
    this.#requote();
  }

  async #findModels(): Promise<void> {
    const { engine, queue, bus, region, ackWaitMs, log } = this.#o;
    const models = (await engine.models()).map(model => ({ ...model, slug: toModelSlug(model.name) }));
    for (const model of models) {
      const key = { region, shard: 0, slug: model.slug, lane: 'interactive', size: 'any' } as const;
      await queue.ensureConsumer(key, { ackWaitMs });
      await bus.announce(region, model.slug, encodeMessage(model));
      if (!this.#pullers.has(model.slug)) {
        this.#pullers.set(
          model.slug,
          queue.pull(key, delivery => this.#onDelivery(delivery)),
        );
      }
    }
    this.#models = models;
    this.#sendHeartbeat(false);
    log.info({ models: models.map(model => model.name) }, 'pulling');
  }

  #load(): WorkerLoad {
    return {
      prefillBacklogTokens: this.#backlogTokens,
      prefillTokensPerSec: this.#rate,
      decoding: this.#decoding,
      running: this.#attempts.size + this.#asking,
      slots: this.#o.slots,
      kvUse: this.#gauges?.kvUse ?? null,
      errorRate: this.#health.errorRate,
    };
  }

  /**
   * Renews the bids, once however many things changed: in this turn of the event loop after a quiet while, else when
   * the last renewal is REQUOTE_MS old. Each revocation costs the broker three commands.
   */
  #requote(): void {
    if (this.#quoteDue) return;
    this.#quoteDue = true;
    const sinceMs = this.#o.clock.monotonic() - this.#quotedAt;
    if (sinceMs >= REQUOTE_MS) setImmediate(() => this.#quote());
    else setTimeout(() => this.#quote(), REQUOTE_MS - sinceMs);
  }

  #quote(): void {
    this.#quoteDue = false;
    this.#quotedAt = this.#o.clock.monotonic();
    const clogged = this.#o.bus.pendingBytes > MAX_PENDING_REPLY_BYTES;
    const sick = this.#health.state === 'sick' || clogged;
    const bid = decideBid(this.#load(), { sick, draining: this.#draining });
    if (bid.kind === 'bid') this.#level = bid.level;
    for (const puller of this.#pullers.values()) puller.bid(bid.kind === 'bid' ? bid : null);
  }

  #onDelivery(delivery: Delivery): void {
    const { queue, clock, slots, log } = this.#o;
    if (this.#draining || this.#attempts.size + this.#asking >= slots) {
      queue.settle(delivery.ackSubject, 'nak');
      return;
    }
    let work: WorkEnvelope;
    try {
      work = decodeEnvelope(delivery.data);
    } catch (err) {
      log.error({ err: (err as Error).message }, 'unreadable work dropped');
      queue.settle(delivery.ackSubject, 'term');
      return;
    }
    this.#requote();
    // The ingress answers the client by its own clock; here it only has to be kept from the engine.
    if (clock.now() >= work.meta.deadlineAt) queue.settle(delivery.ackSubject, 'term');
    else if (delivery.deliveryCount === 1) this.#run(delivery, work, null);
    else void this.#askAndRun(delivery, work);
  }

  /** A redelivery may be superseded, unwanted, or half shown already: its ingress knows. */
  async #askAndRun(delivery: Delivery, work: WorkEnvelope): Promise<void> {
    const { queue, id } = this.#o;
    this.#asking++;
    const question = { id: work.meta.id, attempt: delivery.deliveryCount, worker: id };
    const answer = await queue
      .ask(ingressControlSubject(work.meta.from), encodeMessage(question), ASK_TIMEOUT_MS)
      .finally(() => this.#asking--);
    const resume = answer.kind === 'answer' ? readResumeAnswer(answer.payload) : null;
    if (resume === null) {
      const giveUp = answer.kind === 'nobody' && delivery.deliveryCount > MAX_UNANSWERED;
      queue.settle(delivery.ackSubject, giveUp ? 'term' : 'nak', 1000);
      this.#requote();
    } else if (resume.kind === 'gone') {
      queue.settle(delivery.ackSubject, 'term');
      this.#requote();
    } else {
      this.#run(delivery, work, resume);
    }
  }

  #run(delivery: Delivery, work: WorkEnvelope, resume: ResumeAnswer | null): void {
    const { clock, engine } = this.#o;
    // A redelivery of what still runs here supersedes it.
    this.#attempts.get(work.meta.id)?.drop();
    const attempt = new Attempt({
      work,
      attempt: delivery.deliveryCount,
      ackSubject: delivery.ackSubject,
      startedAt: clock.monotonic(),
      waitMs: Math.max(0, clock.now() - work.meta.acceptedAt),
      continuation: resume?.kind === 'continue' ? createContinuation(work, resume) : null,
      hooks: {
        ready: (source, urgent) => this.#outbox.add(source, urgent),
        firstToken: source => this.#onFirstToken(source),
        ended: (source, outcome, detail) => this.#onEnded(source, outcome, detail),
      },
    });
    this.#attempts.set(work.meta.id, attempt);
    this.#backlogTokens += work.meta.promptTokens;
    attempt.start(engine);
  }

  #onFirstToken(attempt: Attempt): void {
    const tokens = attempt.o.work.meta.promptTokens;
    this.#rate = learnRate(this.#rate, tokens, (this.#o.clock.monotonic() - attempt.o.startedAt) / 1000);
    this.#backlogTokens -= tokens;
    this.#decoding++;
    this.#requote();
  }

  #onEnded(attempt: Attempt, outcome: AttemptOutcome, detail: string): void {
    if (attempt.prefilled) this.#decoding--;
    else this.#backlogTokens -= attempt.o.work.meta.promptTokens;
    if (this.#attempts.get(attempt.id) === attempt) this.#attempts.delete(attempt.id);
    if (outcome !== 'dropped') this.#health = afterAttempt(this.#health, outcome !== 'failed');
    if (outcome === 'failed')
      this.#o.log.warn({ id: attempt.id, attempt: attempt.o.attempt, detail }, 'attempt failed');
    this.#requote();
  }

  #sendHeartbeat(leaving: boolean): void {
    const heartbeat = {
      v: 1 as const,
      worker: this.#o.id,
      models: this.#models,
      slots: this.#o.slots,
      running: this.#attempts.size,
      pulling: !this.#draining && this.#health.state === 'well',
      leaving,
      level: this.#level,
    };
    this.#o.queue.send(heartbeatSubject(this.#o.region, this.#o.id), encodeMessage(heartbeat));
  }

  /** Stops bidding and resolves once nothing can arrive any more. Running attempts go on. */
  async drain(): Promise<void> {
    this.#draining = true;
    await Promise.all([...this.#pullers.values()].map(puller => puller.stop()));
  }

  get running(): number {
    return this.#attempts.size + this.#asking;
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
