/**
 * One attempt at one request: the engine call, and the frames that tell its ingress how it goes.
 *
 * **running** → `end`/`result` (the engine finished), `failed` (it did not), or **dropped** (cancelled: nothing more is
 * sent). The engine's events travel as the bytes they came in; only whole events leave, so that a dying engine can never
 * put half an event in front of a client.
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
  toEngineErrorBody,
  type WorkEnvelope,
} from '@penstock/protocol';
import type { Delivery } from '@penstock/transport';
import { type Engine, MAX_ANSWER_BYTES } from '../engine/engine.ts';
import type { Continuation } from './continuation.ts';
import type { FrameSource } from './frame-batcher.ts';

/** How an attempt ended, for slots, learned rates and engine health. */
export type AttemptOutcome = 'done' | 'client_error' | 'failed' | 'dropped';

/** Moving a request to another subject starts its delivery count anew; the base keeps attempts rising all the same. */
export function attemptOf(delivery: Delivery, work: WorkEnvelope): number {
  return work.meta.attemptBase + delivery.deliveryCount;
}

export interface AttemptHooks {
  /** Frames are ready. */
  ready(attempt: Attempt, urgent: boolean): void;
  firstToken(attempt: Attempt): void;
  ended(attempt: Attempt, outcome: AttemptOutcome, detail: string): void;
}

export interface AttemptOptions {
  readonly work: WorkEnvelope;
  readonly attempt: number;
  readonly ackSubject: string;
  /** Where the message is queued. */
  readonly subject: string;
  /** Of this worker's process. */
  readonly incarnation: string;
  /** Monotonic ms. */
  readonly startedAt: number;
  readonly waitMs: number;
  readonly continuation: Continuation | null;
  readonly hooks: AttemptHooks;
}

const NO_BYTES = Buffer.alloc(0);
/** An engine tells the usage at the very end, within so many bytes. */
const USAGE_WITHIN = 1024;
/** An event longer than this is taken for garbage, bytes. */
const MAX_EVENT = 4 * 1024 * 1024;
/** Engine statuses that are the client's own fault and go back to it unchanged. */
const CLIENT_ERRORS = new Set([400, 413, 422]);

export class Attempt implements FrameSource {
  readonly o: AttemptOptions;
  #seq = 0;
  #accepted = false;
  #events: Buffer[] = [];
  #partial: Buffer = NO_BYTES;
  /** An answer that is no stream, in the pieces it comes in. */
  readonly #pieces: Buffer[] = [];
  #final: { kind: FrameKind; meta: string; body: Buffer } | null = null;
  #over = false;
  #status = 0;
  #contentType = '';
  #sawFirst = false;
  #answerTokens = 0;
  #call: { abort(): void } | null = null;

  constructor(options: AttemptOptions) {
    this.o = options;
  }

  get id(): string {
    return this.o.work.meta.id;
  }

  get ingressId(): string {
    return this.o.work.meta.from;
  }

  /** Tokens of a finished answer: as the engine tells them, else about one an event; 0 where neither says. */
  get answerTokens(): number {
    return this.#answerTokens;
  }

