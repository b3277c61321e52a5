/**
 * What the console shows of a region at one moment. It crosses from the server to the page as JSON, the first time whole and then as merge
 * patches, in which null means "gone": so nothing here is null, and what is not known is absent.
 */

/** From what is worst to what is best; see {@link WORKER_STATES}. */
export type WorkerState = 'silent' | 'sick' | 'drained' | 'draining' | 'full' | 'working' | 'idle';

export interface WorkerRow {
  readonly state: WorkerState;
  /** Names of its models. */
  readonly models: readonly string[];
  readonly shard: number;
  readonly slots: number;
  /** Requests that it runs; absent where it does not tell. */
  readonly running?: number;
  /** Wait before it would begin a new prompt, s. */
  readonly waitS: number;
  /** Prompt tokens a second, as learned; 0 before. */
  readonly tokensPerSec: number;
  /** KV cache in use, 0–1. */
  readonly kvUse?: number;
  /** Share of recent attempts that failed, 0–1. */
  readonly errorRate?: number;
  /** By kind of work: the level it bids, or why it does not. */
  readonly bids?: Readonly<Record<string, number | string>>;
  /** Output tokens a second. */
  readonly outputPerS?: number;
  /** Seconds since it was heard, once that is more than a heartbeat should take. */
  readonly silentS?: number;
}

export type Lane = 'interactive' | 'background' | 'batch';

/** `no_worker`: something waits, and nobody takes it. `late`: longer than the target. `full`: something waits, and no slot is free. */
export type QueueState = 'no_worker' | 'late' | 'full' | 'waiting' | 'active' | 'idle';

export interface QueueRow {
  readonly state: QueueState;
  readonly model: string;
  /** The queue of the model's requests to endpoints that not every engine has. */
  readonly isEndpointQueue?: true;
  readonly lane: Lane;
  /** Messages that no worker has taken yet. */
  readonly queued: number;
  /** How long the first of them has been waiting, s. */
  readonly oldestS: number;
  /** Workers that serve it, whether they take work now or not; of these, those that do; their slots, and how many are free. */
  readonly workers: number;
  readonly ready: number;
  readonly slots: number;
  readonly free: number;
}

export interface IngressRow {
  /** `silent`: not heard from for longer than three statuses take. */
  readonly state: 'up' | 'silent';
  readonly open: number;
  readonly arrivals: number;
  readonly finished: Readonly<Record<string, number>>;
  readonly firstTokens: number;
  readonly silentS?: number;
}

export interface Totals {
  readonly arrivalsPerS: number;
  readonly servedPerS: number;
  readonly open: number;
  readonly queued: number;
  readonly oldestS: number;
  /** Of the workers that are heard. */
  readonly running: number;
  readonly slots: number;
  readonly outputPerS: number;
  /** Of the last minute, and absent while nothing ended in it: share of requests within the target, time to first token, s. */
  readonly inTarget?: number;
  readonly ttftP50S?: number;
  readonly ttftP99S?: number;
  /** Of all workers that are heard; absent where no price is configured. */
  readonly costPerHour?: number;
}

/** Of the last minute, over all ingress nodes. */
export interface Traffic {
  /** Requests by why they were offered to one worker or to all, in words. */
  readonly placements: Readonly<Record<string, number>>;
  /** By model. */
  readonly prompts: Readonly<Record<string, PromptRow>>;
}

/** Prompt tokens; of these, how many were expected to be in the cache of the worker that was chosen, and how many its engine found there. */
export interface PromptRow {
  readonly tokens: number;
  readonly expected: number;
  readonly cached: number;
}

export type Severity = 'late' | 'warn' | 'ok';

export interface RegionState {
  readonly region: string;
  /** Unix ms. */
  readonly at: number;
  readonly broker: 'up' | 'down';
  readonly targetTtftS: number;
  readonly incident: { readonly severity: Severity; readonly text: string };
  readonly totals: Totals;
  readonly traffic: Traffic;
  /** By name. */
  readonly ingress: Readonly<Record<string, IngressRow>>;
  readonly workers: Readonly<Record<string, WorkerRow>>;
  /** By queue and lane. */
  readonly queues: Readonly<Record<string, QueueRow>>;
}

/** What the charts draw of one second, in this order; null where nothing is known. */
export const SAMPLE_FIELDS = [
  ...['at', 'arrivalsPerS', 'servedPerS', 'waitP50S', 'waitP99S'],
  ...['running', 'slots', 'outputPerS', 'queued'],
] as const;
export type Sample = readonly (number | null)[];
