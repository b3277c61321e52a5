/** The `Prefer` header (RFC 7240), as far as it is honoured: `respond-async` and `wait`. */

export interface Preferences {
  readonly respondAsync: boolean;
  /**
   * How long the client would rather wait than be sent away, ms; where nothing is stored to come back for: than have an answer
   * at all. 0 when it did not say.
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

/** Longest wait that is read, ms: as long as any time-out. */
const MAX_WAIT_MS = 3_600_000;
/** Longest that a client who would be sent away is held instead, ms: proxies in between give up soon after. */
const MAX_HELD_MS = 60_000;

/**
 * How long the client of a stored run is held before it is sent away, ms, and what it is told was applied: nothing that was not.
 * @param usualMs without any preference; 0 where nobody is held.
 */
export function holding(asked: Preferences, usualMs: number) {
  const waitMs = Math.min(asked.respondAsync ? MAX_HELD_MS : usualMs, asked.waitMs);
  const heldMs = asked.respondAsync || waitMs > 0 ? waitMs : usualMs;
  return { heldMs, headers: appliedHeader({ ...asked, waitMs }) };
}

/** Unknown preferences are ignored, and so are those that make no sense, as the RFC asks. */
export function readPreferences(header: string | string[] | undefined): Preferences {
  const text = Array.isArray(header) ? header.join(',') : (header ?? '');
  const parts = text.split(',').map(part => (part.split(';')[0] ?? '').trim().toLowerCase());
  const wait = parts
    .map(part => /^wait\s*=\s*"?(\d{1,6})"?$/.exec(part)?.[1])
    .find(seconds => seconds !== undefined);
  return {
    respondAsync: parts.includes('respond-async'),
    waitMs: Math.min(MAX_WAIT_MS, Number(wait ?? 0) * 1000),
  };
}
