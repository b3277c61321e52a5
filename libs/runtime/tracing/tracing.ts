/** Tracing by OpenTelemetry's SDK, which is loaded only where it is on. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Attributes, Context, Span, SpanContext, Tracer } from '@opentelemetry/api';
import type { Sampler, SpanExporter } from '@opentelemetry/sdk-trace';
import { ConfigError, EXIT_CONFIG } from '../read-config.ts';
import {
  type LiveSpan,
  type SpanAttributes,
  type SpanRole,
  type SpanStart,
  type TraceContext,
  type Tracing,
  unixMs,
} from './spans.ts';
import { readTracingSettings, type TracingSettings } from './tracing-settings.ts';

type Api = typeof import('@opentelemetry/api');
type Sdk = typeof import('@opentelemetry/sdk-trace');

/** The process whose spans they are. */
export interface TracedProcess {
  /** `ingress`, `worker`, `tasks`. */
  readonly service: string;
  /** Name of the process. */
  readonly instance: string;
  readonly version: string;
  readonly region: string;
  /** Told at most once a minute that spans could not be sent: the SDK itself is silent. */
  readonly trouble?: (message: string) => void;
}

const SCOPE = 'penstock';
/** How long a process that ends waits for a collector that may be away. */
const STOP_MS = 1500;
const TELL_EVERY_MS = 60_000;
/** Longer values are cut: no name and no message of ours is. */
const MOST_VALUE = 1000;
const PARENT = /^[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})/;

/** Null where tracing is off. @throws ConfigError */
export async function startTracing(
  about: TracedProcess,
  env: Readonly<Record<string, string | undefined>> = process.env,
): Promise<Tracing | null> {
  const settings = readTracingSettings(env);
  return settings === null ? null : loadTracing(about, settings);
}

/** As {@link startTracing}; ends the process with every problem on stderr. */
export async function startTracingOrExit(about: TracedProcess): Promise<Tracing | null> {
  try {
    return await startTracing(about);
  } catch (err) {
    if (!(err instanceof ConfigError)) throw err;
    for (const problem of err.problems) process.stderr.write(`configuration: ${problem}\n`);
    process.exit(EXIT_CONFIG);
  }
}

async function loadTracing(about: TracedProcess, settings: TracingSettings): Promise<Tracing> {
  const [api, sdk, { resourceFromAttributes }] = await Promise.all([
    import('@opentelemetry/api'),
    import('@opentelemetry/sdk-trace'),
    import('@opentelemetry/resources'),
  ]);
  const { OTLPTraceExporter } =
    settings.protocol === 'http/json'
      ? await import('@opentelemetry/exporter-trace-otlp-http')
      : await import('@opentelemetry/exporter-trace-otlp-proto');
  const provider = new sdk.TracerProvider({
    resource: resourceFromAttributes({
      'service.name': settings.serviceName ?? `penstock-${about.service}`,
      'service.namespace': 'penstock',
      'service.instance.id': about.instance,
      'service.version': about.version,
      'penstock.region': about.region,
      ...settings.resource,
    }),
    sampler: samplerOf(sdk, settings),
    spanLimits: { attributeValueLengthLimit: MOST_VALUE },
    spanProcessors: [
      new sdk.BatchSpanProcessor({
        ...settings.batch,
        exporter: telling(new OTLPTraceExporter({ url: settings.url }), about.trouble),
      }),
    ],
  });
  const tracer = provider.getTracer(SCOPE, about.version);
  const obeysParents = settings.sampler.startsWith('parentbased_');
  return new SdkTracing({ api, tracer, obeysParents, stop: () => provider.shutdown() });
}

/** The exporter, saying when it fails. */
function telling(exporter: SpanExporter, trouble: (message: string) => void = () => {}): SpanExporter {
  let toldAt = Number.NEGATIVE_INFINITY;
  const tell = (error: Error | undefined) => {
    const now = performance.now();
    if (now - toldAt < TELL_EVERY_MS) return;
    toldAt = now;
    trouble(error?.message || 'the collector refused them');
  };
  return {
    export: (spans, done) =>
      exporter.export(spans, result => {
        if (result.code !== 0) tell(result.error);
        done(result);
      }),
    shutdown: () => exporter.shutdown(),
  };
}

function samplerOf(sdk: Sdk, { sampler, ratio }: TracingSettings): Sampler {
  const root = () => {
    if (sampler.endsWith('always_on')) return new sdk.AlwaysOnSampler();
    if (sampler.endsWith('always_off')) return new sdk.AlwaysOffSampler();
    return new sdk.TraceIdRatioBasedSampler(ratio);
  };
  return sampler.startsWith('parentbased_') ? new sdk.ParentBasedSampler({ root: root() }) : root();
}

interface SdkTracingOptions {
  readonly api: Api;
  readonly tracer: Tracer;
  /** Whether what is part of an unsampled trace is never sampled. */
  readonly obeysParents: boolean;
  readonly stop: () => Promise<void>;
}

