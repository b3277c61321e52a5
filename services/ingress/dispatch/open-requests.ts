/**
 * The requests whose clients wait at this ingress. Whoever waits holds the truth, so this is the one place that fences
 * attempts, renews leases, retries, settles and gives up. Workers only run and report.
 *
 * A request is **queued** (no attempt holds it), **running** (attempt, worker and ack subject known) or gone from here.
 *
 * - queued → running: an `accepted` frame, or a worker's question, of a higher attempt than any before.
 * - running → queued: the attempt failed or its worker fell silent, and policy says try again: its delivery is NAKed, or
 *   the request *moves* when it was bound to that worker alone.
 * - queued → queued: bound to a worker that does not take it soon enough, it moves to the shared subject. Moving purges the
 *   old subject, raises the fence over everything that may still come of it, and publishes anew.
 * - running → gone: `end` or `result` arrived in sequence; the delivery is acked. Nobody else acks, so a zombie cannot.
 * - any → gone: the client left, the deadline passed, or policy gave up: the subject is purged, the worker told.
 *
 * Frames of older attempts, repeats, and frames of unknown requests change nothing.
 */
import { decideRetry } from '@penstock/policy';
import {
  type AcceptedMeta,
  DispatchError,
  decodePacket,
  encodeMessage,
  type FailedMeta,
  type Frame,
  type ResultMeta,
  type ResumeAnswer,
  type ResumeQuestion,
  workerControlSubject,
} from '@penstock/protocol';
import type { Served } from '../replies/reply-sink.ts';
import { Conversions, type ConversionsOptions } from './conversions.ts';
import { type Bound, errorOf, type NewRequest, type OpenRequest, openRequest } from './open-request.ts';
import { leaveShard, nextBase } from './requeue.ts';

export interface OpenRequestsOptions extends ConversionsOptions {
  readonly ackWaitMs: number;
  /** How long a bound request waits for its worker before it is offered to all, ms. */
  readonly boundWaitMs: number;
  /** How long the client of a call without a stream is held, ms. */
  readonly holdMs: number;
  readonly deadLetter: (request: NewRequest, code: string) => Promise<void>;
}

export class OpenRequests {
  readonly #o: OpenRequestsOptions;
  readonly #open = new Map<string, OpenRequest>();
  /** Bound requests in the order in which they will have waited long enough. */
  readonly #boundQueue: { id: string; until: number }[] = [];
  readonly #conversions: Conversions;

  constructor(options: OpenRequestsOptions) {
    this.#o = options;
    this.#conversions = new Conversions(options, this.#open, id => this.cancel(id));
  }

  get size(): number {
    return this.#open.size;
  }

  /** Call before publishing: the reply may be faster than the PubAck. */
  add(request: NewRequest): void {
    this.#open.set(request.id, openRequest(request, this.#o.clock));
  }

  /** The request is on the queue. */
  published(id: string): void {
    const request = this.#open.get(id);
    if (request === undefined || request.bound === null) return;
    this.#boundQueue.push({ id, until: this.#o.clock.monotonic() + this.#o.boundWaitMs });
  }

  /** Offers to all what its worker has not taken in time. Called often; costs nothing while nothing is bound. */
  widen(): void {
    const now = this.#o.clock.monotonic();
    while (this.#boundQueue.length > 0 && (this.#boundQueue[0]?.until ?? now) <= now) {
      const request = this.#open.get(this.#boundQueue.shift()?.id ?? '');
      if (request === undefined || request.bound === null || request.running !== null) continue;
      this.#o.metrics.moved.inc({ reason: 'not_taken' });
      this.#o.fleet.suspect(request.bound.worker);
      this.#move(request, request.bound);
    }
  }

  /** A worker takes nothing new any more: what waits for it alone is offered to all at once. */
  sweep(worker: string): void {
    for (const request of this.#open.values()) {
      const { bound } = request;
      if (bound === null || bound.worker !== worker || request.running !== null) continue;
      this.#o.metrics.moved.inc({ reason: 'swept' });
      this.#move(request, bound);
    }
  }

