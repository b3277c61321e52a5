/** `Idempotency-Key`: a request that is sent again under its key is the same request. */
import { idempotencyOf } from '@penstock/runs';
import type { Idempotency } from '@penstock/transport';
import type { FastifyRequest } from 'fastify';

/** Whether the client wants a repeated request to be the same request. */
export function isKeyed(request: FastifyRequest): boolean {
  return request.headers['idempotency-key'] !== undefined;
}

/**
 * @param what the kind of thing that is made: one key never stands for two.
 * @returns null where the client gave no key. @throws DispatchError for a key that is none.
 */
export function keyOf(request: FastifyRequest, what: string): Idempotency | null {
  const { tenant, headers } = request;
  return idempotencyOf(tenant, headers['idempotency-key'], what, request.body as Buffer);
}
