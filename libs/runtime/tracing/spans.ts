/** What services know of tracing. Nothing of the SDK is loaded for it: where tracing is off there is no {@link Tracing} at all. */
import type { Endpoint } from '@penstock/protocol';
import { regionClock } from '../time/clock.ts';

/** The trace that something is part of, as headers carry it (W3C Trace Context). */
export interface TraceContext {
  readonly traceparent?: string | undefined;
  readonly tracestate?: string | undefined;
}

/** As OpenTelemetry names them. Absent: internal. */
export type SpanRole = 'server' | 'client' | 'producer' | 'consumer';

/** Undefined is left out. */
export type SpanAttributes = Readonly<Record<string, string | number | boolean | undefined>>;

export interface SpanStart {
  readonly name: string;
  readonly role?: SpanRole;
  /** Unix ms; absent: now. */
  readonly at?: number;
  readonly attributes?: SpanAttributes;
}

/** A span that has begun. One that is not sampled takes all of this and costs next to nothing. */
export interface LiveSpan {
  readonly isSampled: boolean;
  readonly traceId: string;
  /** What is done for this span elsewhere is part of it under this context. */
  readonly context: { readonly traceparent: string; readonly tracestate?: string | undefined };
  child(start: SpanStart): LiveSpan;
  set(attributes: SpanAttributes): void;
  event(name: string, attributes?: SpanAttributes): void;
  /** @param type of a closed set. @param message for people; no part of a prompt. */
  fail(type: string, message?: string): void;
  /** @param at Unix ms; absent: now. */
  end(at?: number): void;
}

export interface Tracing {
  /** Begins a trace, or a part of the one that the context names. Whether it is sampled follows from the context, or from the sampler. */
  begin(start: SpanStart, parent?: TraceContext): LiveSpan;
  /** Sends what has ended; gives up after a while. */
  stop(limitMs?: number): Promise<void>;
}

/** Now, by the clock of the region, Unix ms with its fraction: waits of less than a millisecond are spans too. */
export function unixMs(): number {
  return regionClock.exact();
}

/** Names of OpenTelemetry's GenAI conventions for what an engine is asked; of others, our own. */
const OPERATIONS: Partial<Record<Endpoint, string>> = {
  chat: 'chat',
  messages: 'chat',
  completions: 'text_completion',
  embeddings: 'embeddings',
};

/** What describes a request in every span about it (OpenTelemetry's GenAI conventions). Nothing that a client wrote but the model's name. */
export function requestAttributes(request: {
  readonly id: string;
  readonly endpoint: Endpoint;
  readonly model: string;
  readonly stream: boolean;
  readonly maxTokens: number | null;
}): SpanAttributes {
  return {
    'gen_ai.operation.name': operationOf(request.endpoint),
    'gen_ai.provider.name': 'penstock',
    'gen_ai.request.model': request.model,
    'gen_ai.request.stream': request.stream,
    'gen_ai.request.max_tokens': request.maxTokens ?? undefined,
    'penstock.request.id': request.id,
  };
}

/** Name of the span of a request. */
export function requestSpanName(endpoint: Endpoint, model: string): string {
  return `${operationOf(endpoint)} ${model}`;
}

function operationOf(endpoint: Endpoint): string {
  return OPERATIONS[endpoint] ?? endpoint;
}
