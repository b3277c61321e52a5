/** OpenAI's own client in front of a stack, with its attempts counted. */
import OpenAI, { type ClientOptions } from 'openai';
import { API_KEY, type Stack } from './stack.ts';

/** One HTTP request the SDK made. */
export interface SdkAttempt {
  readonly path: string;
  /** What the SDK says: 0 for the first. */
  readonly retryCount: number;
  /** Monotonic ms. */
  readonly at: number;
  status: number;
  /** `retry-after-ms` of the answer. */
  pauseMs: number | null;
}

export function sdk(stack: Stack, options: ClientOptions = {}): OpenAI {
  return new OpenAI({ baseURL: `${stack.url}/v1`, apiKey: API_KEY, maxRetries: 0, ...options });
}

/** A client as people have it, with two retries, and a list of what it sent. */
export function countedSdk(stack: Stack, options: ClientOptions = {}) {
  const attempts: SdkAttempt[] = [];
  const counted: typeof fetch = async (input, init) => {
    const retryCount = Number(new Headers(init?.headers).get('x-stainless-retry-count'));
    const path = new URL(input instanceof Request ? input.url : input).pathname;
    const attempt: SdkAttempt = { path, retryCount, at: performance.now(), status: 0, pauseMs: null };
    attempts.push(attempt);
    const response = await fetch(input, init);
    const pause = response.headers.get('retry-after-ms');
    attempt.status = response.status;
    attempt.pauseMs = pause === null ? null : Number(pause);
    return response;
  };
  return { client: sdk(stack, { maxRetries: 2, ...options, fetch: counted }), attempts };
}
