/** What is kept of a key: never the key itself. */
import { z } from 'zod';
import { readRecord } from '../wire/json-message.ts';
import { assertToken } from '../wire/token.ts';

const keyRecord = z.object({
  /** `key_…`; the part behind it is in the key itself, in the clear. */
  id: z.string(),
  /** Null for an admin key. */
  project: z.string().nullable(),
  /** The service account that holds it; null for an admin key. */
  account: z.string().nullable(),
  name: z.string(),
  /** HMAC-SHA-256 of the whole key under a pepper, in hex. */
  hmac: z.string(),
  /** Names the pepper. */
  pepper: z.string(),
  /** The end of the key, by which people tell keys apart. */
  hint: z.string(),
  /** Unix seconds. */
  createdAt: z.number(),
  /** Unix seconds; null for a key that does not expire. */
  expiresAt: z.number().nullable(),
  /** What it may be used for; null for all that its project may do. */
  scopes: z.array(z.string()).nullable().default(null),
  /** As {@link Project.revision}. */
  revision: z.number(),
});
export type KeyRecord = z.infer<typeof keyRecord>;

/** Null for what another version wrote and this one cannot read. */
export function readKeyRecord(text: string): KeyRecord | null {
  return readRecord(keyRecord, text);
}

/** Redis hash: id → key. */
export const KEYS_KEY = 'penstock:keys';
/** Redis hash: id of a key → when it was used last, Unix seconds, to the minute. */
export const KEY_USES_KEY = 'penstock:key-uses';
/** Redis set: ids of the keys of a project, or of the operators. */
export function keyListKey(project: string | null): string {
  return project === null ? 'penstock:admin-keys' : `penstock:project-keys:${assertToken(project)}`;
}
