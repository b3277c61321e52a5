/** Headers of Standard Webhooks for one attempt. Each attempt gets a new signature: receivers refuse an old timestamp. */
import type { WebhookEndpoint } from '@penstock/protocol';
import { Webhook } from 'standardwebhooks';

/** The secrets to sign with: the current one first, then the one that a rotation replaced, until it expires; none where they cannot be opened. */
export function signingSecrets(endpoint: WebhookEndpoint, now: number): string[] {
  const { secret, oldSecret } = endpoint;
  if (secret === null) return [];
  return oldSecret !== null && now < oldSecret.until ? [secret, oldSecret.secret] : [secret];
}

/** @param now Unix ms of this attempt. @param body exactly the text that is posted. */
export function signedHeaders(
  secrets: readonly string[],
  id: string,
  now: number,
  body: string,
): Record<string, string> {
  const at = new Date(now);
  return {
    'webhook-id': id,
    'webhook-timestamp': String(Math.floor(now / 1000)),
    'webhook-signature': secrets.map(secret => new Webhook(secret).sign(id, at, body)).join(' '),
  };
}
