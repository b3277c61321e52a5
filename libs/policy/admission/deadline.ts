/**
 * How long a client waits, from what it says about itself: for the first token of a stream, or for the whole answer otherwise. The
 * SDKs' time-outs are about silence, not about how long an answer may be, so a stream that flows is never cut by any of these.
 */

/** Used when the client names no time-out; OpenAI's SDKs wait 600 s. */
export const DEFAULT_TIMEOUT_MS = 600_000;
const MIN_TIMEOUT_MS = 1;

export interface TimeoutHints {
  /** `x-request-timeout-ms`: ours, so it wins. */
  readonly requestTimeoutMs?: string | undefined;
  /** `x-stainless-timeout`, seconds: the Node SDK's time-out until headers come. */
  readonly stainlessTimeout?: string | undefined;
  /** `x-stainless-read-timeout`, seconds: the Python SDK's time-out between bytes. */
  readonly stainlessReadTimeout?: string | undefined;
}

/**
 * Milliseconds until the client gives up, see above. Hints that are not positive numbers are ignored.
 * @param maxMs a longer time is lowered to this. @param defaultMs where the client says nothing.
 */
export function timeoutOf(hints: TimeoutHints, maxMs: number, defaultMs = DEFAULT_TIMEOUT_MS): number {
  const own = positive(hints.requestTimeoutMs);
  const seconds = positive(hints.stainlessTimeout) ?? positive(hints.stainlessReadTimeout);
  const ms = own ?? (seconds === null ? defaultMs : seconds * 1000);
  return Math.min(maxMs, Math.max(MIN_TIMEOUT_MS, ms));
}

export interface PatienceOf {
  /** See {@link timeoutOf}, ms. */
  readonly timeoutMs: number;
  /** How long clients wait for the first token who have not chosen, ms. */
  readonly usualMs: number;
  /** What an answer takes after its first token, ms, where its client waits for all of it; else 0. */
  readonly answerMs: number;
}

/**
 * How long a client waits for the first token, ms: as long as it says where it has chosen. What the SDKs send by themselves is no choice: ten
 * minutes are for long answers, and nobody looks at an empty page for so long.
 */
export function patienceOf(hints: TimeoutHints, { timeoutMs, usualMs, answerMs }: PatienceOf): number {
  const seconds = positive(hints.stainlessTimeout) ?? positive(hints.stainlessReadTimeout);
  const isChosen =
    positive(hints.requestTimeoutMs) !== null || (seconds !== null && seconds * 1000 !== DEFAULT_TIMEOUT_MS);
  return isChosen ? Math.max(0, timeoutMs - answerMs) : Math.min(usualMs, timeoutMs);
}

/** A stream that began in time is kept on the queue for this long, ms, so that another worker can go on with it. */
const STREAM_KEPT_MS = 3_600_000;
/** The broker drops queued work this long after the client's deadline, ms. Only a backstop: workers check the deadline. */
const KEPT_SLACK_MS = 60_000;

/** How long the broker keeps a request, ms. @param timeoutMs until its deadline. */
export function keptMs(timeoutMs: number, streamed: boolean): number {
  return (streamed ? Math.max(timeoutMs, STREAM_KEPT_MS) : timeoutMs) + KEPT_SLACK_MS;
}

function positive(text: string | undefined): number | null {
  const value = Number(text);
  return text !== undefined && Number.isFinite(value) && value > 0 ? value : null;
}
