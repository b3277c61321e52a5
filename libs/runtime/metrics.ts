/**
 * Prometheus metrics, one set for each process; names follow `penstock_<what>_<unit>`. What vLLM measures too has its name and its
 * buckets, so that panels of both can be laid over one another. docs/metrics.md lists them all; a test compares.
 */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

export { Counter, Gauge, Histogram, Registry };

/** Of first tokens and of waits for one, seconds: vLLM's. */
export const FIRST_TOKEN_BUCKETS_S: readonly number[] = [
  ...[0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10],
  ...[20, 40, 80, 160, 640, 2560],
];
/** Of the time per output token, seconds: vLLM's. */
export const TOKEN_BUCKETS_S: readonly number[] = [
  ...[0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80],
];
/** Of whole requests, seconds: vLLM's. */
export const REQUEST_BUCKETS_S: readonly number[] = [
  ...[0.3, 0.5, 0.8, 1, 1.5, 2, 2.5, 5, 10, 15, 20, 30, 40, 50, 60, 120, 240, 480, 960, 1920, 7680],
];

export type Labels = Readonly<Record<string, string>>;
/** Values of a gauge with labels, as they are now. */
export type Series = Iterable<readonly [Labels, number]>;

/** A histogram whose buckets name a trace that fell into them. */
export interface TracedHistogram<T extends string> extends Pick<Histogram<T>, 'get'> {
  /** @param traceId absent where nobody will find it. */
  observe(labels: Readonly<Record<T, string>>, value: number, traceId?: string | null): void;
}

/** What a scrape is answered with. */
export interface Exposition {
  readonly type: string;
  readonly text: string;
}

const OPEN_METRICS = /\bapplication\/openmetrics-text\b/;

/** The metrics of one process. Gauges are read when somebody asks; what is null then is left out. */
export class MetricSet {
  readonly registry = new Registry();
  /** The same metrics with the traces that histograms name: only this format has a place for them. Null where none does. */
  #traced: Registry | null = null;
  /** Scrapes one after another: the library renames counters while it writes OpenMetrics. */
  #turn: Promise<unknown> = Promise.resolve();

  /** @param about service and version, for `penstock_build_info`. */
  constructor(about: { readonly service: string; readonly version: string }) {
    collectDefaultMetrics({ register: this.registry });
    const { service, version } = about;
    this.gauges('penstock_build_info', 'Always 1.', ['service', 'version'], () => [
      [{ service, version }, 1],
    ]);
  }

  counter<T extends string = never>(name: string, help: string, ...labelNames: T[]): Counter<T> {
    return new Counter<T>({ name, help, labelNames, registers: [this.registry] });
  }

  histogram<T extends string = never>(
    name: string,
    help: string,
    buckets: readonly number[],
    ...labelNames: T[]
  ): Histogram<T> {
    return new Histogram<T>({ name, help, labelNames, buckets: [...buckets], registers: [this.registry] });
  }

  /** To be used where traces are recorded: what it costs else buys nothing. */
  tracedHistogram<T extends string>(
    name: string,
    help: string,
    buckets: readonly number[],
    ...labelNames: T[]
  ): TracedHistogram<T> {
    this.#traced ??= openMetricsRegistry();
    const histogram = new Histogram<string>({
      ...{ name, help, labelNames, buckets: [...buckets], enableExemplars: true },
      registers: [this.#traced],
    });
    this.registry.registerMetric(histogram);
    return {
      get: () => histogram.get(),
      observe: (labels, value, traceId = null) =>
        histogram.observe({
          ...{ labels, value },
          ...(traceId === null ? {} : { exemplarLabels: { trace_id: traceId } }),
        } as never),
    };
  }

  /** @param accept the header of the scrape. */
  exposition(accept: string | undefined): Promise<Exposition> {
    const traced = OPEN_METRICS.test(accept ?? '') ? this.#traced : null;
    const answer = this.#turn.then(() => (traced === null ? this.#plain() : this.#open(traced)));
    this.#turn = answer.catch(() => {});
    return answer;
  }

  async #plain(): Promise<Exposition> {
    return { type: this.registry.contentType, text: await this.registry.metrics() };
  }

  async #open(traced: Registry): Promise<Exposition> {
    const metrics = this.registry.getMetricsAsArray() as unknown as { name: string }[];
    const names = metrics.map(({ name }) => name);
    for (const metric of metrics) traced.registerMetric(metric as never);
    try {
      return { type: traced.contentType, text: await traced.metrics() };
    } finally {
      for (const [i, metric] of metrics.entries()) metric.name = names[i] ?? metric.name;
    }
  }

  gauge(name: string, help: string, read: () => number | null): void {
    this.gauges(name, help, [], () => {
      const value = read();
      return value === null ? [] : [[{}, value]];
    });
  }

  /** A counter that is kept elsewhere, where counting must cost next to nothing. It only rises. */
  counterOf(name: string, help: string, labelNames: readonly string[], read: () => Series): void {
    new Counter<string>({
      ...{ name, help, labelNames: [...labelNames], registers: [this.registry] },
      collect() {
        this.reset();
        for (const [labels, value] of read()) this.inc({ ...labels }, value);
      },
    });
  }

  gauges(name: string, help: string, labelNames: readonly string[], read: () => Series): void {
    new Gauge<string>({
      ...{ name, help, labelNames: [...labelNames], registers: [this.registry] },
      collect() {
        this.reset();
        // Without labels it would now be 0.
        if (labelNames.length === 0) this.remove();
        for (const [labels, value] of read()) this.set({ ...labels }, value);
      },
    });
  }
}

/** Histograms that name traces can be made for no other. */
function openMetricsRegistry(): Registry {
  const registry = new Registry();
  registry.setContentType(Registry.OPENMETRICS_CONTENT_TYPE as never);
  return registry;
}

/** The label of what is beyond the bound. */
export const OTHER = 'other';

/** Keeps the values of a label few: adapters come and go, and a series stays until its process ends. */
export class BoundedLabel {
  readonly #most: number;
  readonly #known = new Set<string>();

  constructor(most = 200) {
    this.#most = most;
  }

  of(value: string): string {
    if (this.#known.has(value)) return value;
    if (this.#known.size >= this.#most) return OTHER;
    this.#known.add(value);
    return value;
  }
}
