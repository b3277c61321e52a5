/** The `Prefer` header (RFC 7240), as far as it is honoured: `respond-async` and `wait`. */
import { MAX_CALL_TIMEOUT_MS } from '@penstock/protocol';

export interface Preferences {
  readonly respondAsync: boolean;
  /**
   * How long the client prefers to wait before it gets 202, ms; for a request that is not stored: how long it waits at all.
   * 0 when it did not say.
   */
  readonly waitMs: number;
}

export const NO_PREFERENCES: Preferences = { respondAsync: false, waitMs: 0 };

/** `Preference-Applied`. */
export function appliedHeader({ respondAsync, waitMs }: Preferences): Record<string, string> {
  const wait = waitMs > 0 ? [`wait=${waitMs / 1000}`] : [];
  const applied = [...(respondAsync ? ['respond-async'] : []), ...wait].join(', ');
  return applied === '' ? {} : { 'preference-applied': applied };
}

/** Longest that a client is held before it gets 202, ms: proxies in between give up soon after. */
const MAX_HELD_MS = 60_000;

/**
 * How long the client of a stored run is held before it gets 202, ms, and the preferences reported as applied.
 * @param usualMs without any preference; 0 where clients are not held.
 */
export function holding(asked: Preferences, usualMs: number) {
  const waitMs = Math.min(asked.respondAsync ? MAX_HELD_MS : usualMs, asked.waitMs);
  const heldMs = asked.respondAsync || waitMs > 0 ? waitMs : usualMs;
  return { heldMs, headers: appliedHeader({ ...asked, waitMs }) };
}

/** Ignores unknown and invalid preferences, as the RFC asks. */
export function readPreferences(header: string | string[] | undefined): Preferences {
  const text = Array.isArray(header) ? header.join(',') : (header ?? '');
  const parts = text.split(',').map(part => (part.split(';')[0] ?? '').trim().toLowerCase());
  const wait = parts
    .map(part => /^wait\s*=\s*"?(\d{1,6})"?$/.exec(part)?.[1])
    .find(seconds => seconds !== undefined);
  return {
    respondAsync: parts.includes('respond-async'),
    waitMs: Math.min(MAX_CALL_TIMEOUT_MS, Number(wait ?? 0) * 1000),
  };
}
