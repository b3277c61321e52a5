/** Which limits a request falls under, and what it takes of each. */
import {
  dollarsOf,
  type LimitCharge,
  NO_USE,
  reservedUse,
  type TokenPrice,
  type TokenUse,
  tokensOf,
} from '@penstock/policy';
import {
  type Endpoint,
  type LimitName,
  type Limits,
  type ProjectLimits,
  UNLIMITED,
} from '@penstock/protocol';
import { limitName } from '@penstock/transport';

/** What is the same for all projects. */
export interface LimitSettings {
  /** Limits of each project that has no other ones, for all models together. */
  readonly defaults: Limits;
  /** All limits are only counted. */
  readonly isShadow: boolean;
  /** Whether requests of limited projects pass while nobody can count them. */
  readonly passesUncounted: boolean;
  /** By slug of the model; null for one that costs nothing. */
  readonly priceOf: (slug: string) => TokenPrice | null;
}

/** What has to be known of a request. */
export interface LimitedWork {
  /** Of the request, unique in the region. */
  readonly id: string;
  readonly endpoint: Endpoint;
  readonly model: { readonly name: string; readonly slug: string };
  /** As far as can be told before. */
  readonly use: TokenUse;
  /** Part of a rate that it may use: less than 1 where it can wait. */
  readonly part: number;
  /** Whether it takes a place among the parallel requests. */
  readonly isParallel: boolean;
}

const PERIODS = { rpm_limit: 60_000, tpm_limit: 60_000, rpd_limit: 86_400_000 } as const;
/** Where a record has limits of all models together. */
export const ALL_MODELS = '*';

/** Their answers are made of tokens. */
const GENERATING: ReadonlySet<Endpoint> = new Set(['chat', 'completions', 'messages']);
/** They count tokens, and need none. */
const COUNTING: ReadonlySet<Endpoint> = new Set(['tokenize', 'detokenize', 'messageTokens']);

/** What a request is taken to need. @param promptTokens as estimated. @param maxTokens null where the client named no limit. */
export function reservedFor(endpoint: Endpoint, promptTokens: number, maxTokens: number | null): TokenUse {
  if (COUNTING.has(endpoint)) return NO_USE;
  return GENERATING.has(endpoint)
    ? reservedUse(promptTokens, maxTokens)
    : { prompt: promptTokens, output: 0 };
}

/** @param targetOf the model that a name stands for: limits may name aliases. Empty where there is no limit. */
export function chargesOf(
  limits: ProjectLimits,
  { defaults, isShadow, priceOf }: LimitSettings,
  work: LimitedWork,
  targetOf: (name: string) => string,
): LimitCharge[] {
  const charges: LimitCharge[] = [];
  const { name, slug } = work.model;
  // Who can wait is let through where nothing is used, however much it needs.
  const mostOf = (cost: number, most: number) => (work.part < 1 ? Math.min(cost, most) : cost);
  const add = (scope: string, own: Limits) => {
    const isEnforced = !isShadow && own['shadow'] !== 1;
    const about = { isEnforced, part: work.part };
    const put = (limit: LimitName, charge: Pick<LimitCharge, 'kind' | 'cost' | 'periodMs'>) => {
      const most = own[limit];
      if (most !== undefined && most < UNLIMITED)
        charges.push({
          ...{ ...charge, ...about, name: limitName(limit, scope), most },
          cost: charge.kind === 'rate' ? mostOf(charge.cost, most) : charge.cost,
        });
    };
    put('rpm_limit', { kind: 'rate', cost: 1, periodMs: PERIODS.rpm_limit });
    put('tpm_limit', { kind: 'rate', cost: tokensOf(work.use), periodMs: PERIODS.tpm_limit });
    put('rpd_limit', { kind: 'rate', cost: 1, periodMs: PERIODS.rpd_limit });
    if (work.isParallel) put('max_parallel_requests', { kind: 'parallel', cost: 1, periodMs: 0 });
    const periodMs = (own['budget_duration'] ?? 0) * 1000;
    put('max_budget', { kind: 'budget', cost: dollarsOf(work.use, priceOf(slug)), periodMs });
  };
  const all = limits[ALL_MODELS];
  if (all !== undefined || hasAny(defaults)) add(ALL_MODELS, { ...defaults, ...all });
  for (const model of Object.keys(limits))
    if (model !== ALL_MODELS && targetOf(model) === name) add(model, limits[model] ?? {});
  return charges;
}

export function hasAny(limits: object): boolean {
  for (const _ in limits) return true;
  return false;
}

/** By how much more a request costs than was taken. @param use what it turned out to need; null where it was refused after all, and counts for nothing. */
export function correctionsOf(
  charges: readonly LimitCharge[],
  use: TokenUse | null,
  price: TokenPrice | null,
): number[] {
  return charges.map(({ kind, name, cost }) => {
    if (kind === 'parallel') return 0;
    if (use === null) return -cost;
    if (kind === 'budget') return dollarsOf(use, price) - cost;
    return name.startsWith('tpm_limit') ? tokensOf(use) - cost : 0;
  });
}
