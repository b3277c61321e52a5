/** Thresholds: `metric{tag:value}` → `p(95) < 500`. Parsed before the run, judged during and after it. */

import type { Distribution } from '../metrics/distribution.ts';
import {
  type AnySink,
  CounterSink,
  GaugeSink,
  type MetricRegistry,
  type MetricType,
  RateSink,
  type Tags,
} from '../metrics/metrics.ts';
import { EXIT, RunFailure } from '../outcome/failure.ts';
import { parseDuration } from './duration.ts';

export type Aggregation =
  | { readonly kind: 'avg' | 'min' | 'max' | 'med' | 'count' | 'rate' | 'value' }
  | { readonly kind: 'percentile'; readonly percent: number };

export interface Expression {
  readonly aggregation: Aggregation;
  readonly operator: '<' | '<=' | '>' | '>=' | '==' | '!=';
  readonly limit: number;
}

export interface ThresholdSpec {
  /** Metric or `metric{tag:value}`. */
  readonly selector: string;
  /** As it was written. */
  readonly source: string;
  readonly abortOnFail: boolean;
  readonly delayAbortEvalMs: number;
}

export interface Threshold extends ThresholdSpec {
  readonly expression: Expression;
  readonly sink: AnySink;
}

export interface Verdict {
  readonly ok: boolean;
  readonly value: number;
  /** Nothing was measured, and the table says so. As in k6 a share passes then, and anything else is judged as 0. */
  readonly empty: boolean;
}

const EXPRESSION =
  /^\s*(avg|min|max|med|count|rate|value|p\(\s*([\d.]+)\s*\))\s*(<=|>=|===|==|!=|<|>)\s*(\S+)\s*$/;
const ALLOWED: Readonly<Record<MetricType, readonly Aggregation['kind'][]>> = {
  counter: ['count', 'rate'],
  gauge: ['value'],
  rate: ['rate'],
  trend: ['avg', 'min', 'max', 'med', 'percentile'],
};

/** @throws when it is no expression; the message says what one looks like. */
export function parseExpression(source: string): Expression {
  const match = EXPRESSION.exec(source);
  const limit = Number(match?.[4]);
  const percent = Number(match?.[2] ?? 0);
  if (match === null || !Number.isFinite(limit) || !(percent >= 0 && percent <= 100)) {
    throw new Error(`'${source}' is no threshold; write for example 'p(95)<500', 'rate<0.01' or 'count==0'`);
  }
  const operator = (match[3] === '===' ? '==' : match[3]) as Expression['operator'];
  const aggregation = (
    match[2] === undefined ? { kind: match[1] } : { kind: 'percentile', percent }
  ) as Aggregation;
  return { aggregation, operator, limit };
}

/** `name{a:b, c:d}` → name and tags. @throws when the braces or a pair are broken. */
export function parseSelector(selector: string): { name: string; tags: Tags } {
  const brace = selector.indexOf('{');
  if (brace < 0) return { name: selector.trim(), tags: {} };
  if (!selector.trimEnd().endsWith('}')) throw new Error(`'${selector}' has no closing brace`);
  const tags: Record<string, string> = {};
  for (const pair of selector
    .trimEnd()
    .slice(brace + 1, -1)
    .split(',')) {
    const colon = pair.indexOf(':');
    const name = unquote(pair.slice(0, Math.max(0, colon)));
    if (name === '') throw new Error(`'${selector}': '${pair.trim()}' is no tag:value pair`);
    tags[name] = unquote(pair.slice(colon + 1));
  }
  return { name: selector.slice(0, brace).trim(), tags };
}

