/** What is asked of a server that may be away: commands wait for it without an end, but who pressed a button must not. */
import { within } from '@penstock/runtime';
import { HttpError } from './http-error.ts';

/** Longer than any answer takes of a server that is there, ms. */
const LIMIT_MS = 5000;

/** @throws HttpError 503 with `problem` where it fails or takes too long; one that it throws itself is passed on. */
export async function reached<T>(answer: Promise<T>, problem: string): Promise<T> {
  try {
    return await within(LIMIT_MS, answer);
  } catch (err) {
    throw err instanceof HttpError ? err : new HttpError(503, problem, err);
  }
}
