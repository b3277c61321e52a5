/**
 * Fetches the bodies that messages only have a claim to. Memory is bounded: a request waits until its body has room, and a form goes to the
 * engine as it is read.
 */
import { DispatchError, type FailedMeta, type WorkMeta } from '@penstock/protocol';
import type { ByteBudget, GiveBack } from '@penstock/runtime';
import type { RequestBodies } from '@penstock/transport';
import { BodyStream } from '../engine/body-stream.ts';

const NOTHING = Buffer.alloc(0);

export interface LoadedBody {
  /** Empty where it is streamed. */
  readonly body: Buffer;
  readonly stream: BodyStream | null;
  /** To be called when the attempt is over. */
  readonly giveBack: GiveBack;
}

export class BodyLoader {
  readonly #bodies: Pick<RequestBodies, 'open' | 'read'>;
  readonly #budget: ByteBudget;

  constructor(bodies: Pick<RequestBodies, 'open' | 'read'>, budget: ByteBudget) {
    this.#bodies = bodies;
    this.#budget = budget;
  }

  /**
   * @param signal ends the wait for room. @returns null where it was ended.
   * @throws DispatchError `body_unavailable`
   */
  async load(
    { id, claim, model, contentType }: Pick<WorkMeta, 'id' | 'claim' | 'model' | 'contentType'>,
    signal: AbortSignal,
  ): Promise<LoadedBody | null> {
    if (claim === undefined) return { body: NOTHING, stream: null, giveBack() {} };
    if (contentType !== undefined) {
      const stream = new BodyStream(await this.#bodies.open(id, claim), claim, model);
      const giveBack = () => void stream.destroy();
      if (!signal.aborted) return { body: NOTHING, stream, giveBack };
      giveBack();
      return null;
    }
    const giveBack = await this.#budget.take(claim.bytes, signal);
    if (giveBack === null) return null;
    try {
      const body = await this.#bodies.read(id, claim);
      if (!signal.aborted) return { body, stream: null, giveBack };
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
