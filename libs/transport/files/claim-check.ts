/**
 * The claim check: what is too large for a message of the queue is kept in a store, and the message carries the claim to it.
 * Who ends a request for good discards its body. A dead letter keeps its own; what nobody discarded is swept.
 */
import {
  type BodyClaim,
  DispatchError,
  type Frame,
  type WorkEnvelope,
  type WorkMeta,
} from '@penstock/protocol';
import type { RequestBodies } from '../ports/queue/request-bodies.ts';
import type { WorkSeals } from '../vault/work-seals.ts';

const NOTHING = Buffer.alloc(0);

/** A request that may have a body in the store. */
export interface ClaimHolder {
  readonly id: string;
  readonly claim?: BodyClaim | undefined;
  /** Said of a run's record, which does not have the claim itself. */
  readonly hasClaim?: boolean | undefined;
}

export class ClaimCheck {
  readonly #bodies: Pick<RequestBodies, 'put' | 'drop'>;
  readonly #mostInline: number;
  readonly #seals: Pick<WorkSeals, 'isOff' | 'replies' | 'seal' | 'sealKept'> | null;

  /** @param mostInline bytes of the longest body that a message carries itself. @param seals of messages; absent where they are not sealed. */
  constructor(
    bodies: Pick<RequestBodies, 'put' | 'drop'>,
    mostInline: number,
    seals: Pick<WorkSeals, 'isOff' | 'replies' | 'seal' | 'sealKept'> | null = null,
  ) {
    this.#bodies = bodies;
    this.#mostInline = mostInline;
    this.#seals = seals === null || seals.isOff ? null : seals;
  }

  /** Whether messages are sealed. */
  get isSealing(): boolean {
    return this.#seals !== null;
  }

  /** The parts of a message as they are queued. @param project whose it is. @throws DispatchError `store_unavailable` where no key can be had. */
  async sealed(project: string, work: WorkEnvelope): Promise<WorkEnvelope> {
    if (this.#seals === null) return work;
    try {
      return await this.#seals.seal(project, work);
    } catch (err) {
      throw new DispatchError('store_unavailable', { cause: err });
    }
  }

  /** A message that is kept for an operator. @throws DispatchError as {@link sealed}. */
  async sealedKept(work: WorkEnvelope): Promise<WorkEnvelope> {
    try {
      return this.#seals === null ? work : await this.#seals.sealKept(work);
    } catch (err) {
      throw new DispatchError('store_unavailable', { cause: err });
    }
  }

  /** What a worker says of a request whose client waits, as it said it. @throws SealError */
  opened(frame: Frame): Frame {
    return this.#seals === null ? frame : this.#seals.replies.open(frame);
  }

  /** Nobody waits for its answer any more. */
  forget(id: string): void {
    this.#seals?.replies.forget(id);
  }

  isLarge(body: Uint8Array): boolean {
    return body.byteLength > this.#mostInline;
  }

  /**
   * The parts of a message: a large body is stored first, and stays as long as its request is not {@link discard}ed.
   * @param project whose it is. @throws DispatchError `storage_unavailable`
   */
  async checkIn<M extends Pick<WorkMeta, 'id'>>(
    meta: M,
    body: Uint8Array,
    project: string,
  ): Promise<{ readonly meta: M & { claim?: BodyClaim }; readonly body: Uint8Array }> {
    if (!this.isLarge(body)) return { meta, body };
    try {
      return { meta: { ...meta, claim: await this.#bodies.put(meta.id, body, project) }, body: NOTHING };
    } catch (err) {
      throw new DispatchError('storage_unavailable', { cause: err });
    }
  }

  /** The request is over. Never rejects: what could not be dropped is swept. */
  async discard({ id, claim, hasClaim = false }: ClaimHolder): Promise<void> {
    if (claim === undefined && !hasClaim) return;
    await this.#bodies.drop(id).catch(() => {});
  }
}
