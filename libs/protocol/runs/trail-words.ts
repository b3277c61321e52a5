/** A trail in words. */
import type { TrailEvent } from './trail.ts';

export interface TrailLine {
  readonly event: TrailEvent;
  /** Since the first event, ms. */
  readonly afterMs: number;
  readonly text: string;
}

/** Why a request was offered to one worker alone, or to all. */
const PLACED: Readonly<Record<string, string>> = {
  cached: 'it should hold the beginning of the prompt in its cache',
  session: 'its session is there',
  spares_fast: 'a long prompt, to leave the last idle fast workers to shorter ones',
  no_match: 'nobody is known to hold enough of the prompt',
  owner_busy: 'who holds the beginning of the prompt would answer too late',
  owner_loaded: 'who holds the beginning of the prompt has had more than its share lately',
};
/** Why a request waited at the door of its ingress. */
const HELD: Readonly<Record<string, string>> = {
  over_share: 'its project is over its share, and has other requests waiting before it',
  no_room: 'engines have yet to begin what is on its way to them',
};
const MOVED: Readonly<Record<string, string>> = {
  not_taken: 'its worker did not take it in time',
  stranded: 'its shard has no worker that takes work',
};
const ENDED: Readonly<Record<string, string>> = {
  done: 'answered',
  completed: 'answered',
  client_left: 'the client left before the end',
  deadline: 'its time was up',
  attempts_spent: 'given up: it failed on every attempt',
  model_left: 'refused: its model was unloaded',
  queue_wait_too_long: 'refused: it would have waited for longer than its client does',
  cancelled: 'cancelled',
};

/** In the order in which things happened. */
export function trailInWords(events: readonly TrailEvent[]): TrailLine[] {
  const sorted = [...events].sort((a, b) => a.at - b.at);
  const from = sorted[0]?.at ?? 0;
  return sorted.map(event => ({ event, afterMs: Math.max(0, event.at - from), text: wordsOf(event) }));
}

/** @param reason of a placement. */
export function placementWords(reason: string): string {
  return PLACED[reason] ?? reason;
}

function wordsOf(event: TrailEvent): string {
  const { worker = 'a worker', attempt, ms, reason = '', message } = event;
  const why = message === undefined || message === '' ? '' : `: ${message}`;
  switch (event.kind) {
    case 'accepted':
      return acceptedWords(event);
    case 'held_at_door':
      return `waited at the door: ${HELD[reason] ?? reason}`;
    case 'placed':
      return event.worker === undefined
        ? `offered to all workers: ${placementWords(reason)}`
        : `offered to ${worker} alone: ${placementWords(reason)}`;
    case 'queued':
      return 'stored in the queue';
    case 'taken':
      return `taken by ${worker} as attempt ${attempt ?? 1}${ms === undefined ? '' : `, after ${duration(ms)} in the queue`}`;
    case 'first_token':
      return `first token${ms === undefined ? '' : ` after ${duration(ms)}`}`;
    case 'attempt_failed':
      return `attempt failed${event.worker === undefined ? '' : ` at ${worker}`}${reason === '' ? '' : ` (${reason})`}${why}`;
    case 'offered_to_all':
      return `offered to all workers after all: ${MOVED[reason] ?? reason}`;
    case 'converted':
      return 'the client had waited long enough: it became a job, and the client got 202';
    case 'ended':
      return `${ENDED[reason] ?? `ended: ${reason}`}${ms === undefined ? '' : ` after ${duration(ms)}`}${why}`;
  }
}

function acceptedWords({ by, endpoint, model, lane, size, promptTokens }: TrailEvent): string {
  const about = [
    ...(lane === undefined ? [] : [lane]),
    ...(size === undefined || size === 'any' ? [] : [size]),
    ...(promptTokens === undefined ? [] : [`about ${Math.round(promptTokens)} prompt tokens`]),
  ];
  const what = `${endpoint ?? 'a request'}${model === undefined ? '' : ` for ${model}`}`;
  return `accepted by ${by}: ${[what, ...about].join(', ')}`;
}

function duration(ms: number): string {
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}
