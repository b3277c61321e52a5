import type { Readable } from 'node:stream';
import type { BodyClaim } from '@penstock/protocol';

/** A body that is kept. */
export interface KeptBody {
  /** Id of its request. */
  readonly id: string;
  /** Unix ms. */
  readonly storedAt: number;
}

/**
 * Bodies that are too large for a message of the queue, each under the id of its request: requests with equal bodies have one
 * each, so that the end of one takes nothing from the other. Promises: once `put` has resolved, the body is stored whole and
 * survives the end of any process; once it has rejected, nothing new of it is left. Nobody but the request's owner drops it;
 * what processes leave behind that died is found by {@link list}.
 */
export interface RequestBodies {
  /** Replaces what is there under the id. @param project whose it is. A stream is stored while it comes, and is never in memory as a whole. */
  put(id: string, body: Uint8Array | Readable, project: string): Promise<BodyClaim>;
  /**
   * The whole body, checked against length and digest.
   * @throws DispatchError `body_unavailable` where it is not there, is another one, or cannot be read now.
   */
  read(id: string, claim: BodyClaim): Promise<Buffer>;
  /**
   * As {@link read}, as a stream of which no more than a few pieces are in memory. One that is damaged fails before its last piece.
   * @throws DispatchError `body_unavailable`, which the stream may also fail with.
   */
  open(id: string, claim: BodyClaim): Promise<Readable>;
  /** Does nothing for an unknown id. */
  drop(id: string): Promise<void>;
  list(): AsyncIterable<KeptBody>;
  /** Removes what processes left behind that died during a `put`. */
  tidy(): Promise<void>;
}
