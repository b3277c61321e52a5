/**
 * One attempt at one request: the engine call, and the frames that report its progress.
 *
 * It is **running** until the engine finished (`end` or `result`), it failed (`failed`), or it was **dropped** (cancelled or
 * superseded: nothing more is sent). Engine events are forwarded as the bytes that arrived, and only whole events, so that
 * a dying engine cannot put half an event in front of a client.
 */
import {
  type AcceptedMeta,
  countEvents,
  ENDPOINT_PATHS,
  endOfLastEvent,
  endsWithDone,
  type FailedMeta,
  type Frame,
  type FrameKind,
  JSON_CONTENT_TYPE,
  type QueueAddress,
  readCompletionTokens,
  toEngineErrorBody,
  type WorkEnvelope,
} from '@penstock/protocol';
import type { Delivery } from '@penstock/transport';
import { type Engine, MAX_ANSWER_BYTES } from '../engine/engine.ts';
import type { Continuation } from './continuation.ts';
import type { FrameSource } from './frame-batcher.ts';

/** How an attempt ended. `client_error`: the engine refused the request, which is not the engine's fault. */
export type AttemptOutcome = 'done' | 'client_error' | 'failed' | 'dropped';

/** Moving a request to another subject resets its delivery count; the base keeps attempt numbers rising nevertheless. */
export function attemptNumberOf(delivery: Delivery, work: WorkEnvelope): number {
  return work.meta.attemptBase + delivery.deliveryCount;
}

export interface AttemptHooks {
  /** Frames are ready; `urgent` ones should not wait for a tick. */
  ready(attempt: Attempt, urgent: boolean): void;
  firstToken(attempt: Attempt): void;
  ended(attempt: Attempt, outcome: AttemptOutcome, detail: string): void;
}

export interface AttemptOptions {
  readonly work: WorkEnvelope;
  /** Rises with each attempt at the request; frames of an older attempt are ignored. */
  readonly number: number;
  readonly ackSubject: string;
  /** Subject under which the message is queued. */
  readonly address: QueueAddress;
  /** Identifies this worker's process, see {@link AcceptedMeta}. */
  readonly incarnation: string;
  /** From acceptance at the ingress to this attempt. */
  readonly waitMs: number;
  readonly continuation: Continuation | null;
  readonly hooks: AttemptHooks;
}

const NO_BYTES = Buffer.alloc(0);
/** A longer event is treated as garbage. */
const MAX_EVENT_BYTES = 4 * 1024 * 1024;
/** Engine statuses that blame the client, and are passed on to it. */
const CLIENT_ERRORS = new Set([400, 413, 422]);

export class Attempt implements FrameSource {
  readonly work: WorkEnvelope;
  readonly number: number;
  readonly ackSubject: string;
  readonly address: QueueAddress;
  readonly #incarnation: string;
  readonly #waitMs: number;
  readonly #continuation: Continuation | null;
  readonly #hooks: AttemptHooks;
  #seq = 0;
  #accepted = false;
  #events: Buffer[] = [];
  #partial: Buffer = NO_BYTES;
  /** Chunks of an answer that is not a stream. */
  readonly #chunks: Buffer[] = [];
  #final: { kind: FrameKind; meta: string; body: Buffer } | null = null;
  #over = false;
  #status = 0;
  #contentType = '';
  #sawFirst = false;
  #answerTokens = 0;
  #call: { abort(): void } | null = null;

  constructor(options: AttemptOptions) {
    this.work = options.work;
    this.number = options.number;
    this.ackSubject = options.ackSubject;
    this.address = options.address;
    this.#incarnation = options.incarnation;
    this.#waitMs = options.waitMs;
    this.#continuation = options.continuation;
    this.#hooks = options.hooks;
  }

  get id(): string {
    return this.work.meta.id;
  }

  get ingressId(): string {
    return this.work.meta.from;
  }

  /** Tokens of a finished answer: as the engine reports them, else one an event; 0 where neither is known. */
  get answerTokens(): number {
    return this.#answerTokens;
  }

