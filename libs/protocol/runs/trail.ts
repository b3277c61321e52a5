/**
 * The trail of a request: what happened to it, when and why, for whoever asks later. Kept for a short time in Redis, for every request that
 * failed and for a sample of the others. Holds nothing of prompts and answers.
 */
import { z } from 'zod';
import { ENDPOINTS } from '../wire/endpoints.ts';
import { LANES, SIZES } from '../wire/names.ts';
import { assertToken, fnv1a } from '../wire/token.ts';

export const TRAIL_KINDS = [
  ...(['accepted', 'held_at_door', 'placed', 'queued', 'taken', 'first_token'] as const),
  ...(['attempt_failed', 'offered_to_all', 'converted', 'ended'] as const),
] as const;

/** One thing that happened. Which fields there are follows from the kind. */
export const trailEventSchema = z.object({
  kind: z.enum(TRAIL_KINDS),
  /** Unix ms, by the clock of whom it happened to. */
  at: z.number(),
  /** Name of the process that says so. */
  by: z.string(),
  /** Digest of the API key. */
  tenant: z.string().optional(),
  endpoint: z.enum(ENDPOINTS).optional(),
  model: z.string().optional(),
  lane: z.enum(LANES).optional(),
  size: z.enum(SIZES).optional(),
  promptTokens: z.number().optional(),
  worker: z.string().optional(),
  attempt: z.number().optional(),
  /** How long it took, ms. */
  ms: z.number().optional(),
  /** Of a closed set. */
  reason: z.string().optional(),
  /** For people. */
  message: z.string().optional(),
});
export type TrailEvent = z.infer<typeof trailEventSchema>;

/** Redis list of the events of one request, as JSON. */
export function trailKey(id: string): string {
  return `penstock:trail:${assertToken(id)}`;
}

/** Redis sorted set of the ids of requests with a trail, by when it was last added to, Unix ms. */
export const TRAILS_KEY = 'penstock:trails';

/** How it stands with a request, as far as its trail tells. */
export type TrailState = 'under_way' | 'done' | 'failed' | 'client_left';

const GOOD_ENDS: ReadonlySet<string> = new Set(['done', 'completed', 'client_error']);

/** @param events in any order. */
export function trailStateOf(events: readonly TrailEvent[]): TrailState {
  const end = events.find(({ kind }) => kind === 'ended');
  if (end === undefined) return 'under_way';
  const reason = end.reason ?? '';
  if (reason === 'client_left' || reason === 'cancelled') return 'client_left';
  return GOOD_ENDS.has(reason) ? 'done' : 'failed';
}

/** Whether the trail of a request is kept although it went well. All processes say the same. @param share 0–1. */
export function isTrailSampled(id: string, share: number): boolean {
  if (share <= 0) return false;
  return share >= 1 || mixed(fnv1a(id)) < share * 2 ** 32;
}

/** Spreads over all bits what ids differ in, their last characters (the end of MurmurHash3, of 32 bits). */
function mixed(hash: number): number {
  const once = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  const twice = Math.imul(once ^ (once >>> 13), 0xc2b2ae35);
  return (twice ^ (twice >>> 16)) >>> 0;
}
