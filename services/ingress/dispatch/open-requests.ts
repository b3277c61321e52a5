/**
 * The requests whose clients wait at this ingress. What happens to each is decided by {@link transition}; here events are
 * brought to it and its effects to those who carry them out.
 */
import type { RunPasses } from '@penstock/access';
import type { Fleet } from '@penstock/fleet';
import {
  DispatchError,
  type FailedMeta,
  type Frame,
  type ResultMeta,
  type ResumeAnswer,
  type ResumeQuestion,
  readPromptUsage,
  type WantedQuestion,
} from '@penstock/protocol';
import type { Clock, DroppedMessages, Logger } from '@penstock/runtime';
import type { ClaimCheck, ControlChannel, ReplyBus, WorkConsumer, WorkPublisher } from '@penstock/transport';
import { asFault } from '../http/errors.ts';
import type { TokenEstimates } from '../intake/token-estimates.ts';
import type { IngressMetrics } from '../metrics.ts';
import type { Affinity } from '../placement/affinity.ts';
import type { Served } from '../replies/reply-sink.ts';
import type { Doors } from '../shares/doors.ts';
import { BoundTimer } from '../workers/bound-timer.ts';
import { FromWorkers } from '../workers/from-workers.ts';
import { KeptMessages } from '../workers/kept-messages.ts';
import { RollCall } from '../workers/roll-call.ts';
import { Conversions } from './conversions.ts';
import { isWanted, partsBytes, withParts } from './holder.ts';
import { type NewRequest, type OpenRequest, openRequest } from './open-request.ts';
import { Requeue } from './requeue.ts';
import { Settlement } from './settlement.ts';
import {
  type Effect,
  type LocalEffect,
  type ReplyEffect,
  type RequestEvent,
  type RequeueEffect,
  transition,
} from './transition.ts';
import { Watchdog } from './watchdog.ts';

export interface OpenRequestsOptions {
  readonly queue: WorkPublisher &
    Pick<WorkConsumer, 'isAckOf' | 'settle'> &
    Pick<ControlChannel, 'ask' | 'connected' | 'send'>;
  readonly fleet: Fleet;
  readonly affinity: Affinity;
  readonly estimates: TokenEstimates;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: IngressMetrics;
  /** Counts what workers say that is wrong, or about what is not theirs. */
  readonly dropped: DroppedMessages;
  readonly region: string;
  /** Lease of a delivery, ms. */
  readonly ackWaitMs: number;
  /** How long a bound request waits for its worker before it is offered to all, ms. */
  readonly boundWaitMs: number;
  /** How long the client of a call without a stream is held, ms. */
  readonly holdMs: number;
  readonly claims: Pick<ClaimCheck, 'discard' | 'forget' | 'opened' | 'sealed'>;
  /** Of calls that became stored runs. */
  readonly runPasses: Pick<RunPasses, 'add'>;
  readonly deadLetter: (request: NewRequest, failure: FailedMeta) => Promise<void>;
  /** Null where they are off. */
  readonly doors: Pick<Doors, 'begun' | 'close' | 'leave' | 'taken'> | null;
}

export class OpenRequests {
  readonly #o: OpenRequestsOptions;
  readonly #open = new Map<string, OpenRequest>();
  readonly #settlement: Settlement;
  readonly #requeue: Requeue;
  readonly #conversions: Conversions;
  readonly #boundTimer: BoundTimer;
  readonly #watchdog: Watchdog;
  readonly #keptMessages: KeptMessages<OpenRequest>;
  readonly #rollCall: RollCall;
  readonly #fromWorkers: FromWorkers<OpenRequest>;

