/** How long a request stays in the queue that the engine had no room for. */
import { ATTEMPTS_A_SUBJECT } from '@penstock/protocol';

/** Where the engine names no pause, ms. */
const USUAL_MS = 1000;
/** After so many deliveries the pause is longer: room does not come within seconds, and each delivery costs the broker a few writes. */
const LONGER_AFTER = 60;
const LONGER_MS = 60_000;

/** @param retryAfterMs as the engine asks; null where it does not. @param attempt number of the attempt. */
export function busyPause(retryAfterMs: number | null, attempt: number): number {
  const asked = retryAfterMs ?? USUAL_MS;
  return attempt % ATTEMPTS_A_SUBJECT > LONGER_AFTER ? Math.max(asked, LONGER_MS) : asked;
}
