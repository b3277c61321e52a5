/**
 * The spans of attempts: the wait in the queue, the attempt, the call of the engine, and within it the time to the first token (prefill)
 * and from there to the last one (decode). The engine's call carries the trace, so that the engine's own spans join it.
 */
import { type LiveSpan, requestAttributes, requestSpanName, type Tracing, unixMs } from '@penstock/runtime';
import type { Engine } from '../engine/engine.ts';
import type { Attempt, AttemptOutcome } from './attempt.ts';
import type { AttemptTracer } from './running-attempts.ts';

interface Traced {
  readonly span: LiveSpan;
  /** Null until the engine is called. */
  engine: LiveSpan | null;
  /** Unix ms. */
  calledAt: number;
  firstTokenAt: number | null;
}

export interface AttemptTracingOptions {
  readonly tracing: Tracing;
  readonly worker: string;
  readonly engineUrl: string;
}

/** Outcomes that are no failure of ours. */
const WELL: ReadonlySet<AttemptOutcome> = new Set(['done', 'client_error', 'dropped']);

export class AttemptTracing implements AttemptTracer {
  readonly #o: AttemptTracingOptions;
  readonly #host: { readonly 'server.address': string; readonly 'server.port': number };
  readonly #traced = new WeakMap<Attempt, Traced>();

  constructor(options: AttemptTracingOptions) {
    this.#o = options;
    const { hostname, port, protocol } = new URL(options.engineUrl);
    this.#host = {
      'server.address': hostname,
      'server.port': Number(port) || (protocol === 'https:' ? 443 : 80),
    };
  }

  begun(attempt: Attempt): void {
    const { tracing, worker } = this.#o;
    const { meta } = attempt.work;
    const takenAt = unixMs();
    const { region, slug, lane } = attempt.address;
    const destination = `work.${region}.${slug}.${lane}`;
    const span = tracing.begin({ name: `process ${destination}`, role: 'consumer', at: takenAt }, meta.names);
    this.#traced.set(attempt, { span, engine: null, calledAt: takenAt, firstTokenAt: null });
    if (!span.isSampled) return;
    span.set({
      ...{
        'messaging.system': 'nats',
        'messaging.operation.name': 'process',
        'messaging.operation.type': 'process',
      },
      ...{ 'messaging.destination.template': destination, 'messaging.message.id': meta.id },
      ...{ 'penstock.request.id': meta.id, 'penstock.worker': worker, 'penstock.attempt': attempt.number },
      ...{ 'penstock.stored': meta.stored, 'penstock.bound': attempt.address.worker !== null },
    });
    // What was begun before waits for its next attempt, not for its first.
    if (attempt.number - meta.attemptBase !== 1) return;
    tracing.begin({ name: 'wait in queue', at: Math.min(meta.acceptedAt, takenAt) }, meta.names).end(takenAt);
  }

  engineFor(attempt: Attempt, engine: Pick<Engine, 'run'>): Pick<Engine, 'run'> {
    const traced = this.#traced.get(attempt);
    if (traced === undefined) return engine;
    return {
      run: (endpoint, body, handlers, headers) => {
        const { meta } = attempt.work;
        traced.calledAt = unixMs();
        traced.engine = traced.span.child({
          ...{ name: requestSpanName(endpoint, meta.model), role: 'client', at: traced.calledAt },
          attributes: { ...requestAttributes(meta), ...this.#host },
        });
        const { traceparent, tracestate } = traced.engine.context;
        const own = tracestate === undefined ? { traceparent } : { traceparent, tracestate };
        return engine.run(endpoint, body, handlers, { ...headers, ...own });
      },
    };
  }

  firstToken(attempt: Attempt): void {
    const traced = this.#traced.get(attempt);
    if (traced?.engine == null || !traced.span.isSampled) return;
    const at = unixMs();
    traced.firstTokenAt = at;
    traced.engine.set({ 'gen_ai.response.time_to_first_chunk': (at - traced.calledAt) / 1000 });
    traced.engine.child({ name: 'prefill', at: traced.calledAt }).end(at);
  }

  ended(attempt: Attempt, outcome: AttemptOutcome, _detail: string, brief: string): void {
    const traced = this.#traced.get(attempt);
    if (traced === undefined || !traced.span.isSampled) return;
    const { span, engine, firstTokenAt } = traced;
    const at = unixMs();
    if (engine !== null) {
      if (firstTokenAt !== null && attempt.work.meta.stream)
        engine.child({ name: 'decode', at: firstTokenAt }).end(at);
      engine.set({ 'gen_ai.usage.output_tokens': attempt.answerTokens || undefined });
      if (!WELL.has(outcome)) engine.fail(outcome, brief);
      engine.end(at);
    }
    span.set({ 'penstock.outcome': outcome });
    if (!WELL.has(outcome)) span.fail(outcome, brief);
    span.end(at);
  }
}
