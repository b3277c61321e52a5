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

/** What a request takes, by the limit. */
interface Costs {
  readonly requests: number;
  readonly tokens: number;
  readonly dollars: number;
  /** Places among the parallel requests; null where it needs none. */
  readonly places: number | null;
}

const NO_COSTS: Costs = { requests: 0, tokens: 0, dollars: 0, places: 0 };

/** @param targetOf the model that a name stands for: limits may name aliases. Empty where there is no limit. */
export function chargesOf(
  limits: ProjectLimits,
  settings: LimitSettings,
  work: LimitedWork,
  targetOf: (name: string) => string,
): LimitCharge[] {
  const charges: LimitCharge[] = [];
  const { name, slug } = work.model;
  const costs = {
    ...{ requests: 1, tokens: tokensOf(work.use), places: work.isParallel ? 1 : null },
    dollars: dollarsOf(work.use, settings.priceOf(slug)),
  };
  const add = (scope: string, own: Limits) => addCharges(charges, scope, own, costs, work.part, settings);
  const { defaults } = settings;
  const all = limits[ALL_MODELS];
  if (all !== undefined || hasAny(defaults)) add(ALL_MODELS, { ...defaults, ...all });
  for (const model of Object.keys(limits))
    if (model !== ALL_MODELS && targetOf(model) === name) add(model, limits[model] ?? {});
  return charges;
}

/** All limits of a project on what is sent to models, each charged with nothing: to see what is used. By model, {@link ALL_MODELS} first. */
export function idleCharges(
  limits: ProjectLimits,
  settings: Pick<LimitSettings, 'defaults' | 'isShadow'>,
): ReadonlyMap<string, readonly LimitCharge[]> {
  const { [ALL_MODELS]: all, ...ofModels } = limits;
  const scopes = { [ALL_MODELS]: { ...settings.defaults, ...all }, ...ofModels };
  return new Map(
    Object.entries(scopes).flatMap(([scope, own]) => {
      const charges: LimitCharge[] = [];
      addCharges(charges, scope, own, NO_COSTS, 1, settings);
      return charges.length === 0 ? [] : [[scope, charges]];
    }),
  );
}

/** @param part see {@link LimitedWork}. */
function addCharges(
  charges: LimitCharge[],
  scope: string,
  own: Limits,
  { requests, tokens, dollars, places }: Costs,
  part: number,
  { isShadow }: Pick<LimitSettings, 'isShadow'>,
): void {
  const about = { isEnforced: !isShadow && own['shadow'] !== 1, part };
  const put = (limit: LimitName, charge: Pick<LimitCharge, 'kind' | 'cost' | 'periodMs'>) => {
    const most = own[limit];
    if (most !== undefined && most < UNLIMITED)
      charges.push({
        ...{ ...charge, ...about, name: limitName(limit, scope), most },
        // Who can wait is let through where nothing is used, however much it needs.
        cost: charge.kind === 'rate' && part < 1 ? Math.min(charge.cost, most) : charge.cost,
      });
  };
  put('rpm_limit', { kind: 'rate', cost: requests, periodMs: PERIODS.rpm_limit });
  put('tpm_limit', { kind: 'rate', cost: tokens, periodMs: PERIODS.tpm_limit });
  put('rpd_limit', { kind: 'rate', cost: requests, periodMs: PERIODS.rpd_limit });
  if (places !== null) put('max_parallel_requests', { kind: 'parallel', cost: places, periodMs: 0 });
  const periodMs = (own['budget_duration'] ?? 0) * 1000;
  put('max_budget', { kind: 'budget', cost: dollars, periodMs });
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