  /** From the subject of one worker to the shared one. Whatever still comes of the old subject is fenced. */
  #move(request: OpenRequest, bound: Bound): void {
    this.#o.queue.purge(request.stream, request.subject);
    request.subject = bound.sharedSubject;
    request.bound = null;
    request.running = null;
    request.nextSeq = 0;
    const base = nextBase(request.attempt);
    request.attempt = base;
    bound
      .republish(bound.sharedSubject, base, request.shown)
      .catch((err: unknown) => this.#unqueued(request, err));
  }

  /** It left one subject and did not get onto another: nobody will ever take it. */
  #unqueued(request: OpenRequest, err: unknown): void {
    if (this.#open.get(request.id) !== request) return;
    this.cancel(request.id);
    const error = err instanceof DispatchError ? err : new DispatchError('internal_error', { cause: err });
    request.sink.error(error, null);
  }

  /** Nobody waits for it any more, or submitting failed: stop all work on the request, wherever it is. */
  cancel(id: string): void {
    const request = this.#open.get(id);
    if (request === undefined) return;
    this.#open.delete(id);
    this.#o.queue.purge(request.stream, request.subject);
    if (request.running !== null) this.#stopWorker(request.running.worker, id, request.attempt);
  }

  /** The client left before it had the end of its reply: nobody knows of a record that was made to send it to. */
  left(id: string): void {
    const converted = this.#open.get(id)?.converted ?? null;
    this.cancel(id);
    if (converted !== null) void converted.undo().catch(() => {});
  }

  onPacket(packet: Buffer): void {
    let decoded: ReturnType<typeof decodePacket>;
    try {
      decoded = decodePacket(packet);
    } catch (err) {
      this.#o.log.error({ err }, 'unreadable frame packet dropped');
      return;
    }
    this.#o.fleet.hearQuote(decoded.worker, decoded.quote);
    for (const frame of decoded.frames) this.#onFrame(frame, decoded.worker);
  }

