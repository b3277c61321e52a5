/** `Idempotency-Key`: a request that is sent again under its key is the same request. */
import { DispatchError, idempotencyKey, requestDigest } from '@penstock/protocol';
import type { Idempotency } from '@penstock/transport';
import type { FastifyRequest } from 'fastify';

const MAX_KEY = 255;

/** Whether the client wants a repeated request to be the same request. */
export function isKeyed(request: FastifyRequest): boolean {
  return request.headers['idempotency-key'] !== undefined;
}

/**
 * @param what the kind of thing that is made: one key never stands for two.
 * @returns null where the client gave no key. @throws DispatchError for a key that is none.
 */
export function idempotencyOf(request: FastifyRequest, what: string, body: Buffer): Idempotency | null {
  const key = request.headers['idempotency-key'];
  if (key === undefined) return null;
  if (typeof key !== 'string' || key.length === 0 || key.length > MAX_KEY)
    throw new DispatchError('invalid_request', {
      message: `Idempotency-Key must have 1 to ${MAX_KEY} characters.`,
      param: 'Idempotency-Key',
    });
  return { key: idempotencyKey(request.tenant, key), digest: requestDigest(what, body) };
}
