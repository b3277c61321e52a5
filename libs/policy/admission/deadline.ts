/** How long a client waits, from what it says about itself. */

/** Used when the client names no time-out; OpenAI's SDKs wait 600 s. */
export const DEFAULT_TIMEOUT_MS = 600_000;
const MIN_TIMEOUT_MS = 1;
const MAX_TIMEOUT_MS = 3_600_000;

export interface TimeoutHints {
  /** `x-request-timeout-ms`: ours, so it wins. */
  readonly requestTimeoutMs?: string | undefined;
  /** `x-stainless-timeout`, seconds: the SDK's time-out for the whole request. */
  readonly stainlessTimeout?: string | undefined;
  /** `x-stainless-read-timeout`, seconds: the Python SDK's time-out between bytes. */
  readonly stainlessReadTimeout?: string | undefined;
}

/** Milliseconds until the client gives up. Hints that are not positive numbers are ignored. */
export function timeoutOf(hints: TimeoutHints, defaultMs = DEFAULT_TIMEOUT_MS): number {
  const own = positive(hints.requestTimeoutMs);
  const seconds = positive(hints.stainlessTimeout) ?? positive(hints.stainlessReadTimeout);
  const ms = own ?? (seconds === null ? defaultMs : seconds * 1000);
  return Math.min(MAX_TIMEOUT_MS, Math.max(MIN_TIMEOUT_MS, ms));
}

function positive(text: string | undefined): number | null {
  const value = Number(text);
  return text !== undefined && Number.isFinite(value) && value > 0 ? value : null;
}