  #onFrame(frame: Frame, worker: string): void {
    const request = this.#open.get(frame.id);
    if (request === undefined) {
      if (frame.kind === 'accepted') this.#refuse(frame, worker);
      return;
    }
    if (frame.attempt < request.attempt) {
      this.#o.metrics.fencedFrames.inc();
      if (frame.kind === 'accepted') this.#stopWorker(worker, frame.id, frame.attempt);
      return;
    }
    if (frame.attempt > request.attempt) this.#begin(request, frame.attempt, worker);
    if (frame.seq < request.nextSeq) return;
    if (frame.seq > request.nextSeq) {
      const lost = { code: 'stream_interrupted', message: 'frames were lost', retryable: true };
      return this.#broken(request, frame, worker, lost);
    }
    request.nextSeq++;
    try {
      this.#apply(request, frame, worker);
    } catch {
      // A reply that is told in another shape has to understand the engine's words, and could not.
      const message = 'the engine sent something other than the JSON of its API';
      const retryable = frame.kind === 'result';
      this.#broken(request, frame, worker, { code: 'engine_error', message, retryable });
    }
  }

  /** Its worker knows of no failure: left alone it would work on for nobody. */
  #broken(request: OpenRequest, frame: Frame, worker: string, failure: FailedMeta): void {
    this.#stopWorker(worker, request.id, frame.attempt);
    this.#failed(request, failure, false);
  }

  /** Nobody waits for this any more: let the worker stop and the broker forget. */
  #refuse(frame: Frame, worker: string): void {
    this.#stopWorker(worker, frame.id, frame.attempt);
    this.#o.queue.settle((JSON.parse(frame.meta) as AcceptedMeta).ack, 'ack');
  }

  #begin(request: OpenRequest, attempt: number, worker: string): void {
    request.attempt = attempt;
    request.nextSeq = 0;
    request.running = { worker, incarnation: '', ack: null, waitMs: 0 };
  }

  #apply(request: OpenRequest, frame: Frame, worker: string): void {
    const served = { worker, attempt: request.starts, waitMs: request.running?.waitMs ?? 0 };
    switch (frame.kind) {
      case 'accepted': {
        const { ack, waitMs, incarnation = '' } = JSON.parse(frame.meta) as AcceptedMeta;
        request.starts++;
        request.running = { worker, incarnation, ack, waitMs };
        this.#o.fleet.hearFrom(worker, incarnation);
        request.leaseAt = this.#o.clock.monotonic();
        if (request.trail !== null) this.#o.affinity.learn(request.trail, worker);
        return;
      }
      case 'events':
        this.#show(request, frame.body, served);
        return;
      case 'end':
        if (!request.shown) this.#firstToken(request, served);
        request.sink.end(frame.body, served);
        this.#done(request, frame.body);
        return;
      case 'result':
        this.#firstToken(request, served);
        if (request.converted !== null) {
          return this.#conversions.finish(request, request.converted, frame, worker);
        }
        request.sink.result(JSON.parse(frame.meta) as ResultMeta, frame.body, served);
        this.#done(request, frame.body);
        return;
      case 'failed':
        this.#failed(request, JSON.parse(frame.meta) as FailedMeta, false);
    }
  }

  #show(request: OpenRequest, events: Buffer, served: Served): void {
    if (!request.shown) this.#firstToken(request, served);
    request.shown = true;
    request.shownText.add(events);
    request.sink.events(events, served);
  }

  #firstToken(request: OpenRequest, served: Served): void {
    const { metrics, clock } = this.#o;
    metrics.ttft.observe((clock.monotonic() - request.openedAt) / 1000);
    metrics.queueWait.observe(served.waitMs / 1000);
  }

  #done(request: OpenRequest, body: Buffer): void {
    this.#o.affinity.hear(request.slug, request.trail, request.running?.worker ?? '', body);
    this.#open.delete(request.id);
    if (request.running?.ack) this.#o.queue.settle(request.running.ack, 'ack');
    this.#o.metrics.finished.inc({ outcome: 'done' });
  }

  /** A run is final, somewhere. A kept one that was cancelled is not waited for any more. */
  settled(id: string): void {
    if (this.#open.get(id)?.converted != null) this.cancel(id);
  }

  #failed(request: OpenRequest, failure: FailedMeta, workerLost: boolean): void {
    const running = request.running;
    request.failures++;
    request.running = null;
    // Whatever the failed attempt may still send is fenced; the next delivery has a higher count anyway.
    request.attempt++;
    request.nextSeq = 0;
    const decision = decideRetry(
      {
        failures: request.failures,
        retryable: failure.retryable,
        workerLost,
        shown: request.shown,
        continuable: request.shownText.continuable,
        deadlineAt: request.endsAt,
      },
      this.#o.clock.monotonic(),
    );
    this.#o.metrics.retries.inc({ reason: decision.reason });
    if (workerLost && running !== null) this.#stopWorker(running.worker, request.id, request.attempt - 1);
    if (decision.kind === 'give_up') {
      this.#giveUp(request, failure, decision.reason, running?.ack ?? null, running?.worker ?? '');
      return;
    }
    if (request.converted !== null) {
      void this.#conversions.handOver(request);
      return;
    }
    if (request.bound !== null) {
      // Given back to its subject it could only go to the same worker again.
      this.#o.metrics.moved.inc({ reason: 'failed' });
      this.#move(request, request.bound);
    } else if (running?.ack) this.#o.queue.settle(running.ack, 'nak', decision.delayMs);
  }

  #giveUp(
    request: OpenRequest,
    failure: FailedMeta,
    reason: string,
    ack: string | null,
    worker: string,
  ): void {
    this.#open.delete(request.id);
    this.#o.metrics.finished.inc({ outcome: reason });
    const served = { worker, attempt: request.starts, waitMs: 0 };
    const { log, queue } = this.#o;
    log.warn(
      { id: request.id, worker, code: failure.code, reason, failures: request.failures },
      'request given up',
    );
    void this.#o
      .deadLetter(request, failure.code)
      .catch((err: Error) => log.error({ id: request.id, err }, 'dead letter not written'))
      .finally(() => {
        if (ack) queue.settle(ack, 'term');
        else queue.purge(request.stream, request.subject);
      });
    const error = errorOf(failure, reason);
    if (request.converted === null) request.sink.error(error, served);
    else void request.converted.fail(request.attempt, worker, error).catch(() => {});
  }

  #stopWorker(worker: string, id: string, attempt: number): void {
    this.#o.queue.send(workerControlSubject(worker), encodeMessage({ cancel: id, attempt }));
  }

  /** A worker holds a redelivery and asks what to do. Asking makes its attempt the current one. */
  answer(question: ResumeQuestion): ResumeAnswer {
    const request = this.#open.get(question.id);
    if (request === undefined || question.attempt < request.attempt) return { kind: 'gone' };
    if (question.attempt > request.attempt || request.running === null) {
      const old = request.running;
      if (old !== null && old.worker !== question.worker) {
        this.#stopWorker(old.worker, request.id, request.attempt);
      }
      this.#begin(request, question.attempt, question.worker);
    }
    if (!request.shown) return { kind: 'start' };
    const shown = request.shownText.read();
    if (shown !== null) return { kind: 'continue', ...shown };
    const failure = { code: 'stream_interrupted', message: 'the worker was lost', retryable: true };
    this.#giveUp(request, failure, 'shown_to_client', null, question.worker);
    return { kind: 'gone' };
  }

  /** Once a second: deadlines, lost workers, leases, keep-alives. */
  tick(): void {
    const { clock, fleet, queue, ackWaitMs } = this.#o;
    fleet.sweep();
    const now = clock.monotonic();
    for (const request of this.#open.values()) {
      if (now >= request.endsAt) {
        this.#expire(request);
        continue;
      }
      if (!request.shown) request.sink.waiting(now - request.openedAt);
      if (request.conversion !== null && now - request.openedAt >= this.#o.holdMs)
        void this.#conversions.convert(request, request.conversion);
      const running = request.running;
      if (running === null) {
        if (request.bound === null && fleet.isStranded(request.slug, request.shard))
          void this.#leaveShard(request);
        continue;
      }
      if (fleet.isLost(running.worker, running.incarnation)) {
        const failure: FailedMeta = { code: 'engine_error', message: 'the worker was lost', retryable: true };
        this.#failed(request, failure, true);
      } else if (running.ack !== null && now - request.leaseAt >= ackWaitMs / 3) {
        request.leaseAt = now;
        queue.settle(running.ack, 'progress');
      }
    }
  }

  async #leaveShard(request: OpenRequest): Promise<void> {
    try {
      if (await leaveShard(this.#o, request, () => this.#open.get(request.id) === request))
        this.#o.metrics.moved.inc({ reason: 'stranded' });
    } catch (err) {
      this.#unqueued(request, err);
    }
  }

  #expire(request: OpenRequest): void {
    this.cancel(request.id);
    this.#o.metrics.finished.inc({ outcome: 'deadline' });
    const error = new DispatchError('deadline_exceeded');
    if (request.converted === null) request.sink.error(error, null);
    else void request.converted.fail(request.attempt + 1, '', error).catch(() => {});
  }

  /** Ends every open request with an error, and leaves those whose clients were sent away to others; for the end of a drain. */
  async abandonAll(): Promise<void> {
    const kept: Promise<void>[] = [];
    for (const request of [...this.#open.values()]) {
      if (request.converted !== null) {
        if (request.running !== null) this.#stopWorker(request.running.worker, request.id, request.attempt);
        kept.push(this.#conversions.handOver(request));
        continue;
      }
      this.cancel(request.id);
      request.sink.error(new DispatchError('shutting_down'), null);
    }
    await Promise.allSettled(kept);
  }
}
