/** Headers that all answers have, and those that tell a client whether and when to try again. */
import { type DispatchError, requestIdIn } from '@penstock/protocol';
import type { FastifyReply, FastifyRequest } from 'fastify';

type NamedRequest = Pick<FastifyRequest, 'id' | 'headers'>;

/** The client's own, so that it finds its request again; else one as OpenAI and Anthropic write it. */
export function publicRequestId(request: NamedRequest): string {
  return requestIdIn(request.headers) ?? `req_${request.id}`;
}

/** Headers of every answer, dispatched or not. @param tookMs since the request came. */
export function baseHeaders(request: NamedRequest, tookMs: number): Record<string, string | number> {
  return {
    'x-request-id': publicRequestId(request),
    'x-penstock-request-id': request.id,
    'openai-version': '2020-10-01',
    // What an engine wrote is taken for what it is called, and for no page.
    'x-content-type-options': 'nosniff',
    'openai-processing-ms': Math.max(0, Math.round(tookMs)),
  };
}

/** Longest pause the Node SDK obeys, ms. */
const MAX_PAUSE_MS = 60_000;

/**
 * `retry-after` and `x-should-retry`, where the error says anything about retrying. SDKs wait exactly that long, so
 * clients refused together would come back together: each gets a random pause, up to twice that of the error.
 * @param random from 0 to 1
 */
export function errorHeaders(error: DispatchError, random = Math.random()): Record<string, string> {
  const headers: Record<string, string> = { ...error.headers };
  if (error.retryAfterMs !== undefined) {
    const pauseMs = Math.min(MAX_PAUSE_MS, error.retryAfterMs * (1 + random));
    headers['retry-after'] = String(Math.max(1, Math.ceil(pauseMs / 1000)));
    headers['retry-after-ms'] = String(Math.ceil(pauseMs));
  }
  if (error.shouldRetry !== undefined) headers['x-should-retry'] = String(error.shouldRetry);
  return headers;
}

/** Answers with a body of JSON and the headers that all answers have. */
export function answer(reply: FastifyReply, request: FastifyRequest, body: object): FastifyReply {
  return reply.headers(baseHeaders(request, reply.elapsedTime)).send(body);
}
