/** What is measured. Names and definitions: loadtest/README.md. */
import { Counter, Rate, Trend } from 'k6/metrics';

/** Request sent to first byte of the answer: the server holds the headers until the first token. */
export const ttft = new Trend('llm_ttft', true);
/** (last byte − first byte) / (output tokens − 1). */
export const tpot = new Trend('llm_tpot', true);
/** Request sent to last byte; of a job or batch: submitted to done. */
export const e2e = new Trend('llm_e2e', true);
/** From acceptance to a worker's hands, as the server reports it. */
export const queueWait = new Trend('llm_queue_wait', true);
/** Requests and jobs that were sent, counted before they are. */
export const requests = new Counter('llm_requests');
export const outputTokens = new Counter('llm_output_tokens');
export const promptTokens = new Counter('llm_prompt_tokens');
/** Share of the requests that ended well within both objectives. */
export const sloGood = new Rate('llm_slo_good');
/** Requests that did not end well, tagged `kind`. */
export const errors = new Counter('llm_errors');
/** Those of them that were neither answered nor clearly refused (429, 503, 504): nothing may be lost, at any load. */
export const lost = new Counter('llm_lost');
/** Prompt tokens found in a cache / prompt tokens, one value a request. */
export const cachedRatio = new Trend('llm_cached_ratio');
/** Of a later turn: prompt tokens found in a cache / tokens of the conversation so far. */
export const cacheHit = new Trend('llm_cache_hit');
/** Submitting a job or a batch, until it is accepted. */
export const accept = new Trend('llm_accept', true);
/** A job: submitted until its webhook has been delivered, to within a quarter of a second. */
export const webhook = new Trend('llm_webhook', true);
/** Lines of a batch, as they are done. */
export const batchLines = new Counter('llm_batch_lines');

export type Lane = 'interactive' | 'background' | 'batch';
export interface Tags {
  readonly model: string;
  readonly lane: Lane;
  readonly region: string;
  readonly mode: 'stream' | 'job' | 'batch';
  readonly [more: string]: string;
}

/** One request that did not end well. */
export function fail(kind: string, tags: Tags): void {
  errors.add(1, { ...tags, kind });
  if (!/^(429|503|504)\b/.test(kind)) lost.add(1, { ...tags, kind });
  sloGood.add(false, { ...tags });
}

/** k6 omits p(99) by default. */
export const TREND_STATS = ['avg', 'min', 'med', 'p(90)', 'p(95)', 'p(99)', 'p(99.9)', 'max', 'count'];