function unquote(text: string): string {
  return text.trim().replace(/^(["'])(.*)\1$/, '$2');
}

/** The `thresholds` of a script's options. @throws RunFailure for a shape that is none. */
export function readThresholds(thresholds: unknown): ThresholdSpec[] {
  if (thresholds === undefined || thresholds === null) return [];
  if (typeof thresholds !== 'object') throw invalid('thresholds', 'must be an object of arrays');
  return Object.entries(thresholds).flatMap(([selector, list]: [string, unknown]) => {
    if (!Array.isArray(list)) throw invalid(selector, "needs an array such as ['p(95)<500']");
    return list.map((entry: unknown) => readOne(selector, entry));
  });
}

const FIELDS = ['threshold', 'abortOnFail', 'delayAbortEval'];

function readOne(selector: string, entry: unknown): ThresholdSpec {
  if (typeof entry === 'string') {
    return { selector, source: entry, abortOnFail: false, delayAbortEvalMs: 0 };
  }
  const object = (entry ?? {}) as { threshold?: unknown; abortOnFail?: unknown; delayAbortEval?: unknown };
  if (typeof object.threshold !== 'string') throw invalid(selector, 'an entry has no `threshold` text');
  const unknown = Object.keys(object).find(name => !FIELDS.includes(name));
  if (unknown !== undefined)
    throw invalid(selector, `an entry has '${unknown}'; it may have ${FIELDS.join(', ')}`);
  const delay = object.delayAbortEval ?? 0;
  try {
    return {
      selector,
      source: object.threshold,
      abortOnFail: object.abortOnFail === true,
      delayAbortEvalMs: parseDuration(delay as string | number),
    };
  } catch (error) {
    throw invalid(selector, (error as Error).message);
  }
}

function invalid(selector: string, why: string): RunFailure {
  return new RunFailure(EXIT.invalidConfig, `invalid threshold on ${selector}: ${why}`);
}

/** Ties thresholds to metrics, once all metrics of the script are known. @throws RunFailure when one cannot be. */
export function bindThresholds(specs: readonly ThresholdSpec[], registry: MetricRegistry): Threshold[] {
  return specs.map(spec => {
    try {
      return bind(spec, registry);
    } catch (error) {
      throw error instanceof RunFailure ? error : invalid(spec.selector, (error as Error).message);
    }
  });
}

function bind(spec: ThresholdSpec, registry: MetricRegistry): Threshold {
  const expression = parseExpression(spec.source);
  const { name, tags } = parseSelector(spec.selector);
  const metric = registry.get(name);
  if (metric === undefined) throw new Error(`there is no metric '${name}'`);
  const { kind } = expression.aggregation;
  if (!ALLOWED[metric.type].includes(kind)) {
    const known = ALLOWED[metric.type].map(each => (each === 'percentile' ? 'p(N)' : each)).join(', ');
    throw new Error(`'${spec.source}' does not fit a ${metric.type}, which has ${known}`);
  }
  const sink = Object.keys(tags).length === 0 ? metric.sink : metric.submetric(spec.selector, tags).sink;
  return { ...spec, expression, sink };
}

/** @param elapsedS how long the run took so far, for rates of counters. */
export function judge({ sink, expression }: Threshold, elapsedS: number): Verdict {
  const value = aggregate(sink, expression.aggregation, elapsedS);
  const empty = sink.count === 0 && !(sink instanceof CounterSink);
  return { ok: (empty && sink instanceof RateSink) || compare(value, expression), value, empty };
}

/** The value of one aggregation; 0 without samples. */
export function aggregate(sink: AnySink, aggregation: Aggregation, elapsedS: number): number {
  if (sink instanceof CounterSink) {
    return aggregation.kind === 'rate' ? (elapsedS > 0 ? sink.total / elapsedS : 0) : sink.total;
  }
  if (sink instanceof GaugeSink) return sink.value;
  if (sink instanceof RateSink) return sink.count === 0 ? 0 : sink.passes / sink.count;
  return trendValue(sink, aggregation);
}

function trendValue(sink: Distribution, aggregation: Aggregation): number {
  if (sink.count === 0) return 0;
  switch (aggregation.kind) {
    case 'avg':
      return sink.mean;
    case 'min':
      return sink.min;
    case 'max':
      return sink.max;
    case 'count':
      return sink.count;
    case 'percentile':
      return sink.quantile(aggregation.percent / 100);
    default:
      return sink.quantile(0.5);
  }
}

function compare(value: number, { operator, limit }: Expression): boolean {
  switch (operator) {
    case '<':
      return value < limit;
    case '<=':
      return value <= limit;
    case '>':
      return value > limit;
    case '>=':
      return value >= limit;
    case '==':
      return value === limit;
    default:
      return value !== limit;
  }
}