  constructor(options: OpenRequestsOptions) {
    const { queue, fleet, clock, log, claims, deadLetter, boundWaitMs } = options;
    this.#o = options;
    this.#settlement = new Settlement(queue, deadLetter, claims, log);
    this.#requeue = new Requeue({ queue, fleet, clock, claims });
    this.#conversions = new Conversions({
      ...{ requeue: this.#requeue, settlement: this.#settlement, log },
      forget: request => this.#forget(request),
    });
    this.#boundTimer = new BoundTimer(boundWaitMs, clock);
    this.#watchdog = new Watchdog(options, (request, event) => this.#apply(request, event));
    const isMoving = (request: OpenRequest) => this.#requeue.isMoving(request);
    this.#keptMessages = new KeptMessages({ queue, isMoving, clock }, request => this.#lost(request));
    this.#rollCall = new RollCall({ control: queue, fleet, clock }, (...process) => this.#ended(...process));
    this.#fromWorkers = new FromWorkers(options, {
      find: id => this.#open.get(id),
      onFrame: (request, frame, worker) => this.#onFrame(request, frame, worker),
      onStrange: (worker, id, attempt) => this.#settlement.stopWorker(worker, id, attempt),
      answer: (request, question) => this.#answer(request, question),
      unwanted: question => this.unwanted(question),
    });
  }

  get size(): number {
    return this.#open.size;
  }

  /** In the order in which they came. */
  all(): Iterable<Readonly<OpenRequest>> {
    return this.#open.values();
  }

  /** Call before publishing: the reply may be faster than the PubAck. */
  add(request: NewRequest): OpenRequest {
    const opened = openRequest(request, this.#o.clock);
    this.#open.set(request.id, opened);
    return opened;
  }

  get(id: string): OpenRequest | undefined {
    return this.#open.get(id);
  }

  /** It is on its way from the door to the queue. @param sending never rejects. */
  moves(request: OpenRequest, sending: Promise<void>): void {
    void this.#requeue.track(request, sending);
  }

  /** The request is on the queue. */
  published(id: string): void {
    const request = this.#open.get(id);
    if (request === undefined) return;
    request.keptAt = this.#o.clock.monotonic();
    if (request.bound !== null) this.#boundTimer.add(id);
  }

  /** Offers to all what its worker has not taken in time. Called often; costs nothing while nothing is bound. */
  releaseOverdue(): void {
    for (let id = this.#boundTimer.takeDue(); id !== null; id = this.#boundTimer.takeDue())
      this.#applyTo(id, { kind: 'not_taken' });
  }

  /** A worker takes nothing new any more: what is bound to it is offered to all at once. */
  releaseBoundTo(worker: string): void {
    for (const request of this.#open.values()) this.#apply(request, { kind: 'worker_leaves' }, worker);
  }

  /** Stops all work on the request, wherever it is. @param error for its client; then only where no worker has it. */
  cancel(id: string, error?: DispatchError): void {
    if (error === undefined) return this.#applyTo(id, { kind: 'cancelled' });
    const request = this.#open.get(id);
    if (request === undefined || request.running !== null) return;
    request.trail?.outcome(error.code);
    this.#apply(request, { kind: 'unqueued', error });
  }

  /** The client left before it had the end of its reply. */
  left(id: string): void {
    this.#applyTo(id, { kind: 'client_left' });
  }

  /** A stored run is final, maybe one that a call here was converted to. */
  runEnded(id: string): void {
    this.#applyTo(id, { kind: 'run_ended' });
  }

  /** Hears from now on what workers ask and answer. Resolves once replies are heard. */
  listen(
    queue: Pick<ControlChannel, 'listen'>,
    bus: Pick<ReplyBus, 'listen'>,
    ingress: string,
  ): Promise<void> {
    return this.#fromWorkers.listen(queue, bus, ingress);
  }

  onPacket(packet: Buffer): void {
    this.#fromWorkers.hear(packet);
  }

  /** A worker holds a redelivery and asks what to do with it. */
  #answer(request: OpenRequest, { attempt, nonce, ack, worker }: ResumeQuestion): ResumeAnswer {
    const event = { kind: 'asked', attempt, nonce, ack } as const;
    const effects = transition(request, event, this.#o.clock.monotonic(), worker);
    for (const effect of effects) this.#carryOut(effect, request, null, worker);
    return effects.find(effect => effect.kind === 'answer')?.answer ?? { kind: 'gone' };
  }

  /** A worker says what it runs for clients of this node. @returns what nobody here wants. */
  unwanted({ running, worker, incarnation }: WantedQuestion): string[] {
    const now = this.#o.clock.monotonic();
    if (this.#o.fleet.isMember(worker)) this.#watchdog.hear(worker, incarnation);
    const isUnwanted = ({ id, attempt: number, nonce }: WantedQuestion['running'][number]) => {
      const request = this.#open.get(id);
      if (request === undefined || !isWanted(request, worker, { number, nonce })) return true;
      request.namedAt = now;
      return false;
    };
    return running.filter(isUnwanted).map(({ id }) => id);
  }

  /** Every {@link CALL_EVERY_MS}: whether workers still live that run something for clients of this node. */
  callRoll(): void {
    this.#rollCall.look(this.#open.values());
    this.#keptMessages.notice();
  }

  #ended(worker: string, incarnation: string): void {
    const { fleet, log } = this.#o;
    log.warn({ worker }, 'a worker has ended without a word: others get what it ran');
    fleet.ended(worker, incarnation);
    for (const request of [...this.#open.values()]) {
      const { running } = request;
      if (running?.worker === worker && running.incarnation === incarnation)
        this.#apply(request, { kind: 'worker_lost' });
    }
  }

  /** Once a second: deadlines, lost workers, leases, keep-alives. */
  tick(): void {
    this.#o.fleet.sweep();
    this.#watchdog.look(this.#open.values());
    void this.#keptMessages.look(this.#open.values());
  }

  /** Ends every open request with an error, and leaves converted ones to others; for the end of a drain. */
  async abandonAll(): Promise<void> {
    this.#o.doors?.close();
    for (const request of [...this.#open.values()]) this.#apply(request, { kind: 'drained' });
    await this.#conversions.settled();
  }

  #onFrame(request: OpenRequest, sent: Frame, worker: string): void {
    const frame = withParts(request, sent, worker);
    try {
      for (const effect of transition(request, frame, this.#o.clock.monotonic(), worker))
        this.#carryOut(effect, request, frame, worker);
      if (frame.kind === 'part') request.collecting?.(partsBytes(request));
    } catch {
      // A reply in another shape has to parse the engine's events, and could not.
      this.#apply(request, { kind: 'unusable', retryable: frame.kind === 'result' }, worker);
    }
  }

  #applyTo(id: string, event: RequestEvent): void {
    const request = this.#open.get(id);
    if (request !== undefined) this.#apply(request, event);
  }

  #apply(request: OpenRequest, event: RequestEvent, worker = ''): void {
    for (const effect of transition(request, event, this.#o.clock.monotonic(), worker))
      this.#carryOut(effect, request, null, worker);
  }

  #carryOut(effect: Effect, request: OpenRequest, frame: Frame | null, worker: string): void {
    switch (effect.kind) {
      case 'first_token':
      case 'show':
      case 'show_end':
      case 'show_result':
      case 'show_error':
        return this.#reply(effect, request, frame, worker);
      case 'ack':
      case 'renew_lease':
      case 'purge':
      case 'nak':
      case 'stop_worker':
      case 'give_up':
        return this.#settlement.carryOut(effect, request);
      case 'move':
      case 'leave_shard':
        return this.#publishAgain(effect, request);
      case 'convert':
        request.trace?.outcome('converted');
        request.trail?.outcome('converted');
        return this.#conversions.carryOut(effect, request, frame, worker);
      case 'hand_over':
      case 'store_result':
      case 'undo_conversion':
      case 'store_error':
        return this.#conversions.carryOut(effect, request, frame, worker);
      default:
        return this.#note(effect, request, frame, worker);
    }
  }

  #reply(effect: ReplyEffect, request: OpenRequest, frame: Frame | null, worker: string): void {
    const { sink } = request;
    if (effect.kind === 'show_error') return sink.error(effect.error, null);
    const waitMs = request.running?.waitMs ?? 0;
    if (effect.kind === 'first_token') {
      if (request.door !== null) this.#o.doors?.begun(request.door);
      return this.#countFirstToken(request, waitMs);
    }
    if (frame === null) return;
    const served: Served = { worker, attempt: request.starts, waitMs };
    if (effect.kind !== 'show_result') request.meter?.shown(frame.body);
    if (effect.kind === 'show') return sink.events(frame.body, served);
    if (effect.kind === 'show_end') return sink.end(frame.body, served);
    sink.result(JSON.parse(frame.meta) as ResultMeta, frame.body, served);
  }

  #countFirstToken(request: OpenRequest, waitMs: number): void {
    const { metrics, clock } = this.#o;
    const labels = this.#labelsOf(request);
    const ttftMs = clock.monotonic() - request.openedAt;
    metrics.ttft.observe(labels, ttftMs / 1000, request.trace?.sampledId ?? null);
    metrics.queueWait.observe(labels, waitMs / 1000);
    request.trace?.firstToken(ttftMs, waitMs);
    request.trail?.firstToken(ttftMs);
  }

  #countFinished(request: OpenRequest, outcome: string): void {
    const { metrics, clock } = this.#o;
    metrics.finished.inc({ outcome });
    request.trace?.outcome(outcome);
    request.trail?.outcome(outcome);
    if (outcome === 'done' && request.converted === null)
      metrics.duration.observe(this.#labelsOf(request), (clock.monotonic() - request.openedAt) / 1000);
  }

  #labelsOf({ slug, address }: OpenRequest) {
    return { model: this.#o.metrics.modelOf(slug), lane: address.lane };
  }

  #publishAgain(effect: RequeueEffect, request: OpenRequest): void {
    const moved =
      effect.kind === 'move'
        ? this.#requeue.release(request, effect.bound, effect.from)
        : this.#requeue
            .leaveShard(request)
            .then(isMoved => void (isMoved && this.#o.metrics.moved.inc({ reason: 'stranded' })));
    moved.catch((err: unknown) => this.#unqueued(request, err));
  }

  #lost(request: OpenRequest): void {
    this.#o.log.warn({ id: request.id }, 'the broker has lost the message of a request that waits');
    this.#apply(request, { kind: 'unqueued', error: new DispatchError('broker_unavailable') });
  }

  /** It was purged from one subject and could not be published on another, so no worker will ever get it. */
  #unqueued(request: OpenRequest, err: unknown): void {
    this.#apply(request, { kind: 'unqueued', error: asFault(err, request.id, this.#o.log) });
  }

  #note(effect: LocalEffect, request: OpenRequest, frame: Frame | null, worker: string): void {
    const { metrics, fleet, affinity } = this.#o;
    switch (effect.kind) {
      case 'forget':
        return this.#forget(request);
      case 'record_placement':
        fleet.hearFrom(effect.worker, effect.incarnation);
        request.trail?.taken(effect.worker, request.starts, request.running?.waitMs ?? 0);
        if (request.door !== null) this.#o.doors?.taken(request.door, effect.worker, !request.streamed);
        if (request.lookup !== null) affinity.learn(request.lookup, effect.worker);
        return;
      case 'record_usage':
        if (frame !== null) this.#recordUsage(request, frame);
        if (frame !== null) request.meter?.answered(frame);
        return;
      case 'suspect':
        return fleet.suspect(effect.worker);
      case 'count_fenced':
        return metrics.fencedFrames.inc();
      case 'count_moved':
        request.trace?.event('offered to all', effect.reason);
        request.trail?.offeredToAll(effect.reason);
        return metrics.moved.inc({ reason: effect.reason });
      case 'count_retry':
        request.trace?.event('attempt failed', effect.reason);
        request.trail?.attemptFailed(worker, request.lastFailure);
        return metrics.retries.inc({ reason: effect.reason });
      case 'count_finished':
        return this.#countFinished(request, effect.outcome);
      case 'answer':
      // Returned to the worker that asked.
    }
  }

  #recordUsage({ slug, lookup, running, estimate, trace }: OpenRequest, { body }: Frame): void {
    const { affinity, estimates } = this.#o;
    const usage = readPromptUsage(body);
    if (usage === null) return;
    trace?.usage(usage.promptTokens, usage.cachedTokens);
    affinity.hear(slug, lookup, running?.worker ?? '', usage);
    if (estimate !== null) estimates.hear(estimate, usage.promptTokens);
  }

  #forget(request: OpenRequest): void {
    request.gone = true;
    if (request.door !== null) this.#o.doors?.leave(request.door);
    request.leaveQueue?.();
    request.meter?.leave(request, this.#o.runPasses);
    request.trace?.gone(request.starts);
    request.trail?.gone(this.#o.clock.monotonic() - request.openedAt, () => request.lastFailure);
    this.#o.claims.forget(request.id);
    this.#open.delete(request.id);
  }
}
