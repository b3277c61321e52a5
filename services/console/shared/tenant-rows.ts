/** What projects use of their limits, as the page is told, and in words. */
import { number } from './words.ts';

export interface LimitView {
  /** As `rpm_limit`. */
  readonly name: string;
  /** Null for all models together. */
  readonly model: string | null;
  readonly most: number;
  readonly used: number;
  readonly isEnforced: boolean;
}

export interface TenantRow {
  readonly id: string;
  readonly name: string | null;
  readonly limits: readonly LimitView[];
  /** By the limit's name. */
  readonly refusedToday: Readonly<Record<string, number>>;
}

export interface TenantsView {
  /** The fullest first. */
  readonly tenants: readonly TenantRow[];
  /** How many were looked at; where that is the most, there may be more. */
  readonly looked: number;
  readonly most: number;
  /** How many of them meet the filter. */
  readonly found: number;
}

/** Limits with a column of their own, and what each is called; others share one. */
export const COLUMNS = {
  rpm_limit: 'Requests/min',
  tpm_limit: 'Tokens/min',
  max_parallel_requests: 'Parallel',
  max_budget: 'Budget',
  max_files: 'Files',
  max_stored_bytes: 'Bytes of files',
} as const;

const OTHERS: Readonly<Record<string, string>> = {
  rpd_limit: 'requests a day',
  max_open_batches: 'open batches',
  max_queued_requests: 'queued requests',
  max_queued_bytes: 'queued bytes',
  max_webhook_endpoints: 'webhook endpoints',
};

export function isInColumn({ name, model }: Pick<LimitView, 'name' | 'model'>): boolean {
  return model === null && Object.hasOwn(COLUMNS, name);
}

/** `requests/min of llama-70b` */
export function limitWords({ name, model }: Pick<LimitView, 'name' | 'model'>): string {
  const words = OTHERS[name] ?? (COLUMNS as Readonly<Record<string, string>>)[name]?.toLowerCase() ?? name;
  return model === null ? words : `${words} of ${model}`;
}

/** The part that is used, 0–1 and more; a limit of nothing is full. */
export function partOf({ most, used }: Pick<LimitView, 'most' | 'used'>): number {
  return most === 0 ? 1 : used / most;
}

/** `12 of 60` */
export function useWords({ name, most, used }: Pick<LimitView, 'name' | 'most' | 'used'>): string {
  const shown = name === 'max_budget' ? dollars : name.endsWith('_bytes') ? bytes : number;
  return `${shown(used)} of ${shown(most)}${used >= most ? ', full' : ''}`;
}

function dollars(amount: number): string {
  return `$${amount >= 1000 ? number(amount) : amount.toFixed(2)}`;
}

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'] as const;

function bytes(count: number): string {
  let [left, unit] = [count, 0];
  while (left >= 1000 && unit < UNITS.length - 1) [left, unit] = [left / 1000, unit + 1];
  return `${unit === 0 || left >= 100 ? Math.round(left) : left.toFixed(1)} ${UNITS[unit]}`;
}

/** `4 by rpm_limit, 1 by max_files`; the most frequent first. */
export function refusedWords(refused: TenantRow['refusedToday']): string {
  const all = Object.entries(refused).sort(([, a], [, b]) => b - a);
  return all.map(([limit, count]) => `${number(count)} by ${limit}`).join(', ');
}
