/**
 * How long an engine may take over one answer. Each limit belongs to a phase: a stream has to begin, and then to go on; an answer
 * in one piece shows nothing until it is whole, so it has the time that the request has.
 */
import type { FailedMeta, WorkMeta } from '@penstock/protocol';
import { RUNNING_SLACK_MS } from '@penstock/runs';
import type { Clock } from '@penstock/runtime';

/** Of streams. */
export interface StreamLimits {
  /** From the call to the first event that says something, ms. Headers and comments say nothing. */
  readonly firstTokenMs: number;
  /** From one event to the next, ms. */
  readonly betweenTokensMs: number;
}

/**
 * An answer in one piece whose client waits is ended by its ingress, which alone knows how long that is: the call may have become a
 * job. This is for the case that there is no ingress any more.
 */
const LONGEST_CALL_MS = 24 * 3600 * 1000;

type Phase = 'first_token' | 'between_tokens' | 'whole';

export class PhaseLimit {
  readonly #limits: StreamLimits;
  readonly #clock: Pick<Clock, 'monotonic'>;
  readonly #onOver: (failure: FailedMeta) => void;
  #phase: Phase;
  #limitMs: number;
  #since: number;
  #timer: NodeJS.Timeout;

  /** @param onOver called once, unless stopped before. */
  constructor(
    meta: WorkMeta,
    limits: StreamLimits,
    clock: Pick<Clock, 'monotonic'>,
    onOver: (failure: FailedMeta) => void,
  ) {
    this.#limits = limits;
    this.#clock = clock;
    this.#onOver = onOver;
    this.#phase = meta.stream ? 'first_token' : 'whole';
    this.#limitMs = meta.stream ? limits.firstTokenMs : wholeMs(meta);
    this.#since = clock.monotonic();
    this.#timer = this.#arm(this.#limitMs);
  }

  /** An event of the answer came: the first that says something, or any behind it. Cheap: it moves no timer. */
  heard(): void {
    this.#since = this.#clock.monotonic();
    if (this.#phase !== 'first_token') return;
    this.#phase = 'between_tokens';
    this.#limitMs = this.#limits.betweenTokensMs;
    clearTimeout(this.#timer);
    this.#timer = this.#arm(this.#limitMs);
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  #arm(ms: number): NodeJS.Timeout {
    return setTimeout(() => this.#look(), ms).unref();
  }

  #look(): void {
    const restMs = this.#since + this.#limitMs - this.#clock.monotonic();
    // A timer may fire a fraction of a millisecond early.
    if (restMs >= 1) this.#timer = this.#arm(restMs);
    else this.#onOver(failureIn(this.#phase, this.#limitMs));
  }
}

/** Both times are of one clock, that of the ingress, so their difference is right however wrong this machine's clock is. */
function wholeMs({ stored, deadlineAt, acceptedAt }: WorkMeta): number {
  return stored ? Math.max(0, deadlineAt - acceptedAt) + RUNNING_SLACK_MS : LONGEST_CALL_MS;
}

function failureIn(phase: Phase, limitMs: number): FailedMeta {
  const seconds = `${Math.round(limitMs / 100) / 10} s`;
  if (phase === 'whole') {
    const message = 'the engine did not answer within the time limit of the request';
    return { code: 'deadline_exceeded', message, retryable: false };
  }
  const message =
    phase === 'first_token'
      ? `the engine did not begin to answer within ${seconds}`
      : `the engine was silent for ${seconds} in the middle of its answer`;
  return { code: 'engine_timeout', message, retryable: true };
}
