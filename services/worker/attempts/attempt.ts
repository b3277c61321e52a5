/**
 * One attempt at one request: the engine call, and the frames that report its progress.
 *
 * It is **running** until the engine finished (`end` or `result`), it failed (`failed`), or it was **dropped** (cancelled or
 * superseded: nothing more is sent). Engine events are forwarded as the bytes that arrived, and only whole events, so that
 * a dying engine cannot put half an event in front of a client.
 */
import {
  type AcceptedMeta,
  type AttemptKey,
  answerContentType,
  DispatchError,
  type EngineError,
  engineHeadersOf,
  type FailedMeta,
  type Frame,
  isEventStream,
  JSON_CONTENT_TYPE,
  type QueueAddress,
  readEngineError,
  statusForClient,
  understandAnswer,
  type WorkEnvelope,
} from '@penstock/protocol';
import type { Clock } from '@penstock/runtime';
import type { BodyStream } from '../engine/body-stream.ts';
import type { Engine, EngineHandlers } from '../engine/engine.ts';
import { inOnePiece } from '../engine/plain-as-stream.ts';
import type { FrameSource } from '../replies/frame-batcher.ts';
import { OutgoingFrames, type Said } from '../replies/outgoing-frames.ts';
import { type BodyLoader, notLoaded } from './body-loader.ts';
import { busyPause } from './busy-pause.ts';
import type { Continuation } from './continuation.ts';
import { type AttemptOutcome, connectionFailure, engineFailure, worded } from './failures.ts';
import { PhaseLimit, type StreamLimits } from './phase-limit.ts';
import { Contradiction } from './repetition.ts';
import { endEventOf, type Heard, StreamedAnswer, termsOf } from './streamed-answer.ts';

export type { AttemptOutcome } from './failures.ts';

export interface AttemptHooks {
  /** Frames are ready; `urgent` ones should not wait for a tick. */
  ready(attempt: Attempt, urgent: boolean): void;
  firstToken(attempt: Attempt): void;
  /** @param detail why, for people; empty where it went well. @param brief the same without the engine's words, for logs and traces. */
  ended(attempt: Attempt, outcome: AttemptOutcome, detail: string, brief: string): void;
  /**
   * The engine says that it has no such model. @returns whether it may have been unloaded a moment ago: then the request goes back
   * to the queue, where another worker may serve it; else the engine's word counts.
   */
  isModelLeaving(attempt: Attempt): boolean;
}

export interface AttemptOptions {
  readonly work: WorkEnvelope;
  /** Rises with each attempt at the request; frames of an older attempt are ignored. */
  readonly number: number;
  /** See {@link AttemptKey.nonce}. */
  readonly nonce: number;
  readonly ackSubject: string;
  /** Subject under which the message is queued. */
  readonly address: QueueAddress;
  /** Identifies this worker's process, see {@link AcceptedMeta}. */
  readonly incarnation: string;
  /** From acceptance at the ingress to this attempt. */
  readonly waitMs: number;
  readonly continuation: Continuation | null;
  readonly limits: StreamLimits;
  readonly clock: Pick<Clock, 'monotonic'>;
  readonly hooks: AttemptHooks;
}

/** Until the worker has found out what its engine serves, ms. */
const LEAVING_MS = 1500;
const NO_BYTES = Buffer.alloc(0);
/** Of an answer that could not be brought to its ingress. */
const UNDELIVERED: FailedMeta = {
  code: 'stream_interrupted',
  message: 'the answer could not be delivered',
  retryable: true,
};
/** How long the end of a stream is awaited in which every choice has ended, ms. */
const AWAIT_END_MS = 1000;

