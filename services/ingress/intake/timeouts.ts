/** How long a client wants to wait, as its headers say. */
import { patienceOf, type TimeoutHints, timeoutOf } from '@penstock/policy';
import { MAX_CALL_TIMEOUT_MS } from '@penstock/protocol';
import { runTimeoutMs } from '@penstock/runs';
import type { FastifyRequest } from 'fastify';

/** Of a call whose client waits, ms. */
export function callTimeoutOf(request: FastifyRequest): number {
  return timeoutOf(hintsIn(request), MAX_CALL_TIMEOUT_MS);
}

/**
 * How long its client waits for the first token, ms.
 * @param timeoutMs for the answer, or the first token of a stream. @param waitMs as its client prefers; 0 where it does not say.
 */
export function callPatienceOf(
  request: FastifyRequest,
  of: {
    readonly timeoutMs: number;
    readonly waitMs: number;
    readonly usualMs: number;
    readonly answerMs: number;
  },
): number {
  const asked = of.waitMs > 0 ? { requestTimeoutMs: String(of.waitMs) } : {};
  return patienceOf({ ...hintsIn(request), ...asked }, of);
}

function hintsIn(request: FastifyRequest): TimeoutHints {
  return {
    requestTimeoutMs: textOf(request, 'x-request-timeout-ms'),
    stainlessTimeout: textOf(request, 'x-stainless-timeout'),
    stainlessReadTimeout: textOf(request, 'x-stainless-read-timeout'),
  };
}

/** Of a stored run, ms. */
export function runTimeoutOf(request: FastifyRequest): number {
  return runTimeoutMs(textOf(request, 'x-request-timeout-ms'));
}

function textOf(request: FastifyRequest, name: string): string | undefined {
  const value = request.headers[name];
  return typeof value === 'string' ? value : undefined;
}
