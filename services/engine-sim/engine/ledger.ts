/** What an engine did: counters, and its latest requests for tests that look for lost or repeated work. */

const RECENT_REQUESTS = 10_000;

export interface RequestRecord {
  readonly promptHash: string;
  readonly model: string;
  /** Index of the first token this engine was asked for: above 0 for a continuation. */
  readonly from: number;
  /** Tokens handed out so far, all choices together. */
  tokens: number;
  outcome: 'running' | 'finished' | 'aborted' | 'failed';
  /** Of its first choice: prompt tokens found in the cache, and when it came in and its first token was computed; see {@link Sequence}. */
  timeline: { cachedTokens: number; submittedAt: number; firstTokenAt: number } | null;
  /** Unix ms; 0 while it runs. */
  endedAt: number;
}

export interface EngineStats {
  readonly running: number;
  readonly waiting: number;
  readonly started: number;
  readonly finished: number;
  /** The client went away. */
  readonly aborted: number;
  /** Ended by a fault that was asked for. */
  readonly failed: number;
  /** Requests with a partial answer that is not the beginning of their real answer. */
  readonly mismatchedContinuations: number;
  readonly promptTokens: number;
  readonly generationTokens: number;
  readonly cachedTokens: number;
  /** Latest requests, oldest first; at most 10,000. */
  readonly startedIds: readonly Readonly<RequestRecord>[];
}

export class Ledger {
  readonly #recent: RequestRecord[] = [];
  started = 0;
  finished = 0;
  aborted = 0;
  failed = 0;
  mismatchedContinuations = 0;
  promptTokens = 0;
  generationTokens = 0;
  /** Prompt tokens found in the prefix cache. */
  cachedTokens = 0;

  start(request: { promptHash: string; model: string; from: number }): RequestRecord {
    const record: RequestRecord = { ...request, tokens: 0, outcome: 'running', timeline: null, endedAt: 0 };
    this.#recent[this.started++ % RECENT_REQUESTS] = record;
    return record;
  }

  /** Only the first ending of a request counts. */
  end(record: RequestRecord, outcome: 'finished' | 'aborted' | 'failed'): void {
    if (record.outcome !== 'running') return;
    record.outcome = outcome;
    record.endedAt = Date.now();
    this[outcome]++;
  }

  recent(): RequestRecord[] {
    const oldest = this.started > RECENT_REQUESTS ? this.started % RECENT_REQUESTS : 0;
    return [...this.#recent.slice(oldest), ...this.#recent.slice(0, oldest)];
  }
}
