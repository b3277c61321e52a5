/** Limits of a project, as users of LiteLLM know them: in a project's record, in requests of the admin API, in settings and in errors. */
import type { ProjectLimits } from './project.ts';

/** Of what a project keeps: it has them for all models together, never for one. */
export const RESOURCE_LIMITS = [
  'max_files',
  'max_stored_bytes',
  'max_open_batches',
  'max_queued_requests',
  'max_queued_bytes',
  'max_webhook_endpoints',
] as const;
export type ResourceLimit = (typeof RESOURCE_LIMITS)[number];

export const NO_MODEL_OF_RESOURCE =
  'give it for all models together (*): what a project keeps is of no model';

export function isResourceLimit(name: string): name is ResourceLimit {
  return RESOURCE_LIMITS.some(each => each === name);
}

/** Numbers of a record's `limits`; `budget_duration` in seconds, `shadow` as 0 or 1. */
export const LIMITS = [
  'rpm_limit',
  'tpm_limit',
  'rpd_limit',
  'max_parallel_requests',
  'max_budget',
  'budget_duration',
  ...RESOURCE_LIMITS,
  'shadow',
] as const;
export type LimitName = (typeof LIMITS)[number];
/** Of one model, or of all together. */
export type Limits = Readonly<ProjectLimits[string]>;

/** What OpenAI's admin API calls a limit. */
export const OPENAI_LIMITS = {
  max_requests_per_1_minute: 'rpm_limit',
  max_tokens_per_1_minute: 'tpm_limit',
  max_requests_per_1_day: 'rpd_limit',
} as const satisfies Record<string, LimitName>;

/** No limit, since OpenAI's clients expect a number: also one that lifts a default. */
export const UNLIMITED = Number.MAX_SAFE_INTEGER;

const UNITS = { s: 1, m: 60, h: 3600, d: 86_400 } as const;
const DURATION = /^([1-9]\d{0,5})([smhd])$/;
export const DURATION_USAGE = 'use a number and s, m, h or d, as 30d';

/** `30d` in seconds; null for what is none. */
export function readDuration(text: string): number | null {
  const [, count, unit] = DURATION.exec(text) ?? [];
  return count === undefined ? null : Number(count) * UNITS[unit as keyof typeof UNITS];
}

/** Seconds as `30d`. */
export function writeDuration(seconds: number): string {
  const unit = (['d', 'h', 'm'] as const).find(each => seconds % UNITS[each] === 0) ?? 's';
  return `${seconds / UNITS[unit]}${unit}`;
}
