/** When queued work will begin, from the backlog ahead of it and the rate at which its lane is taken. */

/** One lane of one model as last sampled. */
export interface LaneState {
  /** Requests waiting for a worker. */
  readonly pending: number;
  /** Requests started per second, smoothed; null until enough was observed. */
  readonly startsPerS: number | null;
}

export interface WorkAhead {
  /** Requests that may be taken first; capped at those pending. */
  readonly ahead: number;
  /** Estimated wait before new work of the model is prefilled, over the workers that take it, s. */
  readonly engineWaitS: number;
  /** Requests all workers of the model hold at once; 0 when there are none. */
  readonly slots: number;
}

export interface Eta {
  /** `next`: with the next free slot. `soon`: within a minute. `later`: after that, or not known. */
  readonly position: 'next' | 'soon' | 'later';
  /** Estimated ms until an engine begins; an upper estimate, since work ahead may be cancelled. */
  readonly etaMs: number;
  /** Suggested delay before the client polls again, ms. */
  readonly pollMs: number;
}

/** How long a request is assumed to hold its slot in a lane without observations, s. */
const UNKNOWN_SERVICE_S = 10;
/** Reported when no worker serves the model and nothing better is known, s. */
const NO_WORKER_S = 60;
/** Rates of a barely moving lane below this are noise, requests/s. */
const LEAST_RATE = 0.01;
const NEXT_S = 1;
const SOON_S = 60;
const POLL = { least: 250, most: 30_000, slack: 250 } as const;

export function estimateStart(lane: LaneState, work: WorkAhead): Eta {
  const ahead = Math.min(work.ahead, lane.pending);
  const queueS = ahead === 0 ? 0 : ahead / startRate(lane, work);
  const etaS = work.slots === 0 ? Math.max(NO_WORKER_S, queueS) : queueS + work.engineWaitS;
  const isLate = work.slots === 0 || etaS > SOON_S;
  const position = isLate ? 'later' : etaS > NEXT_S || ahead > work.slots ? 'soon' : 'next';
  const etaMs = Math.round(1000 * etaS);
  // Half-way: an upper estimate shrinks, and a client that comes a little early learns the better one.
  return { position, etaMs, pollMs: clampPoll(etaMs / 2 + POLL.slack) };
}

/** Poll delay for a running request, ms: grows with the time it has run. */
export function pollRunning(runningForMs: number): number {
  return Math.min(5000, clampPoll(runningForMs / 4));
}

function startRate(lane: LaneState, work: WorkAhead): number {
  if (lane.startsPerS !== null) return Math.max(LEAST_RATE, lane.startsPerS);
  return Math.max(1, work.slots) / UNKNOWN_SERVICE_S;
}

function clampPoll(ms: number): number {
  return Math.round(Math.min(POLL.most, Math.max(POLL.least, ms)));
}

/** Weight of a new observation of a lane's rate. */
const LEARN = 0.3;

/**
 * The rate at which a lane is taken, learned from two samples. A lane that was empty teaches nothing: it could have been taken
 * faster.
 */
export function learnStarts(
  current: number | null,
  seen: { readonly started: number; readonly seconds: number; readonly backlog: number },
): number | null {
  if (!(seen.seconds > 0) || seen.backlog === 0) return current;
  const rate = seen.started / seen.seconds;
  return current === null ? rate : current + LEARN * (rate - current);
}
