/** Headers of Standard Webhooks for one attempt. Each attempt is signed anew: receivers refuse what was signed long ago. */
import type { WebhookEndpoint } from '@penstock/protocol';
import { Webhook } from 'standardwebhooks';

/** The secrets that sign at a time: the current one first, and what a rotation left behind while its time lasts. */
export function signingSecrets(endpoint: WebhookEndpoint, now: number): string[] {
  const { secret, oldSecret } = endpoint;
  return oldSecret !== null && now < oldSecret.until ? [secret, oldSecret.secret] : [secret];
}

/** @param now Unix ms of this attempt. @param body the very text that is posted. */
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
