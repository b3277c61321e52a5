/**
 * What a field of a message may be. Whoever reads a message reads it by these: each has a bound, so that nothing that another
 * process says can split a name, end a callback, or take more room than it is given.
 */
import { z } from 'zod';
import { isToken } from './token.ts';

/** A word that becomes part of a name; see {@link isToken}. */
export const token = z.string().refine(isToken);

/** Which process of a name: empty where a version does not say. */
export const incarnation = z.string().max(64);

/** A time, a count or a size: nothing that is counted or measured here is below 0 or beyond what a number holds exactly. */
export const amount = z.number().min(0).max(Number.MAX_SAFE_INTEGER);

/** An {@link amount} that is believed up to a bound only: what is above it counts as the bound. */
export function upTo(most: number) {
  return z
    .number()
    .min(0)
    .transform(value => Math.min(value, most));
}

/** Prompt tokens that one worker can compute in a second, at most: a hundred times what the fastest does. */
export const MOST_TOKENS_PER_SEC = 100_000_000;
/** Longest wait that is told from a longer one, s. */
export const MOST_WAIT_S = 86_400;

/** Number of an attempt: beyond the 16 bits that a frame has of it where a stored run was queued again often. */
export const attemptNumber = z.int().min(0);
/** Above every nonce: what a frame has room for. */
export const NONCE_END = 2 ** 48 - 1;
/** See {@link AttemptKey.nonce}. */
export const nonce = z.int().min(0).max(NONCE_END);

/** Streams that a region may have. */
export const MOST_SHARDS = 64;
export const shard = z
  .int()
  .min(0)
  .max(MOST_SHARDS - 1);

/** Name of a model, as engines list it. */
export const MOST_NAME = 256;
export const name = z.string().min(1).max(MOST_NAME);

/** See {@link WorkMeta.key}. */
export const workKey = z.string().regex(/^[\w-]{16,64}$/);

/** Longest subject that a broker makes for an ack. */
export const ackSubject = z.string().min(1).max(512);
