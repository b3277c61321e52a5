/** What a worker carries, for the tests of this room. */
import type { WorkerLoad } from './bidding/worker-load.ts';

/** Tokens a second. */
export const RATE = 10_000;

/** Of a worker that does nothing. */
export const IDLE: WorkerLoad = {
  prefillBacklogTokens: 0,
  head: null,
  prefillTokensPerSec: RATE,
  running: 0,
  slots: 64,
  kvUse: null,
  kvFreeTokens: null,
  errorRate: 0,
  answerTokens: 200,
};
