/** Signing secrets, as Standard Webhooks 1.0.0 has them. */

export const SECRET_PREFIX = 'whsec_';
/** Bytes of key that Standard Webhooks allows. */
const SECRET_BYTES = { least: 24, most: 64 } as const;

/** @param key random bytes, 24 to 64. */
export function toSecret(key: Buffer): string {
  return `${SECRET_PREFIX}${key.toString('base64')}`;
}

export function isSecret(text: string): boolean {
  if (!text.startsWith(SECRET_PREFIX)) return false;
  const key = Buffer.from(text.slice(SECRET_PREFIX.length), 'base64');
  const { least, most } = SECRET_BYTES;
  return toSecret(key) === text && key.length >= least && key.length <= most;
}