  start(engine: Engine): void {
    const { work, hooks, continuation } = this.o;
    hooks.ready(this, false);
    this.#call = engine.run(ENDPOINT_PATHS[work.meta.endpoint], continuation?.body ?? work.body, {
      start: (status, contentType) => this.#onStart(status, contentType),
      data: bytes => this.#onData(bytes),
      end: () => this.#onEnd(),
      error: error => {
        const failure = failureOf(error);
        this.#fail(failure, failure.retryable ? 'failed' : 'client_error');
      },
    });
  }

  /** Stops the engine call; nothing more is sent about this attempt. */
  drop(): void {
    if (this.#over) return;
    this.#over = true;
    this.#events = [];
    this.#accepted = true;
    this.#call?.abort();
    this.o.hooks.ended(this, 'dropped', 'cancelled');
  }

  /** Gives the request up while it is well, so that another worker runs it: for a worker that leaves. */
  handBack(): void {
    this.#fail({ code: 'shutting_down', message: 'the worker is shutting down', retryable: true }, 'dropped');
  }

  /** What the engine says cannot be used: stops the call and reports a failure. */
  giveUp(failure: FailedMeta): void {
    this.#fail(failure);
  }

  takeFrames(into: Frame[]): void {
    if (!this.#accepted) {
      this.#accepted = true;
      const { ackSubject: ack, waitMs, incarnation } = this.o;
      const meta: AcceptedMeta = { ack, waitMs, incarnation };
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
    return { id: this.id, attempt: this.o.attempt, seq: this.#seq++, kind, meta, body };
  }

  #onStart(status: number, contentType: string): void {
    this.#status = status;
    this.#contentType = contentType;
    if (status !== 200 || !this.o.work.meta.stream || /^text\/event-stream/i.test(contentType)) return;
    this.#fail({
      code: 'engine_error',
      message: 'the engine did not answer with an event stream',
      retryable: true,
    });
  }

  #onData(bytes: Buffer): void {
    if (this.#over) return;
    if (!this.o.work.meta.stream || this.#status !== 200) {
      // Joined at the end: joining at each piece took 5 s for an answer of 30 MB.
      this.#pieces.push(bytes);
      return;
    }
    const all = this.#partial.length === 0 ? bytes : Buffer.concat([this.#partial, bytes]);
    const end = endOfLastEvent(all);
    this.#partial = end === all.length ? NO_BYTES : all.subarray(end);
    if (this.#partial.length > MAX_EVENT) {
      this.#fail({ code: 'engine_error', message: 'the engine sent an endless event', retryable: true });
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
    this.#answerTokens = (done ? completionTokens(events) : null) ?? this.#answerTokens + countEvents(events);
    const shown = this.o.continuation === null ? events : this.o.continuation.rewrite(events);
    if (shown.length > 0) this.#events.push(shown);
    const first = !this.#sawFirst;
    if (first) this.#first();
    if (done) this.#finish({ kind: 'end', meta: '', body: NO_BYTES }, 'done', first);
    else this.o.hooks.ready(this, first);
  }

  #first(): void {
    this.#sawFirst = true;
    this.o.hooks.firstToken(this);
  }

  #onEnd(): void {
    if (this.#over) return;
    const { stream } = this.o.work.meta;
    if (this.#status === 200 && stream) {
      this.#fail({
        code: 'stream_interrupted',
        message: 'the engine ended its stream too early',
        retryable: true,
      });
      return;
    }
    const body = this.#pieces.length === 1 ? (this.#pieces[0] ?? NO_BYTES) : Buffer.concat(this.#pieces);
    if (this.#status !== 200 && !CLIENT_ERRORS.has(this.#status)) {
      this.#fail({ code: 'engine_error', message: `the engine answered ${this.#status}`, retryable: true });
    } else if (!looksLikeJson(body)) {
      this.#fail({ code: 'engine_error', message: 'the engine did not answer with JSON', retryable: true });
    } else {
      if (this.#status === 200 && !this.#sawFirst) this.#first();
      this.#answerTokens = completionTokens(body) ?? 0;
      this.#answer(body);
    }
  }

  #answer(body: Buffer): void {
    const refused = this.#status !== 200;
    const contentType = refused ? 'application/json; charset=utf-8' : this.#contentType;
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
    this.o.hooks.ready(this, urgent);
    this.o.hooks.ended(this, outcome, detail);
  }
}

function failureOf(error: Error & { code?: string }): FailedMeta {
  if (error.code === 'UND_ERR_RES_EXCEEDED_MAX_SIZE') {
    const message = `the answer is longer than ${MAX_ANSWER_BYTES / 1024 / 1024} MB: ask for less at once`;
    return { code: 'engine_error', message, retryable: false };
  }
  const timedOut = error.code === 'UND_ERR_HEADERS_TIMEOUT' || error.code === 'UND_ERR_BODY_TIMEOUT';
  if (timedOut) return { code: 'engine_timeout', message: 'the engine stopped answering', retryable: true };
  return { code: 'engine_error', message: 'the connection to the engine broke', retryable: true };
}

/** What the engine says at the end of an answer; null where it says nothing. */
function completionTokens(bytes: Buffer): number | null {
  const tail = bytes.toString('latin1', Math.max(0, bytes.length - USAGE_WITHIN));
  const said = /"completion_tokens":\s*(\d{1,9})/.exec(tail)?.[1];
  return said === undefined ? null : Number(said);
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
