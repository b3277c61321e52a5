/** The `options` of a script: checked, shorthands spelled out, times in ms. */
import { z } from 'zod';
import { EXIT, RunFailure } from '../outcome/failure.ts';
import { parseDuration } from './duration.ts';
import type { Stage } from './schedule.ts';
import { readThresholds, type ThresholdSpec } from './thresholds.ts';

interface Common {
  readonly name: string;
  readonly startTimeMs: number;
  readonly gracefulStopMs: number;
  /** Name of the exported function. */
  readonly exec: string;
  readonly env: Readonly<Record<string, string>>;
  readonly tags: Readonly<Record<string, string>>;
}
interface Arrivals {
  readonly preAllocatedVUs: number;
  readonly maxVUs: number;
}
export type ScenarioPlan = Common &
  (
    | { readonly executor: 'constant-vus'; readonly vus: number; readonly durationMs: number }
    | {
        readonly executor: 'ramping-vus';
        readonly startVUs: number;
        readonly stages: readonly Stage[];
        readonly gracefulRampDownMs: number;
      }
    | {
        readonly executor: 'shared-iterations' | 'per-vu-iterations';
        readonly vus: number;
        readonly iterations: number;
        readonly maxDurationMs: number;
      }
    | (Arrivals & {
        readonly executor: 'constant-arrival-rate';
        readonly ratePerS: number;
        readonly durationMs: number;
      })
    | (Arrivals & {
        readonly executor: 'ramping-arrival-rate';
        readonly startRatePerS: number;
        readonly stages: readonly Stage[];
      })
  );

export interface RunOptions {
  readonly scenarios: readonly ScenarioPlan[];
  readonly thresholds: readonly ThresholdSpec[];
  readonly tags: Readonly<Record<string, string>>;
  readonly systemTags: ReadonlySet<string>;
  readonly summaryTrendStats: readonly string[];
  readonly summaryTimeUnit: '' | 's' | 'ms' | 'us';
  readonly setupTimeoutMs: number;
  readonly teardownTimeoutMs: number;
  readonly minIterationDurationMs: number;
  readonly discardResponseBodies: boolean;
  readonly throwOnError: boolean;
  readonly userAgent: string;
  readonly maxRedirects: number;
  readonly insecureSkipTLSVerify: boolean;
  readonly noConnectionReuse: boolean;
  /** As the script sees it in `exec.test.options`. */
  readonly raw: Readonly<Record<string, unknown>>;
}

/** What the command line says about load; each replaces the scenarios of the script. */
export interface LoadOverrides {
  readonly vus?: number | undefined;
  readonly duration?: string | undefined;
  readonly iterations?: number | undefined;
}

const DEFAULT_SYSTEM_TAGS = [
  'status',
  'method',
  'url',
  'name',
  'group',
  'check',
  'error',
  'error_code',
  'scenario',
  'expected_response',
  'proto',
] as const;
/** Of protocols that this runner does not speak: no sample could carry them. */
const ELSEWHERE = ['subproto', 'service', 'tls_version'] as const;
const TREND_STATS = ['avg', 'min', 'med', 'max', 'p(90)', 'p(95)'];
const GRACEFUL_MS = '30s';

const duration = z.union([z.string(), z.number()]).transform((value, context) => {
  try {
    return parseDuration(value);
  } catch (error) {
    context.addIssue({ code: 'custom', message: (error as Error).message });
    return z.NEVER;
  }
});
const count = z.number().int().positive();
const texts = z.record(z.string(), z.union([z.string(), z.number(), z.boolean()]).transform(String));
const stages = z
  .array(z.strictObject({ duration, target: z.number().int().nonnegative() }))
  .min(1)
  .transform(list => list.map(stage => ({ durationMs: stage.duration, target: stage.target })));
const positiveDuration = duration.refine(ms => ms > 0, 'must be longer than 0s');

