import type { Lane, SizeClass } from '@penstock/protocol';

/** What waits in one queue. */
export interface SurveyedQueue {
  readonly shard: number;
  /** Slug of the queue. */
  readonly slug: string;
  readonly lane: Lane;
  readonly size: SizeClass;
  /** Requests that wait for their first worker. */
  readonly waiting: number;
  /** Requests that a worker has, or that wait for another attempt. */
  readonly delivered: number;
  /** When the one was queued that has waited longest, Unix ms; null where none waits, or it was not looked at. */
  readonly oldestAt: number | null;
}

/** How full one shard is. */
export interface SurveyedStream {
  readonly shard: number;
  readonly messages: number;
  readonly bytes: number;
  readonly mostMessages: number;
  readonly mostBytes: number;
}

/** The work queue of a region from outside: for those who watch it, not for dispatch. */
export interface QueueSurvey {
  /** @throws where the broker cannot say, or has no such region. */
  look(): Promise<{
    readonly queues: readonly SurveyedQueue[];
    readonly streams: readonly SurveyedStream[];
    readonly deadLetters: number;
  }>;
  close(): Promise<void>;
}

/** What Redis holds, from outside. */
export interface StoreSurvey {
  /** @throws where Redis cannot say. */
  look(): Promise<{
    readonly usedBytes: number;
    /** Null where the server has no limit of its own. */
    readonly mostBytes: number | null;
    /** Events that are not yet handed out to webhook endpoints. */
    readonly outboxEvents: number;
    /** When the first of them happened, Unix ms. */
    readonly outboxOldestAt: number | null;
    /** Jobs, responses and lines of batches that are not final. */
    readonly openRuns: number;
    readonly openBatches: number;
  }>;
  readonly connected: boolean;
  close(): Promise<void>;
}
