/** What clients are told of limits: headers in OpenAI's form, and why a request was refused. */
import { fitsLimit, type LimitCharge, leftOf, waitMs } from '@penstock/policy';
import { DispatchError } from '@penstock/protocol';
import type { LimitsTaken } from '@penstock/transport';

/** What of a request each limit is of, and what it is called in headers; null for those that have none there. */
const WORDS: Readonly<Record<string, { readonly of: string; readonly header: string | null }>> = {
  rpm_limit: { of: 'requests per minute', header: 'requests' },
  rpd_limit: { of: 'requests per day', header: 'requests' },
  tpm_limit: { of: 'tokens per minute', header: 'tokens' },
  max_parallel_requests: { of: 'parallel requests', header: null },
  max_budget: { of: 'US dollars', header: null },
};

/** The name of a charge's limit, and whose it is. */
export function limitOf({ name }: Pick<LimitCharge, 'name'>): {
  readonly limit: string;
  readonly model: string;
} {
  const at = name.indexOf(':');
  return { limit: name.slice(0, at), model: name.slice(at + 1) };
}

/** Of each kind the limit that is nearest. */
export function limitHeaders(charges: readonly LimitCharge[], { used }: LimitsTaken): Record<string, string> {
  const headers: Record<string, string> = {};
  const nearest = new Map<string, number>();
  for (const [i, charge] of charges.entries()) {
    const header = WORDS[limitOf(charge).limit]?.header ?? null;
    if (header === null || !charge.isEnforced) continue;
    const usedMs = used[i] ?? 0;
    const left = leftOf(charge, usedMs);
    if (left >= (nearest.get(header) ?? Number.POSITIVE_INFINITY)) continue;
    nearest.set(header, left);
    headers[`x-ratelimit-limit-${header}`] = String(charge.most);
    headers[`x-ratelimit-remaining-${header}`] = String(left);
    headers[`x-ratelimit-reset-${header}`] = durationInWords(usedMs);
  }
  return headers;
}

/** As `120ms`, `1.5s` or `6m0s`. */
export function durationInWords(ms: number): string {
  const whole = Math.max(0, Math.ceil(ms));
  if (whole < 1000) return `${whole}ms`;
  const seconds = whole / 1000;
  if (seconds < 60) return `${seconds}s`;
  const all = Math.ceil(seconds);
  const [hours, minutes] = [Math.floor(all / 3600), Math.floor((all % 3600) / 60)];
  return `${hours > 0 ? `${hours}h` : ''}${minutes}m${all % 60}s`;
}

export interface LimitRefusal {
  readonly charge: LimitCharge;
  readonly error: DispatchError;
}

/** Why a request was refused: by the limit that it has to wait for longest. */
export function refusalOf(
  project: string,
  charges: readonly LimitCharge[],
  taken: LimitsTaken,
): LimitRefusal {
  const all = charges.map((charge, i) => {
    const used = taken.used[i] ?? 0;
    const isHeld = charge.isEnforced && !fitsLimit(charge, used);
    return { charge, used, wait: isHeld ? waitMs(charge, used, taken.at) : -1 };
  });
  const [longest] = all.sort((a, b) => b.wait - a.wait);
  if (longest === undefined) throw new TypeError('nothing was charged, so nothing can be refused');
  const { charge, used, wait } = longest;
  return { charge, error: errorOf(project, charge, used, wait, limitHeaders(charges, taken)) };
}

function errorOf(
  project: string,
  charge: LimitCharge,
  used: number,
  wait: number,
  headers: Record<string, string>,
): DispatchError {
  const { limit, model } = limitOf(charge);
  const ofModel = model === '*' ? '' : ` for model ${model}`;
  const whose = `project ${project}${ofModel} on ${WORDS[limit]?.of ?? limit} (${limit})`;
  const counts = `Limit ${charge.most}, used ${usedInWords(charge, used)}, requested ${inWords(charge.cost)}.`;
  if (charge.kind === 'budget')
    return new DispatchError('insufficient_quota', {
      message: `You exceeded the budget of ${whose}. ${counts} Ask the operator to raise it${Number.isFinite(wait) ? `, or wait ${durationInWords(wait)} until the next period begins` : ''}.`,
      headers,
    });
  if (!Number.isFinite(wait))
    return new DispatchError('rate_limit_exceeded', {
      message: `Request too large for ${whose}. ${counts} Send a smaller request, or ask the operator to raise the limit.`,
      ...{ headers, shouldRetry: false },
    });
  return new DispatchError('rate_limit_exceeded', {
    message: `Rate limit reached for ${whose}. ${counts} Please try again in ${durationInWords(wait)}.`,
    ...{ headers, retryAfterMs: Math.max(1, Math.ceil(wait)) },
  });
}

function usedInWords(charge: LimitCharge, used: number): string {
  if (charge.kind !== 'rate') return inWords(used);
  return inWords(charge.most === 0 ? 0 : Math.round((used * charge.most) / charge.periodMs));
}

function inWords(amount: number): string {
  return String(Number(amount.toPrecision(12)));
}