export class Attempt implements FrameSource, AttemptKey {
  readonly number: number;
  readonly nonce: number;
  readonly ackSubject: string;
  readonly address: QueueAddress;
  #work: WorkEnvelope;
  readonly #continuation: Continuation | null;
  readonly #limits: StreamLimits;
  readonly #clock: Pick<Clock, 'monotonic'>;
  readonly #hooks: AttemptHooks;
  #limit: PhaseLimit | null = null;
  readonly #outgoing: OutgoingFrames;
  #isLost = false;
  /** Null while the answer is not known to be a stream. */
  #stream: StreamedAnswer | null = null;
  #endTimer: NodeJS.Timeout | null = null;
  /** Chunks of an answer that is not a stream. */
  readonly #chunks: Buffer[] = [];
  #over = false;
  /** Of the engine's answer. */
  #head = { status: 0, contentType: '', retryAfterMs: null as number | null };
  #sawFirst = false;
  #answerTokens = 0;
  #call: { abort(): void } | null = null;
  /** The body where it is streamed to the engine. */
  #sent: BodyStream | null = null;
  readonly #isOver = new AbortController();

  constructor(options: AttemptOptions) {
    this.#work = options.work;
    this.number = options.number;
    this.nonce = options.nonce;
    this.ackSubject = options.ackSubject;
    this.address = options.address;
    this.#continuation = options.continuation;
    this.#limits = options.limits;
    this.#clock = options.clock;
    this.#hooks = options.hooks;
    const { ackSubject: ack, waitMs, incarnation, number: attempt, nonce } = options;
    const { key } = options.work.meta;
    const accepted: AcceptedMeta = { ack, waitMs, incarnation, key };
    this.#outgoing = new OutgoingFrames({ id: this.id, attempt, nonce }, accepted);
  }

  get work(): WorkEnvelope {
    return this.#work;
  }

  get id(): string {
    return this.work.meta.id;
  }

  get ingressId(): string {
    return this.work.meta.from;
  }

  /** Output tokens so far: as the engine reports them, else one an event; 0 where neither is known. */
  get answerTokens(): number {
    return this.#answerTokens;
  }

  /** Whether the answer to a request for a stream came in one piece: its first token says nothing of the engine. */
  get isWhole(): boolean {
    return this.work.meta.stream && this.#chunks.length > 0;
  }

  /** @param bodies where the request's body is, if not in its message. */
  start(engine: Pick<Engine, 'run'>, bodies: Pick<BodyLoader, 'load'>): void {
    this.#hooks.ready(this, false);
    if (this.work.meta.claim === undefined) this.#ask(engine);
    else void this.#load(engine, bodies);
  }

  /** Its ingress or its record knows already who has it, so the lease is renewed meanwhile. */
  async #load(engine: Pick<Engine, 'run'>, bodies: Pick<BodyLoader, 'load'>): Promise<void> {
    try {
      const loaded = await bodies.load(this.work.meta, this.#isOver.signal);
      if (loaded === null) return;
      this.#isOver.signal.addEventListener('abort', loaded.giveBack);
      this.#work = { ...this.work, body: loaded.body };
      this.#sent = loaded.stream;
      this.#ask(engine);
    } catch (err) {
      this.#fail(notLoaded(err), 'not_loaded');
    }
  }