class SdkTracing implements Tracing {
  readonly #api: Api;
  readonly #tracer: Tracer;
  readonly #obeysParents: boolean;
  readonly #stop: () => Promise<void>;

  constructor({ api, tracer, obeysParents, stop }: SdkTracingOptions) {
    this.#api = api;
    this.#tracer = tracer;
    this.#obeysParents = obeysParents;
    this.#stop = stop;
  }

  begin(start: SpanStart, parent: TraceContext = {}): LiveSpan {
    const { ROOT_CONTEXT, trace } = this.#api;
    const remote = spanContextOf(parent.traceparent);
    if (remote === null) return this.#open(start, ROOT_CONTEXT, undefined);
    if (this.#obeysParents && remote.traceFlags === 0) return new PassedOn(remote, parent);
    return this.#open(start, trace.setSpanContext(ROOT_CONTEXT, remote), parent.tracestate);
  }

  #open(start: SpanStart, context: Context, tracestate: string | undefined): LiveSpan {
    const { name, role, at, attributes } = start;
    const span = this.#tracer.startSpan(
      name,
      {
        kind: kindOf(this.#api, role),
        startTime: timeOf(at),
        ...(attributes === undefined ? {} : { attributes: attributes as Attributes }),
      },
      context,
    );
    const child = (next: SpanStart) =>
      this.#open(next, this.#api.trace.setSpan(this.#api.ROOT_CONTEXT, span), tracestate);
    return new SdkSpan(span, tracestate, child, this.#api.SpanStatusCode.ERROR);
  }

  async stop(limitMs = STOP_MS): Promise<void> {
    const late = sleep(limitMs, undefined, { ref: false });
    await Promise.race([this.#stop().catch(() => {}), late]);
  }
}

class SdkSpan implements LiveSpan {
  readonly #span: Span;
  readonly #tracestate: string | undefined;
  readonly #child: (start: SpanStart) => LiveSpan;
  readonly #error: number;
  readonly isSampled: boolean;

  constructor(
    span: Span,
    tracestate: string | undefined,
    child: (start: SpanStart) => LiveSpan,
    error: number,
  ) {
    this.#span = span;
    this.#tracestate = tracestate;
    this.#child = child;
    this.#error = error;
    this.isSampled = span.isRecording();
  }

  get traceId(): string {
    return this.#span.spanContext().traceId;
  }

  get context() {
    const { traceId, spanId } = this.#span.spanContext();
    const traceparent = `00-${traceId}-${spanId}-${this.isSampled ? '01' : '00'}`;
    return this.#tracestate === undefined ? { traceparent } : { traceparent, tracestate: this.#tracestate };
  }

  /** Parts of what is not sampled are not either, and have nothing to tell. */
  child(start: SpanStart): LiveSpan {
    return this.isSampled ? this.#child(start) : this;
  }

  set(attributes: SpanAttributes): void {
    if (this.isSampled) this.#span.setAttributes(attributes as Attributes);
  }

  event(name: string, attributes: SpanAttributes = {}): void {
    if (this.isSampled) this.#span.addEvent(name, attributes as Attributes, timeOf());
  }

  fail(type: string, message?: string): void {
    if (!this.isSampled) return;
    this.#span.setAttributes({ 'error.type': type });
    this.#span.setStatus({ code: this.#error, ...(message === undefined ? {} : { message }) });
  }

  end(at?: number): void {
    if (this.isSampled && this.#span.isRecording()) this.#span.end(timeOf(at));
  }
}

/** Part of a trace that is not sampled: it is only passed on. */
class PassedOn implements LiveSpan {
  readonly isSampled = false;
  readonly traceId: string;
  readonly context: LiveSpan['context'];

  constructor({ traceId }: SpanContext, { traceparent = '', tracestate }: TraceContext) {
    this.traceId = traceId;
    this.context = tracestate === undefined ? { traceparent } : { traceparent, tracestate };
  }

  child(): LiveSpan {
    return this;
  }
  set(): void {}
  event(): void {}
  fail(): void {}
  end(): void {}
}

/** The SDK would take a number from before this process began, by its own wall clock, for something else. @param at Unix ms; absent: now. */
function timeOf(at = unixMs()): [seconds: number, nanoseconds: number] {
  return [Math.floor(at / 1000), Math.floor((at % 1000) * 1e6)];
}

function kindOf({ SpanKind }: Api, role: SpanRole | undefined): number {
  const kinds = { server: 'SERVER', client: 'CLIENT', producer: 'PRODUCER', consumer: 'CONSUMER' } as const;
  return role === undefined ? SpanKind.INTERNAL : SpanKind[kinds[role]];
}

/** Null where the header is none, or not well-formed. */
function spanContextOf(traceparent: string | undefined): SpanContext | null {
  const [, traceId, spanId, flags] = PARENT.exec(traceparent ?? '') ?? [];
  if (traceId === undefined || spanId === undefined || flags === undefined) return null;
  if (/^0+$/.test(traceId) || /^0+$/.test(spanId)) return null;
  return { traceId, spanId, traceFlags: Number.parseInt(flags, 16) & 1, isRemote: true };
}
