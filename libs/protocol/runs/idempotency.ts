/** `Idempotency-Key`: a repeated key never starts a second run. */
import { hash } from 'node:crypto';
import { assertToken } from '../wire/token.ts';

/** Longest key a client may send, characters. */
export const MAX_IDEMPOTENCY_KEY = 255;

/** Redis key of what a client's `Idempotency-Key` stands for. The client's text is only ever hashed. */
export function idempotencyKey(tenant: string, clientKey: string): string {
  return `penstock:idem:${assertToken(tenant)}:${hash('sha256', clientKey).slice(0, 32)}`;
}

/** Digest by which a repeated key is recognised as the same request or another one. */
export function requestDigest(path: string, body: Uint8Array): string {
  return hash('sha256', Buffer.concat([Buffer.from(`${path}\n`), body]));
}
