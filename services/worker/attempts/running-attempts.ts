/** The attempts that run on the engine, at most one for each request. */
import { kvNeed, type LoadMeter } from '@penstock/policy';
import { type AttemptKey, ENDPOINT_TABLE, isMeant, type WorkEnvelope } from '@penstock/protocol';
import type { Clock, Logger } from '@penstock/runtime';
import type { Delivery } from '@penstock/transport';
import type { Engine } from '../engine/engine.ts';
import { Attempt, type AttemptOutcome } from './attempt.ts';
import type { BodyLoader } from './body-loader.ts';
import type { Continuation } from './continuation.ts';
import type { StreamLimits } from './phase-limit.ts';

/** Takes the frames of an attempt. */
export interface AttemptSink {
  /** Called before the attempt starts. */
  attach(attempt: Attempt): void;
  /** Frames are ready; `urgent` ones should not wait for a tick. */
  ready(attempt: Attempt, urgent: boolean): void;
  /** The attempt was dropped: nothing more is sent. */
  release(attempt: Attempt): void;
}

/** Is told of what attempts go through. Must not throw. */
export interface AttemptObserver {
  begun(attempt: Attempt): void;
  firstToken(attempt: Attempt): void;
  /** See {@link AttemptHooks.ended}. */
  ended(attempt: Attempt, outcome: AttemptOutcome, detail: string, brief: string): void;
}

/** Makes the engine's part of an attempt part of its trace. */
export interface AttemptTracer extends AttemptObserver {
  /** The engine, as the attempt is to call it. */
  engineFor(attempt: Attempt, engine: Pick<Engine, 'run'>): Pick<Engine, 'run'>;
}

export interface RunningAttemptsOptions {
  readonly worker: string;
  readonly incarnation: string;
  readonly engine: Pick<Engine, 'run'>;
  /** Of a model, by its slug. */
  readonly limitsOf: (slug: string) => StreamLimits;
  readonly bodies: Pick<BodyLoader, 'load'>;
  readonly meter: Pick<LoadMeter, 'answered' | 'begin' | 'end' | 'firstToken'>;
  /** See {@link AttemptHooks.isModelLeaving}. @param model its name. */
  readonly isModelLeaving: (model: string) => boolean;
  readonly onFirstToken: () => void;
  readonly onEnded: (outcome: AttemptOutcome, attempt: Attempt) => void;
  readonly observers: readonly AttemptObserver[];
  /** Null where it is off. */
  readonly tracing: AttemptTracer | null;
  readonly clock: Clock;
  readonly log: Logger;
}

export class RunningAttempts {
  readonly #o: RunningAttemptsOptions;
  readonly #attempts = new Map<string, Attempt>();
  /** Of attempts that have ended. */
  #outputTokens = 0;
  /** Attempts at interactive requests so far. */
  #interactive = 0;
  readonly #observers: readonly AttemptObserver[];

  constructor(options: RunningAttemptsOptions) {
    const { observers, tracing } = options;
    this.#o = options;
    this.#observers = tracing === null ? observers : [...observers, tracing];
  }

  get size(): number {
    return this.#attempts.size;
  }

  /** Output tokens of all attempts so far. */
  get outputTokens(): number {
    let tokens = this.#outputTokens;
    for (const attempt of this.#attempts.values()) tokens += attempt.answerTokens;
    return tokens;
  }

  /** Attempts at interactive requests, that run and that were begun so far. */
  get interactive(): { readonly running: number; readonly begun: number } {
    let running = 0;
    for (const { address } of this.#attempts.values()) if (address.lane === 'interactive') running++;
    return { running, begun: this.#interactive };
  }

  /** A copy: attempts may end while it is gone through. */
  get all(): readonly Attempt[] {
    return [...this.#attempts.values()];
  }

  /** Whether an attempt at the request runs here. */
  has(id: string): boolean {
    return this.#attempts.has(id);
  }

  /** Starts an attempt; one at the same request that still runs here is superseded. */
  run(
    delivery: Delivery,
    work: WorkEnvelope,
    { number, nonce }: AttemptKey,
    continuation: Continuation | null,
    sink: AttemptSink,
  ): void {
    const { clock, engine, bodies, worker, incarnation, meter, tracing, limitsOf, isModelLeaving } = this.#o;
    this.#attempts.get(work.meta.id)?.drop();
    const attempt = new Attempt({
      work,
      ...{ number, nonce },
      ackSubject: delivery.ackSubject,
      address: delivery.address,
      incarnation,
      waitMs: Math.max(0, clock.now() - work.meta.acceptedAt),
      continuation,
      limits: limitsOf(work.meta.slug),
      clock,
      hooks: {
        ready: (source, urgent) => sink.ready(source, urgent),
        firstToken: source => this.#onFirstToken(source),
        ended: (source, ...ending) => this.#onEnded(source, sink, ...ending),
        isModelLeaving: source => isModelLeaving(source.work.meta.model),
      },
    });
    this.#attempts.set(attempt.id, attempt);
    if (attempt.address.lane === 'interactive') this.#interactive++;
    sink.attach(attempt);
    const { promptTokens, held, stream, endpoint } = work.meta;
    const silent = !stream && ENDPOINT_TABLE[endpoint].answer === 'choices';
    const request = { promptTokens, heldTokens: held[worker] ?? 0, kvTokens: kvTokensOf(work), silent };
    meter.begin(attempt.id, request, clock.monotonic());
    for (const observer of this.#observers) observer.begun(attempt);
    attempt.start(tracing?.engineFor(attempt, engine) ?? engine, bodies);
  }

  /** @param attempt see {@link isMeant}. */
  cancel(id: string, attempt: AttemptKey): void {
    const running = this.#attempts.get(id);
    if (running !== undefined && isMeant(running, attempt)) running.drop();
  }

  /** Ends every attempt so that another worker runs or continues its request. */
  handBack(): void {
    for (const attempt of this.all) attempt.handBack();
  }

  #onFirstToken(attempt: Attempt): void {
    if (!attempt.isWhole) this.#o.meter.firstToken(attempt.id, this.#o.clock.monotonic());
    for (const observer of this.#observers) observer.firstToken(attempt);
    this.#o.onFirstToken();
  }

  #onEnded(
    attempt: Attempt,
    sink: AttemptSink,
    outcome: AttemptOutcome,
    detail: string,
    brief: string,
  ): void {
    const { meter, log, onEnded } = this.#o;
    this.#outputTokens += attempt.answerTokens;
    if (this.#attempts.get(attempt.id) === attempt) {
      this.#attempts.delete(attempt.id);
      meter.end(attempt.id, kvTokensOf(attempt.work));
    }
    if (outcome === 'done') meter.answered(attempt.answerTokens);
    if (outcome === 'dropped') sink.release(attempt);
    const about = { id: attempt.id, attempt: attempt.number, detail: brief };
    if (outcome === 'failed') log.warn(about, 'attempt failed');
    if (outcome === 'not_loaded') log.error(about, 'ALARM: the body of a request could not be read');
    if (outcome === 'misconfigured')
      log.error(
        about,
        'ALARM: the engine does not accept this worker: check PENSTOCK_ENGINE_API_KEY (status 401, 403) or PENSTOCK_ENGINE_URL (others)',
      );
    for (const observer of this.#observers) observer.ended(attempt, outcome, detail, brief);
    onEnded(outcome, attempt);
  }
}

/** KV memory that a request is likely to need, tokens. */
function kvTokensOf({ meta }: WorkEnvelope): number {
  return kvNeed(meta.promptTokens, meta.maxTokens);
}
