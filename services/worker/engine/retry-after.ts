/** The pause that an engine without room asks for. */

/** A longer one is cut: room may come any moment, ms. */
const MOST_MS = 60_000;

type Headers = Readonly<Record<string, string | string[] | undefined>>;

/**
 * `retry-after-ms`, or `retry-after` in seconds or as a date.
 * A date is that of the engine's own clock, which its `date` shows. @param now Unix ms, where it shows none. @returns ms; null where there is none that can be read.
 */
export function readRetryAfter(headers: Headers, now: number): number | null {
  const exact = numberIn(headers['retry-after-ms']);
  if (exact !== null) return limited(exact);
  const given = headers['retry-after'];
  const seconds = numberIn(given);
  if (seconds !== null) return limited(seconds * 1000);
  const at = dateIn(given);
  return Number.isNaN(at) ? null : limited(at - (dateIn(headers['date']) || now));
}

/** Unix ms, or NaN. */
function dateIn(header: string | string[] | undefined): number {
  return typeof header === 'string' ? Date.parse(header) : Number.NaN;
}

function numberIn(header: string | string[] | undefined): number | null {
  return typeof header === 'string' && /^\s*\d+(\.\d+)?\s*$/.test(header) ? Number(header) : null;
}

function limited(ms: number): number {
  return Math.min(MOST_MS, Math.max(0, ms));
}
