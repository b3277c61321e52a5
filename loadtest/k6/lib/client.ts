/** One client of Penstock: asks, measures, and says what went wrong. */
import { check } from 'k6';
import http, { type RefinedResponse } from 'k6/http';
import { KEY, REGION, SLO_TPOT_MS, SLO_TTFT_MS, TIMEOUT_S, URL } from './env.ts';
import * as metrics from './metrics.ts';
import { cachedTokens, type Ending, readStream, type Usage } from './stream.ts';

export type Reply = RefinedResponse<'text'>;

export interface ChatRequest {
  readonly model: string;
  readonly messages: readonly { readonly role: string; readonly content: string }[];
  readonly maxTokens: number;
  /** Requests with the same key share a beginning. */
  readonly cacheKey?: string;
  readonly tags?: Readonly<Record<string, string>>;
}

export interface ChatAnswer {
  /** Null when the request ended well. */
  readonly error: string | null;
  readonly usage: Usage | null;
  /** The whole stream as it came. */
  readonly body: string;
}

/** Sends one request. @param name tag of its HTTP metrics, in place of the URL. */
export async function send(
  method: string,
  path: string,
  body: string | Record<string, ReturnType<typeof http.file> | string> | null,
  name: string,
  more: { headers?: Record<string, string>; tags?: Record<string, string> } = {},
): Promise<Reply> {
  const json: Record<string, string> = typeof body === 'string' ? { 'content-type': 'application/json' } : {};
  return http.asyncRequest(method, `${URL}${path}`, body, {
    headers: { authorization: `Bearer ${KEY}`, ...json, ...more.headers },
    tags: { name, ...more.tags },
    timeout: `${TIMEOUT_S}s`,
    responseType: 'text',
  });
}

/** A streamed chat completion, measured. */
export async function chat(request: ChatRequest): Promise<ChatAnswer> {
  const tags: metrics.Tags = {
    model: request.model,
    lane: 'interactive',
    region: REGION,
    mode: 'stream',
    ...request.tags,
  };
  const body = {
    model: request.model,
    messages: request.messages,
    max_tokens: request.maxTokens,
    stream: true,
    stream_options: { include_usage: true },
    ...(request.cacheKey === undefined ? {} : { prompt_cache_key: request.cacheKey }),
    ...ignoreEos(),
  };
  metrics.requests.add(1, { ...tags });
  const reply = await send('POST', '/v1/chat/completions', JSON.stringify(body), 'chat', {
    tags: { ...tags },
  });
  const ending = endingOf(reply);
  check(ending, { 'answer is whole': end => end.error === null }, { ...tags });
  record(reply, ending, tags);
  return { error: ending.error, usage: ending.usage, body: reply.body ?? '' };
}

/** vLLM and SGLang go on to `max_tokens` when told to, so that a run produces the lengths that were drawn. */
export function ignoreEos(): { ignore_eos?: true } {
  return __ENV['IGNORE_EOS'] === '1' ? { ignore_eos: true } : {};
}

function endingOf(reply: Reply): Ending {
  const failed = failureOf(reply);
  return failed === null ? readStream(reply.body ?? '') : { error: failed, usage: null, early: false };
}

/** A short name for what went wrong with an HTTP exchange, or null: `timeout`, `connection`, `429 queue_full`. */
export function failureOf(reply: Reply, expected: readonly number[] = [200]): string | null {
  if (reply.status === 0) return /time ?out/i.test(reply.error) ? 'timeout' : 'connection';
  if (expected.indexOf(reply.status) >= 0) return null;
  const code = /"code"\s*:\s*"([a-z_]{1,40})"/.exec(reply.body ?? '')?.[1];
  return code === undefined ? String(reply.status) : `${reply.status} ${code}`;
}

function record(reply: Reply, ending: Ending, tags: metrics.Tags): void {
  if (ending.error !== null || ending.usage === null) {
    metrics.fail(ending.error ?? 'no usage', tags);
    return;
  }
  const { timings } = reply;
  // Headers that left before the first token say nothing of it: the whole time is its upper bound.
  const ttftMs = ending.early ? timings.duration : timings.waiting;
  const tokens = ending.usage.completion_tokens;
  const tpotMs = tokens > 1 && !ending.early ? timings.receiving / (tokens - 1) : 0;
  metrics.ttft.add(ttftMs, { ...tags });
  metrics.e2e.add(timings.duration, { ...tags });
  if (tokens > 1 && !ending.early) metrics.tpot.add(tpotMs, { ...tags });
  metrics.outputTokens.add(tokens, { ...tags });
  metrics.promptTokens.add(ending.usage.prompt_tokens, { ...tags });
  metrics.cachedRatio.add(cachedShare(ending.usage), { ...tags });
  const waited = header(reply, 'X-Penstock-Queue-Wait-Ms');
  if (waited !== null) metrics.queueWait.add(Number(waited), { ...tags });
  metrics.sloGood.add(ttftMs <= SLO_TTFT_MS && tpotMs <= SLO_TPOT_MS, { ...tags });
}

function cachedShare(usage: Usage): number {
  return usage.prompt_tokens > 0 ? cachedTokens(usage) / usage.prompt_tokens : 0;
}

/** k6 writes header names as Go does, `X-Request-Id`. */
export function header(reply: Reply, name: string): string | null {
  return reply.headers[name] ?? reply.headers[name.toLowerCase()] ?? null;
}

/** Resolves after so many ms; other virtual users go on. */
export function pause(ms: number): Promise<void> {
  return new Promise(resolve => {
    setTimeout(() => resolve(), ms);
  });
}
