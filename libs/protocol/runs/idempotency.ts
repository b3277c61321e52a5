/** `Idempotency-Key`: the same key never makes a second run. The client's text is only ever hashed. */
import { hash } from 'node:crypto';
import { assertToken } from '../wire/token.ts';

/** Longest key a client may send, characters. */
export const MAX_IDEMPOTENCY_KEY = 255;

/** Redis key of what a client's `Idempotency-Key` stands for. The client's text is only ever hashed. */
export function idempotencyKey(tenant: string, clientKey: string): string {
  return `penstock:idem:${assertToken(tenant)}:${hash('sha256', clientKey).slice(0, 32)}`;
}

/** Digest that tells one request from another under the same `Idempotency-Key`. */
export function requestDigest(path: string, body: Uint8Array): string {
  return hash('sha256', Buffer.concat([Buffer.from(`${path}\n`), body]));
}
