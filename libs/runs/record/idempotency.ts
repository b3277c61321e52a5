/** The client's `Idempotency-Key`. */
import { DispatchError, idempotencyKey, MAX_IDEMPOTENCY_KEY, requestDigest } from '@penstock/protocol';
import type { Idempotency } from '@penstock/transport';

/**
 * @param key the header; undefined where there is none.
 * @param what the kind of resource that is created: one key never stands for two.
 * @throws DispatchError `invalid_request` for a key that is empty, too long or given twice.
 */
export function idempotencyOf(
  tenant: string,
  key: string | readonly string[] | undefined,
  what: string,
  body: Uint8Array,
): Idempotency | null {
  if (key === undefined) return null;
  if (typeof key !== 'string' || key.length === 0 || key.length > MAX_IDEMPOTENCY_KEY)
    throw new DispatchError('invalid_request', {
      message: `Idempotency-Key must have 1 to ${MAX_IDEMPOTENCY_KEY} characters.`,
      param: 'Idempotency-Key',
    });
  return { key: idempotencyKey(tenant, key), digest: requestDigest(what, body) };
}

/** The key was used for another request. */
export function keyReused(): DispatchError {
  return new DispatchError('idempotency_key_reused', { param: 'Idempotency-Key' });
}
