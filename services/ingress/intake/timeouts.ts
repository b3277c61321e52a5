/** How long a client wants to wait, as its headers say. */
import { timeoutOf } from '@penstock/policy';
import type { FastifyRequest } from 'fastify';

const DAY_MS = 24 * 3600 * 1000;

/** Of a call whose client waits, ms. */
export function callTimeoutOf(request: FastifyRequest): number {
  return timeoutOf({
    requestTimeoutMs: textOf(request, 'x-request-timeout-ms'),
    stainlessTimeout: textOf(request, 'x-stainless-timeout'),
    stainlessReadTimeout: textOf(request, 'x-stainless-read-timeout'),
  });
}

/** Of a stored run, ms; a day where the client did not say. The SDKs' time-outs are about this connection, not about the run. */
export function runTimeoutOf(request: FastifyRequest): number {
  const requestTimeoutMs = textOf(request, 'x-request-timeout-ms');
  return requestTimeoutMs === undefined ? DAY_MS : timeoutOf({ requestTimeoutMs }, DAY_MS);
}

function textOf(request: FastifyRequest, name: string): string | undefined {
  const value = request.headers[name];
  return typeof value === 'string' ? value : undefined;
}
