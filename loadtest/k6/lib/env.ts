/** Settings of a run from environment variables (`-e NAME=value`). loadtest/README.md lists them. */

/** A number above 0. @throws naming the variable. */
export function number(name: string, fallback: number): number {
  const text = __ENV[name];
  if (text === undefined || text === '') return fallback;
  const value = Number(text);
  if (!(value > 0 && Number.isFinite(value))) throw new Error(`${name}=${text}: give a number above 0`);
  return value;
}

export function text(name: string, fallback: string): string {
  return __ENV[name] || fallback;
}

const UNITS: Record<string, number> = { ms: 0.001, s: 1, m: 60, h: 3600 };

/** A duration as k6 writes it (`90s`, `1m30s`), in seconds. @throws naming the variable. */
export function seconds(name: string, fallback: string): number {
  const given = text(name, fallback);
  const parts = given.match(/\d+(?:\.\d+)?(?:ms|s|m|h)/g) ?? [];
  let value = 0;
  for (const part of parts) value += Number.parseFloat(part) * (UNITS[part.replace(/[\d.]+/, '')] ?? 0);
  if (parts.join('') !== given || !(value > 0))
    throw new Error(`${name}=${given}: give a duration such as 90s, 5m or 1h30m`);
  return value;
}

export const URL = text('PENSTOCK_URL', 'http://127.0.0.1:8080').replace(/\/(v1\/?)?$/, '');
export const KEY = text('PENSTOCK_KEY', __ENV['PENSTOCK_API_KEY'] ?? '');
/** Where the load comes from; a tag of every figure. */
export const REGION = text('REGION', 'local');
export const SEED = number('SEED', 1);
/** A request is good when it ends well and within both. */
export const SLO_TTFT_MS = number('SLO_TTFT_MS', 2000);
export const SLO_TPOT_MS = number('SLO_TPOT_MS', 100);
/** How long a job may take to be accepted, p99. */
export const SLO_ACCEPT_MS = number('SLO_ACCEPT_MS', 500);
/** After this a client gives up, s. */
export const TIMEOUT_S = seconds('TIMEOUT', '120s');
