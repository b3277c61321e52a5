/** How long a client wants to wait, as its headers say. */
import { timeoutOf } from '@penstock/policy';
import { MAX_CALL_TIMEOUT_MS } from '@penstock/protocol';
import { runTimeoutMs } from '@penstock/runs';
import type { FastifyRequest } from 'fastify';

/** Of a call whose client waits, ms. */
export function callTimeoutOf(request: FastifyRequest): number {
  const hints = {
    requestTimeoutMs: textOf(request, 'x-request-timeout-ms'),
    stainlessTimeout: textOf(request, 'x-stainless-timeout'),
    stainlessReadTimeout: textOf(request, 'x-stainless-read-timeout'),
  };
  return timeoutOf(hints, MAX_CALL_TIMEOUT_MS);
}

/** Of a stored run, ms. */
export function runTimeoutOf(request: FastifyRequest): number {
  return runTimeoutMs(textOf(request, 'x-request-timeout-ms'));
}

function textOf(request: FastifyRequest, name: string): string | undefined {
  const value = request.headers[name];
  return typeof value === 'string' ? value : undefined;
}
