/** What a run counts and measures: metrics, their submetrics by tag, and where each sample goes. */
import { Distribution } from './distribution.ts';

export type MetricType = 'counter' | 'gauge' | 'rate' | 'trend';
export type Contains = 'default' | 'time' | 'data';
export type Tags = Readonly<Record<string, string>>;

export interface Sink {
  add(value: number): void;
  /** Samples seen. */
  readonly count: number;
}

export class CounterSink implements Sink {
  count = 0;
  total = 0;
  add(value: number): void {
    this.count++;
    this.total += value;
  }
}

export class GaugeSink implements Sink {
  count = 0;
  value = 0;
  min = 0;
  max = 0;
  add(value: number): void {
    this.min = this.count === 0 ? value : Math.min(this.min, value);
    this.max = this.count === 0 ? value : Math.max(this.max, value);
    this.value = value;
    this.count++;
  }
}

export class RateSink implements Sink {
  count = 0;
  passes = 0;
  add(value: number): void {
    this.count++;
    if (value !== 0) this.passes++;
  }
}

export type AnySink = CounterSink | GaugeSink | RateSink | Distribution;

/** The part of a metric whose samples carry all of these tags. */
export interface Submetric {
  /** As it was written: `llm_ttft{lane:interactive}`. */
  readonly name: string;
  readonly tags: Tags;
  readonly sink: AnySink;
}

export class Metric {
  readonly name: string;
  readonly type: MetricType;
  readonly contains: Contains;
  readonly sink: AnySink;
  readonly submetrics: Submetric[] = [];

  constructor(name: string, type: MetricType, contains: Contains) {
    this.name = name;
    this.type = type;
    this.contains = contains;
    this.sink = newSink(type);
  }

  /** The submetric of these tags; made when there is none. */
  submetric(name: string, tags: Tags): Submetric {
    const known = this.submetrics.find(submetric => submetric.name === name);
    if (known !== undefined) return known;
    const submetric = { name, tags, sink: newSink(this.type) };
    this.submetrics.push(submetric);
    return submetric;
  }
}

function newSink(type: MetricType): AnySink {
  if (type === 'counter') return new CounterSink();
  if (type === 'gauge') return new GaugeSink();
  return type === 'rate' ? new RateSink() : new Distribution();
}

/** Gets every sample, in the order they come. */
export interface SampleOutput {
  sample(metric: Metric, value: number, tags: Tags, at: number): void;
}

const NAME = /^[a-zA-Z_][a-zA-Z0-9_]{0,127}$/;

export class MetricRegistry {
  readonly #metrics = new Map<string, Metric>();
  #output: SampleOutput | null = null;
  readonly #now: () => number;

  /** @param now Unix ms, for the outputs. */
  constructor(now: () => number) {
    this.#now = now;
  }

  setOutput(output: SampleOutput): void {
    this.#output = output;
  }

  /** @throws when the name is taken by a metric of another type, or is no name. */
  register(name: string, type: MetricType, contains: Contains = 'default'): Metric {
    const known = this.#metrics.get(name);
    if (known !== undefined) {
      if (known.type === type && known.contains === contains) return known;
      throw new Error(`metric '${name}' already exists as a ${known.contains} ${known.type}`);
    }
    if (!NAME.test(name)) throw new Error(`'${name}' is no metric name: letters, digits and _ up to 128`);
    const metric = new Metric(name, type, contains);
    this.#metrics.set(name, metric);
    return metric;
  }

  get(name: string): Metric | undefined {
    return this.#metrics.get(name);
  }

  all(): IterableIterator<Metric> {
    return this.#metrics.values();
  }

  emit(metric: Metric, value: number, tags: Tags): void {
    metric.sink.add(value);
    for (const submetric of metric.submetrics) {
      if (hasTags(tags, submetric.tags)) submetric.sink.add(value);
    }
    this.#output?.sample(metric, value, tags, this.#now());
  }
}

function hasTags(tags: Tags, wanted: Tags): boolean {
  for (const name in wanted) if (tags[name] !== wanted[name]) return false;
  return true;
}

export interface BuiltIn {
  readonly httpReqs: Metric;
  readonly httpDuration: Metric;
  readonly httpBlocked: Metric;
  readonly httpConnecting: Metric;
  readonly httpTls: Metric;
  readonly httpSending: Metric;
  readonly httpWaiting: Metric;
  readonly httpReceiving: Metric;
  readonly httpFailed: Metric;
  readonly iterations: Metric;
  readonly iterationDuration: Metric;
  readonly droppedIterations: Metric;
  readonly vus: Metric;
  readonly vusMax: Metric;
  readonly dataSent: Metric;
  readonly dataReceived: Metric;
  readonly checks: Metric;
  readonly groupDuration: Metric;
  /** The rest is beyond k6. */
  readonly httpFromSchedule: Metric;
  readonly iterationFromSchedule: Metric;
  readonly lateStart: Metric;
  readonly interrupted: Metric;
  readonly ttft: Metric;
  readonly ttftFromSchedule: Metric;
  readonly itl: Metric;
}

/** The names are k6's; those beyond k6 are described in the runner's README. */
export function registerBuiltIn(registry: MetricRegistry): BuiltIn {
  const time = (name: string) => registry.register(name, 'trend', 'time');
  const counter = (name: string, contains: Contains = 'default') =>
    registry.register(name, 'counter', contains);
  return {
    httpReqs: counter('http_reqs'),
    httpDuration: time('http_req_duration'),
    httpBlocked: time('http_req_blocked'),
    httpConnecting: time('http_req_connecting'),
    httpTls: time('http_req_tls_handshaking'),
    httpSending: time('http_req_sending'),
    httpWaiting: time('http_req_waiting'),
    httpReceiving: time('http_req_receiving'),
    httpFailed: registry.register('http_req_failed', 'rate'),
    iterations: counter('iterations'),
    iterationDuration: time('iteration_duration'),
    droppedIterations: counter('dropped_iterations'),
    vus: registry.register('vus', 'gauge'),
    vusMax: registry.register('vus_max', 'gauge'),
    dataSent: counter('data_sent', 'data'),
    dataReceived: counter('data_received', 'data'),
    checks: registry.register('checks', 'rate'),
    groupDuration: time('group_duration'),
    httpFromSchedule: time('http_req_duration_from_schedule'),
    iterationFromSchedule: time('iteration_duration_from_schedule'),
    lateStart: time('iteration_late_start'),
    interrupted: counter('iterations_interrupted'),
    ttft: time('llm_first_token'),
    ttftFromSchedule: time('llm_first_token_from_schedule'),
    itl: time('llm_itl'),
  };
}