  start(engine: Pick<Engine, 'run'>): void {
    this.#hooks.ready(this, false);
    const body = this.#continuation?.body ?? this.work.body;
    this.#call = engine.run(ENDPOINT_PATHS[this.work.meta.endpoint], body, {
      start: (status, contentType) => this.#onStart(status, contentType),
      data: bytes => this.#onData(bytes),
      end: () => this.#onEnd(),
      error: error => {
        const failure = failureOf(error);
        this.#fail(failure, failure.retryable ? 'failed' : 'client_error');
      },
    });
  }

  /** Stops the engine call; no further frames are sent. */
  drop(): void {
    if (this.#over) return;
    this.#over = true;
    this.#events = [];
    this.#accepted = true;
    this.#call?.abort();
    this.#hooks.ended(this, 'dropped', 'cancelled');
  }

  /** Ends a healthy attempt so that another worker runs the request: for a worker that shuts down. */
  handBack(): void {
    this.#fail({ code: 'shutting_down', message: 'the worker is shutting down', retryable: true }, 'dropped');
  }

  /** The answer cannot be used: stops the engine call and reports the failure. */
  giveUp(failure: FailedMeta): void {
    this.#fail(failure);
  }

  takeFrames(into: Frame[]): void {
    if (!this.#accepted) {
      this.#accepted = true;
      const meta: AcceptedMeta = {
        ack: this.ackSubject,
        waitMs: this.#waitMs,
        incarnation: this.#incarnation,
      };
      into.push(this.#frame('accepted', JSON.stringify(meta), NO_BYTES));
    }
    const events = this.#events.length === 1 ? (this.#events[0] ?? NO_BYTES) : Buffer.concat(this.#events);
    this.#events = [];
    const final = this.#final;
    this.#final = null;
    if (final?.kind === 'end') {
      into.push(this.#frame('end', '', events));
      return;
    }
    if (events.length > 0) into.push(this.#frame('events', '', events));
    if (final !== null) into.push(this.#frame(final.kind, final.meta, final.body));
  }

  #frame(kind: FrameKind, meta: string, body: Buffer): Frame {
    return { id: this.id, attempt: this.number, seq: this.#seq++, kind, meta, body };
  }

  #onStart(status: number, contentType: string): void {
    this.#status = status;
    this.#contentType = contentType;
    if (status !== 200 || !this.work.meta.stream || /^text\/event-stream/i.test(contentType)) return;
    this.#fail({
      code: 'engine_error',
      message: 'the engine did not answer with an event stream',
      retryable: true,
    });
  }

  #onData(bytes: Buffer): void {
    if (this.#over) return;
    if (!this.work.meta.stream || this.#status !== 200) {
      // Concatenated once at the end: doing so for each chunk took 5 s for an answer of 30 MB.
      this.#chunks.push(bytes);
      return;
    }
    const all = this.#partial.length === 0 ? bytes : Buffer.concat([this.#partial, bytes]);
    const end = endOfLastEvent(all);
    this.#partial = end === all.length ? NO_BYTES : all.subarray(end);
    if (this.#partial.length > MAX_EVENT_BYTES) {
      this.#fail({
        code: 'engine_error',
        message: 'the engine sent an event of more than 4 MB',
        retryable: true,
      });
      return;
    }
    if (end > 0) this.#onEvents(all.subarray(0, end));
  }

  #onEvents(events: Buffer): void {
    if (isErrorEvent(events)) {
      this.#fail({ code: 'engine_error', message: 'the engine reported an error', retryable: true });
      return;
    }
    const done = endsWithDone(events);
    this.#answerTokens =
      (done ? readCompletionTokens(events) : null) ?? this.#answerTokens + countEvents(events);
    const shown = this.#continuation === null ? events : this.#continuation.rewrite(events);
    if (shown.length > 0) this.#events.push(shown);
    const first = !this.#sawFirst;
    if (first) this.#first();
    if (done) this.#finish({ kind: 'end', meta: '', body: NO_BYTES }, 'done', first);
    else this.#hooks.ready(this, first);
  }

  #first(): void {
    this.#sawFirst = true;
    this.#hooks.firstToken(this);
  }

  #onEnd(): void {
    if (this.#over) return;
    const { stream } = this.work.meta;
    if (this.#status === 200 && stream) {
      this.#fail({
        code: 'stream_interrupted',
        message: 'the engine ended its stream too early',
        retryable: true,
      });
      return;
    }
    const body = this.#chunks.length === 1 ? (this.#chunks[0] ?? NO_BYTES) : Buffer.concat(this.#chunks);
    if (this.#status !== 200 && !CLIENT_ERRORS.has(this.#status)) {
      this.#fail({ code: 'engine_error', message: `the engine answered ${this.#status}`, retryable: true });
    } else if (!looksLikeJson(body)) {
      this.#fail({ code: 'engine_error', message: 'the engine did not answer with JSON', retryable: true });
    } else {
      if (this.#status === 200 && !this.#sawFirst) this.#first();
      this.#answerTokens = readCompletionTokens(body) ?? 0;
      this.#answer(body);
    }
  }

  #answer(body: Buffer): void {
    const refused = this.#status !== 200;
    const contentType = refused ? JSON_CONTENT_TYPE : this.#contentType;
    const meta = JSON.stringify({ status: this.#status, contentType });
    const shown = refused ? toEngineErrorBody(body) : body;
    this.#finish({ kind: 'result', meta, body: shown }, refused ? 'client_error' : 'done', true);
  }

  #fail(failure: FailedMeta, outcome: AttemptOutcome = 'failed'): void {
    if (this.#over) return;
    this.#call?.abort();
    this.#finish(
      { kind: 'failed', meta: JSON.stringify(failure), body: NO_BYTES },
      outcome,
      true,
      failure.message,
    );
  }

  #finish(
    final: { kind: FrameKind; meta: string; body: Buffer },
    outcome: AttemptOutcome,
    urgent: boolean,
    detail = '',
  ): void {
    this.#over = true;
    this.#final = final;
    this.#hooks.ready(this, urgent);
    this.#hooks.ended(this, outcome, detail);
  }
}

function failureOf(error: Error & { code?: string }): FailedMeta {
  if (error.code === 'UND_ERR_RES_EXCEEDED_MAX_SIZE') {
    const message = `the answer is longer than ${MAX_ANSWER_BYTES / 1024 / 1024} MB: ask for less in one request`;
    return { code: 'engine_error', message, retryable: false };
  }
  const timedOut = error.code === 'UND_ERR_HEADERS_TIMEOUT' || error.code === 'UND_ERR_BODY_TIMEOUT';
  if (timedOut) return { code: 'engine_timeout', message: 'the engine stopped answering', retryable: true };
  return { code: 'engine_error', message: 'the connection to the engine failed', retryable: true };
}

function isErrorEvent(events: Buffer): boolean {
  const at = events.indexOf('data: {"error"');
  return at === 0 || (at > 0 && events[at - 1] === 0x0a);
}

function looksLikeJson(body: Buffer): boolean {
  const text = body.toString('latin1', 0, 64).trimStart();
  const tail = body.toString('latin1', Math.max(0, body.length - 64)).trimEnd();
  return text.startsWith('{') && tail.endsWith('}');
}
