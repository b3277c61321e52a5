/**
 * Tracing is set by OpenTelemetry's own variables, so that an operator sets it once for all services. It is on where a collector is
 * named. Those of the exporter itself (headers, certificates, compression, time-out) are read by the exporter.
 */
import { ConfigError } from '../read-config.ts';

export const SAMPLERS = [
  'always_on',
  'always_off',
  'traceidratio',
  'parentbased_always_on',
  'parentbased_always_off',
  'parentbased_traceidratio',
] as const;
export const PROTOCOLS = ['http/protobuf', 'http/json'] as const;

export interface TracingSettings {
  /** Where spans are sent. */
  readonly url: string;
  readonly protocol: (typeof PROTOCOLS)[number];
  readonly sampler: (typeof SAMPLERS)[number];
  /** Share of traces that are sampled by the samplers that take one, 0–1. */
  readonly ratio: number;
  readonly serviceName: string | undefined;
  readonly resource: Readonly<Record<string, string>>;
  readonly batch: {
    readonly scheduledDelayMillis: number;
    readonly exportTimeoutMillis: number;
    readonly maxQueueSize: number;
    readonly maxExportBatchSize: number;
  };
}

type Env = Readonly<Record<string, string | undefined>>;

/** Null where tracing is off. @throws ConfigError with one line per problem. */
export function readTracingSettings(env: Env): TracingSettings | null {
  const problems: string[] = [];
  const given = (name: string) => env[name]?.trim() || undefined;
  const oneOf = <T extends string>(names: readonly string[], known: readonly T[], fallback: T): T => {
    const name = names.find(each => given(each) !== undefined);
    const value = name === undefined ? fallback : given(name);
    const found = known.find(each => each === value);
    if (found === undefined) problems.push(`${name}: use ${known.join(', ')}`);
    return found ?? fallback;
  };
  const number = (name: string, fallback: number, most: number) => {
    const text = given(name);
    const value = text === undefined ? fallback : Number(text);
    if (value >= 0 && value <= most) return value;
    problems.push(`${name}: use a number from 0 to ${most}`);
    return fallback;
  };
  if (given('OTEL_SDK_DISABLED')?.toLowerCase() === 'true') return null;
  const isNamed = ['OTEL_EXPORTER_OTLP_ENDPOINT', 'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT'].some(given);
  const exporter = oneOf(['OTEL_TRACES_EXPORTER'], ['otlp', 'none'], isNamed ? 'otlp' : 'none');
  const settings: TracingSettings = {
    url:
      given('OTEL_EXPORTER_OTLP_TRACES_ENDPOINT') ??
      `${(given('OTEL_EXPORTER_OTLP_ENDPOINT') ?? 'http://localhost:4318').replace(/\/+$/, '')}/v1/traces`,
    protocol: oneOf(
      ['OTEL_EXPORTER_OTLP_TRACES_PROTOCOL', 'OTEL_EXPORTER_OTLP_PROTOCOL'],
      PROTOCOLS,
      'http/protobuf',
    ),
    sampler: oneOf(['OTEL_TRACES_SAMPLER'], SAMPLERS, 'parentbased_always_on'),
    ratio: number('OTEL_TRACES_SAMPLER_ARG', 1, 1),
    serviceName: given('OTEL_SERVICE_NAME'),
    resource: readResource(given('OTEL_RESOURCE_ATTRIBUTES') ?? '', problems),
    batch: {
      scheduledDelayMillis: number('OTEL_BSP_SCHEDULE_DELAY', 5000, 3_600_000),
      exportTimeoutMillis: number('OTEL_BSP_EXPORT_TIMEOUT', 30_000, 3_600_000),
      maxQueueSize: number('OTEL_BSP_MAX_QUEUE_SIZE', 2048, 1_000_000),
      maxExportBatchSize: number('OTEL_BSP_MAX_EXPORT_BATCH_SIZE', 512, 1_000_000),
    },
  };
  if (exporter === 'none') return null;
  if (!/^https?:/.test(settings.url) || !URL.canParse(settings.url))
    problems.push('OTEL_EXPORTER_OTLP_ENDPOINT: give the collector as http(s)://host:port');
  if (problems.length > 0) throw new ConfigError(problems);
  return settings;
}

/** `key=value,…`, the values percent-encoded. */
function readResource(text: string, problems: string[]): Record<string, string> {
  const pairs: [string, string][] = [];
  for (const part of text.split(',').filter(each => each.trim() !== '')) {
    const at = part.indexOf('=');
    try {
      if (at < 1) throw new URIError();
      pairs.push([part.slice(0, at).trim(), decodeURIComponent(part.slice(at + 1).trim())]);
    } catch {
      problems.push('OTEL_RESOURCE_ATTRIBUTES: use key=value, comma-separated, with percent-encoded values');
      break;
    }
  }
  return Object.fromEntries(pairs);
}
