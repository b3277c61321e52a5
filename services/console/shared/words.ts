/** Numbers and states in words, the same wherever they are shown. */
import type { QueueState, WorkerState } from './region-state.ts';

interface Look {
  /** Never the colour alone: each state has a mark and a word. */
  readonly mark: string;
  readonly word: string;
}

/** What is worst first. */
export const WORKER_STATES: Readonly<Record<WorkerState, Look & { readonly about: string }>> = {
  silent: {
    mark: '×',
    word: 'silent',
    about: 'not heard from: it gets nothing, and what it ran is run elsewhere',
  },
  sick: {
    mark: '!',
    word: 'sick',
    about: 'its engine fails or does not answer: it takes nothing until two probes pass',
  },
  drained: {
    mark: '‖',
    word: 'drained',
    about: 'an operator said so: what runs may finish, nothing new is taken',
  },
  draining: {
    mark: '↓',
    word: 'draining',
    about: 'it shuts down: what runs may finish, nothing new is taken',
  },
  full: { mark: '■', word: 'full', about: 'every slot is in use' },
  working: { mark: '◧', word: 'working', about: 'it runs requests and takes more' },
  idle: { mark: '□', word: 'idle', about: 'it waits for work' },
};

/** What is worst first. */
export const QUEUE_STATES: Readonly<Record<QueueState, Look>> = {
  no_worker: { mark: '×', word: 'no worker' },
  late: { mark: '!', word: 'late' },
  full: { mark: '■', word: 'at capacity' },
  waiting: { mark: '◧', word: 'waiting' },
  active: { mark: '▸', word: 'active' },
  idle: { mark: '□', word: 'idle' },
};

/** How it stands with a request. */
export const REQUEST_STATES = {
  failed: { mark: '×', word: 'failed' },
  under_way: { mark: '▸', word: 'under way' },
  client_left: { mark: '‖', word: 'given up' },
  done: { mark: '□', word: 'done' },
} as const satisfies Readonly<Record<string, Look>>;
export type RequestState = keyof typeof REQUEST_STATES;

/** A request in the list of the latest. What is not known is null. */
export interface RequestRow {
  readonly id: string;
  /** Unix ms. */
  readonly at: number;
  readonly tenant: string | null;
  readonly model: string | null;
  readonly endpoint: string | null;
  readonly state: RequestState;
  /** From its first event to its last. */
  readonly ms: number;
  /** The last thing that happened, in words. */
  readonly last: string;
}

/** Why a worker makes no bid; other reasons are shown as they are. */
const NO_BID: Readonly<Record<string, string>> = {
  full: 'every slot is in use',
  kv_full: 'the KV cache has no room',
  over_reserve: 'a better worker should take it',
  sick: 'its engine is sick, or it is cut off from Redis',
  draining: 'it takes nothing new',
};

export function bidWords(bid: number | string): string {
  return typeof bid === 'number' ? `level ${bid}` : `no: ${NO_BID[bid] ?? bid.replaceAll('_', ' ')}`;
}

/** A duration: `40 ms`, `1.5 s`, `14 s`, `3 min`, `2 h`. */
export function seconds(s: number): string {
  if (s >= 2 * 3600) return `${Math.round(s / 3600)} h`;
  if (s >= 120) return `${Math.round(s / 60)} min`;
  if (s >= 10) return `${Math.round(s)} s`;
  return s >= 1 ? `${s.toFixed(1)} s` : `${Math.round(1000 * s)} ms`;
}

/** A rate or a number with at most three digits that count. */
export function number(value: number): string {
  if (value >= 1_000_000) return `${(value / 1_000_000).toFixed(1)} M`;
  if (value >= 10_000) return `${Math.round(value / 1000)} k`;
  if (value >= 100 || Number.isInteger(value)) return String(Math.round(value));
  return value.toFixed(value >= 10 ? 1 : 2);
}

/** Rounded down: what is not all never reads 100 %. */
export function percent(share: number): string {
  const down = Math.floor(share * 1000) / 10;
  return `${down >= 99 && down < 100 ? down.toFixed(1) : Math.floor(down)} %`;
}

export function count(n: number, thing: string, things = `${thing}s`): string {
  return `${n} ${n === 1 ? thing : things}`;
}

/** An engine may have hundreds of adapters. @param most that are named. */
export function modelWords(models: readonly string[], most: number): string {
  if (models.length === 0) return 'none yet';
  const others = models.length - most;
  return `${models.slice(0, most).join(', ')}${others > 0 ? ` and ${others} more` : ''}`;
}

const NAMES = new Intl.Collator('en', { numeric: true });

/** `w-2` before `w-10`. */
export function byName([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number {
  return NAMES.compare(a, b);
}
