/** Durations as k6 writes them: "1h2m3.5s", "250ms", or a number of milliseconds. */
const UNIT_MS: Readonly<Record<string, number>> = {
  d: 86_400_000,
  h: 3_600_000,
  m: 60_000,
  s: 1000,
  ms: 1,
  us: 1e-3,
  µs: 1e-3,
  ns: 1e-6,
};
const WHOLE = /^(?:\d+(?:\.\d+)?(?:ns|us|µs|ms|s|m|h|d))+$/;
const PART = /(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h|d)/g;

/** @throws when it is no duration. */
export function parseDuration(value: string | number): number {
  if (typeof value === 'number' || /^\d+(?:\.\d+)?$/.test(value)) {
    const ms = Number(value);
    if (Number.isFinite(ms) && ms >= 0) return ms;
  } else if (WHOLE.test(value)) {
    let ms = 0;
    for (const [, amount, unit] of value.matchAll(PART)) ms += Number(amount) * (UNIT_MS[unit ?? ''] ?? 0);
    return ms;
  }
  throw new Error(`"${value}" is no duration; write "30s", "1m30s" or "500ms"`);
}

/** A measured time in the unit that reads best: 13.2µs, 4.51ms, 1.27s, 2m5s. */
export function formatMs(ms: number, unit: '' | 's' | 'ms' | 'us' = ''): string {
  if (unit === 's') return `${(ms / 1000).toFixed(6)}s`;
  if (unit === 'ms') return `${ms.toFixed(2)}ms`;
  if (unit === 'us') return `${(ms * 1000).toFixed(2)}µs`;
  const size = Math.abs(ms);
  if (size === 0) return '0s';
  if (size < 1) return `${trim(ms * 1000)}µs`;
  if (size < 1000) return `${trim(ms)}ms`;
  if (size < 60_000) return `${trim(ms / 1000)}s`;
  return `${Math.floor(ms / 60_000)}m${Math.round((ms % 60_000) / 1000)}s`;
}

/** Elapsed time as a progress line shows it: 1m05.0s. */
export function formatElapsed(ms: number): string {
  const seconds = ms / 1000;
  return `${Math.floor(seconds / 60)}m${(seconds % 60).toFixed(1).padStart(4, '0')}s`;
}

function trim(value: number): string {
  return String(Number(value.toFixed(2)));
}