const common = {
  startTime: duration.default(0),
  gracefulStop: duration.prefault(GRACEFUL_MS),
  exec: z.string().min(1).default('default'),
  env: texts.default({}),
  tags: texts.default({}),
};
const arrivals = {
  preAllocatedVUs: z.number().int().nonnegative(),
  maxVUs: count.optional(),
  timeUnit: positiveDuration.prefault('1s'),
};
const iterating = {
  ...common,
  vus: count.default(1),
  iterations: count.default(1),
  maxDuration: positiveDuration.prefault('10m'),
};
const scenario = z.discriminatedUnion('executor', [
  z.strictObject({
    executor: z.literal('constant-vus'),
    ...common,
    vus: count.default(1),
    duration: positiveDuration,
  }),
  z.strictObject({
    executor: z.literal('ramping-vus'),
    ...common,
    startVUs: z.number().int().nonnegative().default(1),
    stages,
    gracefulRampDown: duration.prefault(GRACEFUL_MS),
  }),
  z.strictObject({ executor: z.literal('shared-iterations'), ...iterating }),
  z.strictObject({ executor: z.literal('per-vu-iterations'), ...iterating }),
  z.strictObject({
    executor: z.literal('constant-arrival-rate'),
    ...common,
    ...arrivals,
    rate: count,
    duration: positiveDuration,
  }),
  z.strictObject({
    executor: z.literal('ramping-arrival-rate'),
    ...common,
    ...arrivals,
    startRate: z.number().int().nonnegative().default(0),
    stages,
  }),
]);
type Scenario = z.infer<typeof scenario>;

const optionsSchema = z.strictObject({
  scenarios: z.record(z.string(), scenario).optional(),
  vus: count.optional(),
  duration: positiveDuration.optional(),
  iterations: count.optional(),
  stages: stages.optional(),
  thresholds: z.unknown().optional(),
  tags: texts.default({}),
  systemTags: z.array(z.enum([...DEFAULT_SYSTEM_TAGS, ...ELSEWHERE])).default([...DEFAULT_SYSTEM_TAGS]),
  summaryTrendStats: z
    .array(z.string().regex(/^(avg|min|med|max|count|p\(\d+(\.\d+)?\))$/, 'is no trend statistic'))
    .default(TREND_STATS),
  summaryTimeUnit: z.enum(['', 's', 'ms', 'us']).default(''),
  setupTimeout: duration.prefault('60s'),
  teardownTimeout: duration.prefault('60s'),
  minIterationDuration: duration.default(0),
  discardResponseBodies: z.boolean().default(false),
  throw: z.boolean().default(false),
  userAgent: z.string().default('penstock-load-runner'),
  maxRedirects: z.number().int().nonnegative().default(10),
  insecureSkipTLSVerify: z.boolean().default(false),
  noConnectionReuse: z.boolean().default(false),
  // What follows says nothing to this runner, and nothing is lost: no usage reports, no cloud, no http.batch.
  noUsageReport: z.boolean().optional(),
  cloud: z.unknown().optional(),
  ext: z.unknown().optional(),
  batch: z.number().optional(),
  batchPerHost: z.number().optional(),
});
type Parsed = z.infer<typeof optionsSchema>;

/** @throws RunFailure with exit code 104 that names the first thing that is wrong. */
export function readOptions(raw: unknown, overrides: LoadOverrides = {}): RunOptions {
  const merged = applyOverrides(raw ?? {}, overrides);
  const result = optionsSchema.safeParse(merged);
  if (!result.success) throw new RunFailure(EXIT.invalidConfig, describeIssue(result.error));
  const parsed = result.data;
  return {
    scenarios: planScenarios(parsed),
    thresholds: readThresholds(parsed.thresholds),
    tags: parsed.tags,
    systemTags: new Set(parsed.systemTags),
    summaryTrendStats: parsed.summaryTrendStats,
    summaryTimeUnit: parsed.summaryTimeUnit,
    setupTimeoutMs: parsed.setupTimeout,
    teardownTimeoutMs: parsed.teardownTimeout,
    minIterationDurationMs: parsed.minIterationDuration,
    discardResponseBodies: parsed.discardResponseBodies,
    throwOnError: parsed.throw,
    userAgent: parsed.userAgent,
    maxRedirects: parsed.maxRedirects,
    insecureSkipTLSVerify: parsed.insecureSkipTLSVerify,
    noConnectionReuse: parsed.noConnectionReuse,
    raw: merged,
  };
}

function applyOverrides(raw: unknown, { vus, duration, iterations }: LoadOverrides): Record<string, unknown> {
  if (typeof raw !== 'object' || raw === null || Array.isArray(raw)) {
    throw new RunFailure(EXIT.invalidConfig, "the script's options are no object");
  }
  const merged: Record<string, unknown> = { ...raw };
  if (vus === undefined && duration === undefined && iterations === undefined) return merged;
  delete merged['scenarios'];
  delete merged['stages'];
  if (vus !== undefined) merged['vus'] = vus;
  if (duration !== undefined) merged['duration'] = duration;
  if (iterations !== undefined) merged['iterations'] = iterations;
  // Said on the command line, one kind of length replaces the other.
  if (duration !== undefined && iterations === undefined) delete merged['iterations'];
  if (iterations !== undefined && duration === undefined) delete merged['duration'];
  return merged;
}