  #ask(engine: Pick<Engine, 'run'>): void {
    this.#limit = new PhaseLimit(this.work.meta, this.#limits, this.#clock, failure => this.#broke(failure));
    const body = this.#sent ?? this.#continuation?.bodyFrom(this.work.body) ?? this.work.body;
    const handlers: EngineHandlers = {
      start: (...head) => this.#onStart(...head),
      data: bytes => this.#onData(bytes),
      end: () => this.#onEnd(),
      error: error => this.#onError(error),
    };
    const { contentType = 'application/json', endpoint, stream } = this.work.meta;
    const headers = { ...engineHeadersOf(this.work.meta, this.number), 'content-type': contentType };
    const to = stream ? handlers : inOnePiece(handlers, endpoint, () => termsOf(this.work).choices);
    this.#call = engine.run(endpoint, body, to, headers);
  }

  /** Of its answer, not sent yet. */
  get waitingBytes(): number {
    return this.#outgoing.waitingBytes;
  }

  /** Stops the engine call; no further frames are sent, also of an answer that is complete. */
  drop(): void {
    this.#outgoing.clear();
    if (this.#over) return;
    this.#end();
    this.#call?.abort();
    this.#hooks.ended(this, 'dropped', 'cancelled', 'cancelled');
  }

  /** Ends a healthy attempt so that another worker runs the request. */
  handBack(message = 'the worker is shutting down'): void {
    this.#fail({ code: 'shutting_down', message, retryable: true }, 'dropped');
  }

  /** The answer cannot be used: stops the engine call and reports the failure. */
  giveUp(failure: FailedMeta): void {
    this.#fail(failure);
  }

  takeFrames(into: Frame[], room = Number.POSITIVE_INFINITY): boolean {
    return this.#outgoing.take(into, room);
  }

  /** No fault of the engine. The ingress sees the gap, or hears of it, and runs the request again. */
  lost(): void {
    if (this.#isLost) return;
    this.#isLost = true;
    this.#outgoing.clear();
    if (!this.#over) return this.#fail(UNDELIVERED, 'dropped');
    this.#outgoing.end(failedAs(UNDELIVERED));
    this.#hooks.ready(this, true);
  }

  #onStart(status: number, contentType: string, retryAfterMs: number | null = null): void {
    this.#head = { status, contentType, retryAfterMs };
  }

  #onData(bytes: Buffer): void {
    if (this.#over) return;
    // Concatenated once at the end: doing so for each chunk took 5 s for an answer of 30 MB.
    const mayBegin = this.#stream === null && this.work.meta.stream && this.#chunks.length === 0;
    if (mayBegin && this.#head.status === 200 && isEventStream(this.#head.contentType, bytes))
      this.#stream = new StreamedAnswer(this.work);
    if (this.#stream === null) this.#chunks.push(bytes);
    else this.#hear(this.#stream, bytes);
  }

  #hear(stream: StreamedAnswer, bytes: Buffer): void {
    const { parts } = stream;
    const heard = stream.push(bytes);
    if (stream.hasSpoken && stream.parts > parts) this.#limit?.heard();
    this.#heard(heard);
  }

  #onEnd(): void {
    if (this.#over) return;
    if (this.#stream !== null) return this.#heard(this.#stream.end());
    const body = this.#chunks.length === 1 ? (this.#chunks[0] ?? NO_BYTES) : Buffer.concat(this.#chunks);
    if (this.#head.status !== 200) return this.#refused(readEngineError(this.#head.status, body));
    const answer = understandAnswer(body, this.work.meta.endpoint);
    if (answer.kind === 'error') return this.#refused(answer.error);
    if (answer.kind === 'unusable') return this.#fail(engineFailure(answer.why));
    if (this.work.meta.stream) {
      this.#stream = new StreamedAnswer(this.work);
      return this.#heard(this.#stream.tellWhole(body));
    }
    if (!this.#sawFirst) this.#first();
    this.#answerTokens = answer.completionTokens ?? 0;
    const contentType = answerContentType(this.work.meta.endpoint, this.#head.contentType);
    const meta = JSON.stringify({ status: 200, contentType });
    this.#finish({ kind: 'result', meta, body }, 'done', true);
  }

  #onError(error: Error): void {
    if (error instanceof DispatchError) return this.#fail(notLoaded(error), 'not_loaded');
    const failure = connectionFailure(error);
    this.#broke(failure, failure.retryable ? 'failed' : 'client_error');
  }

  /** Nothing more comes of the engine. */
  #broke(failure: FailedMeta, outcome: AttemptOutcome = 'failed'): void {
    if (this.#over) return;
    // What is whole stays so, however the connection ends.
    const end = this.#stream?.end();
    if (end?.kind === 'whole') {
      this.#call?.abort();
      return this.#heard(end);
    }
    this.#fail(failure, outcome);
  }

  #heard(heard: Heard): void {
    if (this.#over) return;
    this.#answerTokens = this.#stream?.tokens ?? 0;
    try {
      this.#handle(heard);
    } catch (err) {
      if (!(err instanceof Contradiction)) throw err;
      this.#fail({ code: 'stream_interrupted', message: err.message, retryable: false }, 'client_error');
    }
  }

  #handle(heard: Heard): void {
    switch (heard.kind) {
      case 'silence':
        return;
      case 'said':
        return this.#show(heard.events);
      case 'whole':
        return this.#whole(heard.events);
      case 'error':
        this.#keep(heard.events);
        return this.#refused(heard.error);
      case 'broken':
        this.#keep(heard.events);
        return this.#fail(heard.failure);
    }
  }

  #show(events: Buffer): void {
    const isFirst = !this.#sawFirst;
    this.#keep(events);
    this.#hooks.ready(this, isFirst);
    if (this.#stream?.mayBeWhole) this.#awaitEnd();
  }

  #whole(events: Buffer): void {
    const isFirst = !this.#sawFirst;
    this.#keep(events);
    this.#outgoing.add(endEventOf(this.work.meta.endpoint));
    this.#finish({ kind: 'end', meta: '', body: NO_BYTES }, 'done', isFirst);
  }

  /** Events that are to be passed on. */
  #keep(events: Buffer): void {
    if (events.length === 0) return;
    const shown = this.#continuation === null ? events : this.#continuation.rewrite(events);
    if (shown.length > 0) this.#outgoing.add(shown);
    if (!this.#sawFirst) this.#first();
  }

  /** The engine may have forgotten to say that this was all. */
  #awaitEnd(): void {
    this.#endTimer ??= setTimeout(() => {
      if (this.#over || this.#stream === null) return;
      this.#call?.abort();
      this.#heard(this.#stream.end());
    }, AWAIT_END_MS);
  }

  #first(): void {
    this.#sawFirst = true;
    this.#hooks.firstToken(this);
  }

  /** The engine answered with an error. */
  #refused(error: EngineError): void {
    const { fault, status, body } = error;
    const asked = this.#sent?.said ?? this.work.body;
    if (body.error.code === 'model_not_found' && this.#hooks.isModelLeaving(this)) {
      const { message, brief } = worded('the engine has the model no more', error, asked);
      const failure = { code: 'model_not_found', message, retryable: true, busyMs: LEAVING_MS } as const;
      return this.#fail(failure, 'gone', brief);
    }
    if (fault === 'busy') {
      const busyMs = busyPause(this.#head.retryAfterMs, this.number);
      const { message, brief } = worded('the engine has no room', error, asked);
      return this.#fail({ code: 'engine_error', message, retryable: true, busyMs }, 'busy', brief);
    }
    if (fault === 'engine') {
      const { message, brief } = worded('the engine failed', error, asked);
      return this.#fail(engineFailure(message), 'failed', brief);
    }
    const meta = JSON.stringify({ status: statusForClient(error), contentType: JSON_CONTENT_TYPE });
    const final = { kind: 'result', meta, body: Buffer.from(JSON.stringify(body)) } as const;
    this.#call?.abort();
    const outcome = fault === 'misconfigured' ? 'misconfigured' : 'client_error';
    this.#finish(final, outcome, true, `status ${status}`);
  }

  #fail(failure: FailedMeta, outcome: AttemptOutcome = 'failed', brief = failure.message): void {
    if (this.#over) return;
    this.#call?.abort();
    this.#finish(failedAs(failure), outcome, true, failure.message, brief);
  }

  #end(): void {
    this.#over = true;
    this.#isOver.abort('over'); // Without a reason it makes an exception, with its stack.
    this.#limit?.stop();
    if (this.#endTimer !== null) clearTimeout(this.#endTimer);
    this.#endTimer = null;
  }

  #finish(final: Said, outcome: AttemptOutcome, urgent: boolean, detail = '', brief = detail): void {
    this.#end();
    this.#outgoing.end(final);
    this.#hooks.ready(this, urgent);
    this.#hooks.ended(this, outcome, detail, brief);
  }
}

function failedAs(failure: FailedMeta): Said {
  return { kind: 'failed', meta: JSON.stringify(failure), body: NO_BYTES };
}
