/** Fetches the bodies that messages only have a claim to. Memory is bounded: a request waits until its body has room. */
import { DispatchError, type FailedMeta, type WorkMeta } from '@penstock/protocol';
import type { ByteBudget, GiveBack } from '@penstock/runtime';
import type { RequestBodies } from '@penstock/transport';

export interface LoadedBody {
  readonly body: Buffer;
  /** To be called when the attempt is over. */
  readonly giveBack: GiveBack;
}

export class BodyLoader {
  readonly #bodies: Pick<RequestBodies, 'read'>;
  readonly #budget: ByteBudget;

  constructor(bodies: Pick<RequestBodies, 'read'>, budget: ByteBudget) {
    this.#bodies = bodies;
    this.#budget = budget;
  }

  /**
   * @param signal ends the wait for room. @returns null where it was ended.
   * @throws DispatchError `body_unavailable`
   */
  async load({ id, claim }: Pick<WorkMeta, 'id' | 'claim'>, signal: AbortSignal): Promise<LoadedBody | null> {
    if (claim === undefined) return { body: Buffer.alloc(0), giveBack() {} };
    const giveBack = await this.#budget.take(claim.bytes, signal);
    if (giveBack === null) return null;
    try {
      const body = await this.#bodies.read(id, claim);
      if (!signal.aborted) return { body, giveBack };
      giveBack();
      return null;
    } catch (err) {
      giveBack();
      throw err;
    }
  }
}

/** Another worker may share the store that this one does not. */
export function notLoaded(err: unknown): FailedMeta {
  const message =
    err instanceof DispatchError ? err.message : 'The stored body of this request could not be read.';
  return { code: 'body_unavailable', message, retryable: true };
}