function describeIssue(error: z.ZodError): string {
  const issue = error.issues[0];
  if (issue === undefined) return 'invalid options';
  const where = ['options', ...issue.path.map(String)].join('.');
  if (issue.code === 'unrecognized_keys') {
    return `${where} has '${issue.keys.join("', '")}', which this runner does not support`;
  }
  if (issue.code === 'invalid_union' && issue.path.at(-1) === 'executor') {
    return `${where} names no executor that this runner has`;
  }
  return `${where}: ${issue.message}`;
}

function planScenarios(parsed: Parsed): ScenarioPlan[] {
  const { scenarios } = parsed;
  if (scenarios !== undefined) {
    if (parsed.stages !== undefined || parsed.duration !== undefined || parsed.iterations !== undefined) {
      throw new RunFailure(
        EXIT.invalidConfig,
        'options has both `scenarios` and a shorthand (vus, duration, iterations, stages); keep one of them',
      );
    }
    const plans = Object.entries(scenarios).map(([name, each]) => planScenario(name, each));
    if (plans.length === 0) throw new RunFailure(EXIT.invalidConfig, 'options.scenarios is empty');
    return plans;
  }
  return [planShorthand(parsed)];
}

function planShorthand({ vus, duration: durationMs, iterations, stages }: Parsed): ScenarioPlan {
  const base = commonOf('default', scenarioDefaults);
  if (stages !== undefined) {
    return { ...base, executor: 'ramping-vus', startVUs: vus ?? 1, stages, gracefulRampDownMs: 30_000 };
  }
  if (iterations === undefined && durationMs !== undefined) {
    return { ...base, executor: 'constant-vus', vus: vus ?? 1, durationMs };
  }
  return {
    ...base,
    executor: 'shared-iterations',
    vus: vus ?? 1,
    iterations: iterations ?? vus ?? 1,
    maxDurationMs: durationMs ?? 600_000,
  };
}

const scenarioDefaults = { startTime: 0, gracefulStop: 30_000, exec: 'default', env: {}, tags: {} };

function commonOf(name: string, each: typeof scenarioDefaults): Common {
  return {
    name,
    startTimeMs: each.startTime,
    gracefulStopMs: each.gracefulStop,
    exec: each.exec,
    env: each.env,
    tags: each.tags,
  };
}

function planScenario(name: string, each: Scenario): ScenarioPlan {
  const base = commonOf(name, each);
  switch (each.executor) {
    case 'constant-vus':
      return { ...base, executor: each.executor, vus: each.vus, durationMs: each.duration };
    case 'ramping-vus': {
      const { executor, startVUs, gracefulRampDown } = each;
      return { ...base, executor, startVUs, stages: each.stages, gracefulRampDownMs: gracefulRampDown };
    }
    case 'constant-arrival-rate': {
      const ratePerS = (each.rate * 1000) / each.timeUnit;
      return { ...base, executor: each.executor, ratePerS, durationMs: each.duration, ...vusOf(name, each) };
    }
    case 'ramping-arrival-rate': {
      const perS = 1000 / each.timeUnit;
      const stages = each.stages.map(stage => ({ ...stage, target: stage.target * perS }));
      return {
        ...base,
        executor: each.executor,
        startRatePerS: each.startRate * perS,
        stages,
        ...vusOf(name, each),
      };
    }
    default: {
      const { executor, vus, iterations, maxDuration } = each;
      if (executor === 'shared-iterations' && iterations < vus) {
        throw new RunFailure(
          EXIT.invalidConfig,
          `scenario ${name}: ${vus} VUs cannot share ${iterations} iterations`,
        );
      }
      return { ...base, executor, vus, iterations, maxDurationMs: maxDuration };
    }
  }
}

function vusOf(
  name: string,
  each: { preAllocatedVUs: number; maxVUs?: number | undefined },
): { preAllocatedVUs: number; maxVUs: number } {
  const maxVUs = each.maxVUs ?? each.preAllocatedVUs;
  if (maxVUs >= 1 && maxVUs >= each.preAllocatedVUs) return { preAllocatedVUs: each.preAllocatedVUs, maxVUs };
  throw new RunFailure(
    EXIT.invalidConfig,
    `scenario ${name}: maxVUs (${maxVUs}) must be at least 1 and at least preAllocatedVUs (${each.preAllocatedVUs})`,
  );
}
